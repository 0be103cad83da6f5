"""The guard: what may run, what must be asked, what is refused, and what repeats itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.agents.office import Office, allow_all, ask_about_writes, deny_writes, office, proposed, result_of

from pilotman.agents.desk import Desk
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.agents.tool import tool
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.policy import Call, Decision, default_policy

pytestmark = pytest.mark.anyio


@tool(effect="read")
async def look(host: str, depth: int = 1) -> str:
    """Look at a host."""
    return f"{host} is well"


@tool(effect="write")
async def open_ticket(title: str) -> str:
    """Open a ticket."""
    return "OPS-1"


@tool
async def undeclared(x: str) -> str:
    """Who knows what this does."""
    return x


async def seat(place: Office, **fields: Any) -> Desk:
    run = await place.run(**fields.pop("run", {}))
    return place.desk(run, look, open_ticket, undeclared, **fields)


def want(name: str, **args: Any) -> dict[str, Any]:
    return {"id": "c1", "name": name, "args": args}


async def test_only_leased_tools_and_valid_arguments_come_through() -> None:
    async with office() as place:
        desk = await seat(place)
        calls = desk.guard.propose(
            [
                want("look", host="web-1"),
                want("format_disk", disk="sda"),
                want("look", host="web-1", depth="deep"),
                want("look", host="web-1", extra=1),
                want("look"),
                {"name": "look", "args": None},
                {"name": "look", "args": ["web-1"]},
                {},
            ],
            path="task:t1/turn:0",
        )
        assert [call.stage for call in calls] == ["proposed"] + ["done"] * 7
        assert calls[0].args == {"host": "web-1", "depth": 1}, "defaults are part of what is decided"
        kinds = [result_of(call).error.kind for call in calls[1:]]  # type: ignore[union-attr]
        assert kinds == ["authorization", *["validation"] * 5, "authorization"]
        assert len(await place.events("run_1", "tool_call_failed")) == 7
        assert "leased: look, open_ticket, undeclared" in str(calls[1].result)


async def test_a_model_that_repeats_what_cannot_be_called_is_stopped() -> None:
    async with office() as place:
        wrong = [call("look", depth=1), call("format_disk", disk="sda")]
        model = ScriptedChatModel([wrong[0], wrong[1], wrong[0], call("look", host="web-1"), *wrong * 10])
        desk = await seat(place, models=model)
        state = await place.drive(desk)
        assert "repeats a call" in str(state["report"]["caveats"])
        assert len(model.requests) == 5, "a mistake may be mended twice"


async def test_many_mistakes_in_one_turn_are_one() -> None:
    async with office() as place:
        desk = await seat(place)
        for _ in range(3):  # after a pause the same turn is read again
            desk.guard.propose([want("look")] * 9, path="task:t1/turn:0")
        assert not desk.guard.is_hopeless


async def test_a_turn_with_very_many_calls_is_one_question() -> None:
    async with office() as place:
        desk = await seat(place, budget=Budget(max_calls_per_tool=3))
        calls = desk.guard.propose([want("look", host=f"web-{n}") for n in range(50)], path="task:t1/turn:0")
        assert [call.stage for call in calls] == ["proposed"] * 4 + ["done"] * 46
        judged = await desk.guard.guard(calls)
        assert len(await place.open()) == 1
        assert "first a person" in str(result_of(judged[-1]).error)


async def test_an_undeclared_tool_is_a_write_and_denied_by_default() -> None:
    async with office() as place:
        desk = await seat(place, policies=[default_policy])
        (call,) = await desk.guard.guard([desk.guard.propose_one(want("undeclared", x="1"), path="p")])
        assert call.stage == "done"
        assert not await desk.guard.is_free(proposed("undeclared", x="1"))
        (decided,) = await place.events("run_1", "decision")
        assert (decided.data["verdict"], decided.data["effect"]) == ("deny", "write")


async def test_a_denial_is_a_code_and_never_the_policy_s_text() -> None:
    async with office() as place:
        desk = await seat(place, policies=[deny_writes])
        (call,) = await desk.guard.guard([proposed("open_ticket", title="x")])
        error = result_of(call).error
        assert error is not None
        assert error.message.startswith("denied_by_policy: open_ticket")
        assert "secret" not in str(call.message())
        (decided,) = await place.events("run_1", "decision")
        assert decided.data["reasons"] == ["the secret reason"]


async def test_a_policy_of_the_chain_that_says_no_wins() -> None:
    async with office() as place:
        for groups, expected in [
            (((allow_all,), (allow_all,)), "allow"),
            (((allow_all,), (ask_about_writes,)), "escalate"),
            (((ask_about_writes,), (allow_all,)), "escalate"),
            (((ask_about_writes,), (deny_writes,)), "deny"),
            (((deny_writes,), (allow_all,)), "deny"),
            (((allow_all,), ()), "deny"),
        ]:
            run = await place.run(f"run {groups}")
            task = place.task(run, open_ticket)
            task.policies = groups
            call = Call(tool="open_ticket", args={"title": "x"})
            assert task.decide(call).verdict == expected, groups


async def test_a_read_only_run_writes_nothing_whatever_policies_say() -> None:
    async with office() as place:
        desk = await seat(place, run={"read_only": True})
        (call,) = await desk.guard.guard([proposed("open_ticket", title="x")])
        assert call.stage == "done"
        assert await desk.guard.is_free(proposed("look", host="x", depth=1))


async def test_facts_reach_policies_and_without_them_nothing_is_decided() -> None:
    seen: list[Call] = []

    def policy(call: Call, /) -> Decision | None:
        seen.append(call)
        return Decision.allow() if call.facts.get("free") == 3 else Decision.deny("no facts")

    @tool(effect="read")
    async def measure(host: str) -> str:
        """Measure."""
        return host

    @measure.precondition
    async def free(host: str) -> dict[str, Any]:
        if host == "gone":
            raise RuntimeError("no such host")
        return {"free": 3, "host": host}

    async with office() as place:
        run = await place.run()
        desk = place.desk(run, measure, policies=[policy])
        assert not await desk.guard.is_free(proposed("measure", host="web-1")), "its facts come first"
        (call,) = await desk.guard.guard([proposed("measure", host="web-1")])
        assert call.stage == "allowed"
        assert seen[0].facts == {"free": 3, "host": "web-1"}
        (call,) = await desk.guard.guard([proposed("measure", host="gone")])
        assert call.stage == "done"
        assert len(seen) == 1
        assert "no such host" in str(call.result)
        last = (await place.events("run_1", "decision"))[-1]
        assert last.data["verdict"] == "deny"
        assert "precondition" in last.data["reasons"][0]


async def test_a_policy_sees_who_asks_and_what_was_done_before() -> None:
    seen: list[Call] = []

    def policy(call: Call, /) -> Decision | None:
        seen.append(call)
        return Decision.allow()

    async with office() as place:
        desk = await seat(place, policies=[policy])
        await desk.read(proposed("look", host="web-1", depth=1))
        await desk.guard.guard([proposed("open_ticket", title="x")])
        (call,) = seen
        assert (call.agent, call.principal.user, call.tools_used) == ("worker", "alice", ("look",))
        assert call.now.tzinfo is not None


# repetition


async def propose(desk: Desk, times: int, **args: Any) -> list[str | None]:
    calls = [desk.guard.propose_one(want("look", **args), path=f"p{n}") for n in range(times)]
    return [call.repeat for call in calls]


async def test_the_third_identical_call_is_for_a_person() -> None:
    async with office() as place:
        desk = await seat(place)
        said = await propose(desk, 4, host="web-1")
        assert said[:2] == [None, None]
        assert said[2] == "the same call was made 2 times already"
        other = desk.guard.propose_one(want("look", host="web-2"), path="p9")
        assert other.repeat is None


async def test_the_second_is_answered_from_the_record_until_something_was_written() -> None:
    async with office() as place:
        desk = await seat(place)
        first = await desk.read(proposed("look", "p0", host="web-1", depth=1))
        second = await desk.read(proposed("look", "p1", host="web-1", depth=1))
        assert result_of(first) == result_of(second)
        assert len(await place.events("run_1", "tool_call_started")) == 1
        (reused,) = await place.events("run_1", "tool_call_reused")
        assert reused.data["path"] == "p1"
        write = proposed("open_ticket", "p2", title="x")
        assert (await desk.act(await _allow(desk, write))).stage == "done"
        await desk.read(proposed("look", "p3", host="web-1", depth=1))
        assert len(await place.events("run_1", "tool_call_started")) == 3, "the world may be another now"


async def _allow(desk: Desk, call: Any) -> Any:
    (judged,) = await desk.guard.guard([call])
    return judged


async def test_a_failure_is_no_answer_for_the_same_call() -> None:
    ends: Iterator[Any] = iter([RuntimeError("no"), "yes"])

    @tool(effect="read")
    async def flaky() -> str:
        """Sometimes."""
        end = next(ends)
        if isinstance(end, BaseException):
            raise end
        return str(end)

    async with office() as place:
        desk = place.desk(await place.run(), flaky)
        await desk.read(proposed("flaky", "p0"))
        again = await desk.read(proposed("flaky", "p1"))
        assert result_of(again).value == "yes"


async def test_too_many_calls_of_a_tool_in_a_conversation_are_for_a_person() -> None:
    async with office() as place:
        desk = await seat(place, budget=Budget(max_calls_per_tool=3))
        desk.task.run.conversation_calls["look"] = 2  # earlier runs of the same conversation
        calls = [desk.guard.propose_one(want("look", host=f"h{n}"), path=f"p{n}") for n in range(2)]
        assert calls[0].repeat is None
        assert calls[1].repeat == "look was called 3 times in this conversation"
        (waiting,) = await desk.guard.guard(calls[1:])
        assert waiting.stage == "waiting"
        (asked,) = await place.open()
        assert (asked.kind, asked.step, asked.digest) == ("repeat", "p1", calls[1].digest)


async def test_counting_a_step_twice_changes_nothing() -> None:
    async with office() as place:
        desk = await seat(place)
        calls = [desk.guard.propose_one(want("look", host="web-1"), path="p0") for _ in range(5)]
        assert [call.repeat for call in calls] == [None] * 5
        assert desk.task.run.identical_calls[calls[0].digest] == 1


async def test_an_approved_repetition_starts_the_counts_again_also_after_a_crash() -> None:
    async with office() as place:
        desk = await seat(place)
        calls = [desk.guard.propose_one(want("look", host="web-1"), path=f"p{n}") for n in range(3)]
        (waiting,) = await desk.guard.guard([calls[2]])
        (asked,) = await place.open()
        await place.answer(asked)
        going_on = await desk.act(waiting)
        assert (going_on.stage, going_on.repeat) == ("proposed", None)
        assert desk.guard.propose_one(want("look", host="web-1"), path="p3").repeat is None
        again = place.desk(await place.run(new=False), look)
        said = [again.guard.propose_one(want("look", host="web-1"), path=f"p{n}").repeat for n in range(5)]
        assert said[:4] == [None] * 4, "what was allowed stays allowed"


async def test_asking_again_is_the_same_question() -> None:
    async with office() as place:
        desk = await seat(place, policies=[ask_about_writes])
        call = proposed("open_ticket", title="x")
        for _ in range(2):
            (waiting,) = await desk.guard.guard([call])
            assert waiting.stage == "waiting"
        assert len(await place.open()) == 1
        assert len(await place.events("run_1", "approval_requested")) == 1
        (asked,) = await place.open()
        assert asked.args == {"title": "x"}
        assert asked.digest == call.digest
        assert asked.question == 'May worker do open_ticket(title="x")? Effect: write.'
