"""What people are asked about a task's calls: together, once, so often, and never what they said no to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, ToolCall
from langgraph.checkpoint.memory import InMemorySaver
from tests.agents.office import (
    Office,
    allow_all,
    ask_about_writes,
    deny_writes,
    office,
    proposed,
    result_of,
)

from pilotman.agents.desk import Desk
from pilotman.agents.report import Report
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.policy import Call, Decision

pytestmark = pytest.mark.anyio


class Post:
    """Mails that were sent, as they went out."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

        @tool(effect="irreversible")
        async def send_mail(to: str, body: str = "") -> str:
            """Send a mail."""
            self.sent.append((to, body))
            return "sent"

        @tool(effect="irreversible")
        async def call_up(to: str) -> str:
            """Call somebody."""
            self.sent.append((to, "called"))
            return "called"

        self.tools: list[Tool[..., Any]] = [send_mail, call_up]

    async def desk(
        self, place: Office, turns: Sequence[Any] = (), *, new: bool = True, **fields: Any
    ) -> Desk:
        fields = {"policies": [ask_about_writes], **fields}
        run = await place.run(new=new)
        return place.desk(run, *self.tools, models=ScriptedChatModel(list(turns)), **fields)


def mails(*to: str, tool: str = "send_mail", turn: int = 0, **args: Any) -> AIMessage:
    made = [
        {"name": tool, "args": {"to": one, **args}, "id": f"c{turn}_{n}", "type": "tool_call"}
        for n, one in enumerate(to)
    ]
    return AIMessage(content="", tool_calls=made)


async def asked(place: Office) -> Approval:
    (question,) = await place.open()
    return question


async def test_calls_of_one_turn_are_one_question_and_each_gets_its_own_permit() -> None:
    async with office() as place:
        post = Post()
        desk = await post.desk(place, [mails("a@x.y", "b@x.y", "c@x.y")])
        await place.drive(desk)
        question = await asked(place)
        assert [c.args["to"] for c in question.calls] == ["a@x.y", "b@x.y", "c@x.y"]
        assert [c.call.agent for c in question.calls] == ["worker"] * 3
        await place.answer(question, digest=question.digest)
        await place.drive(await post.desk(place, ["They were sent."], new=False))
        assert [to for to, _ in post.sent] == ["a@x.y", "b@x.y", "c@x.y"]
        rows = await place.journal.effects("run_1", tenant="acme")
        permits = [await place.journal.permit(row.permit_id) for row in rows]
        assert len({permit.permit_id for permit in permits if permit}) == 3
        assert [p.approval_id for p in permits if p] == [c.approval_id for c in question.calls]
        assert [p.digest for p in permits if p] == [c.digest for c in question.calls]


async def test_other_tools_and_other_reasons_are_other_questions() -> None:
    def policy(proposal: Call, /) -> Decision:
        return Decision.escalate("abroad" if str(proposal.args["to"]).endswith(".fr") else "a person decides")

    async with office() as place:
        post = Post()
        desk = await post.desk(place, policies=[policy])
        calls = [
            proposed("send_mail", "p0", to="a@x.y", body=""),
            proposed("call_up", "p1", to="a@x.y"),
            proposed("send_mail", "p2", to="b@x.fr", body=""),
            proposed("send_mail", "p3", to="c@x.y", body=""),
        ]
        await desk.guard.guard(calls)
        groups = [[c.step for c in question.calls] for question in await place.open()]
        assert sorted(groups) == [["p0", "p3"], ["p1"], ["p2"]]


async def test_some_are_approved_the_others_wait_and_are_rejected() -> None:
    async with office() as place:
        post = Post()
        await place.drive(await post.desk(place, [mails("a@x.y", "b@x.y", "c@x.y")]))
        a, b, c = (await asked(place)).calls
        await place.answer(await asked(place), only=[b.digest])
        state = await place.drive(await post.desk(place, new=False))
        assert [to for to, _ in post.sent] == ["b@x.y"]
        (stop,) = state["__interrupt__"]
        assert stop.value["approvals"] == [a.approval_id, c.approval_id]
        await place.answer(await asked(place), "rejected")
        await place.drive(await post.desk(place, ["One was sent."], new=False))
        assert [to for to, _ in post.sent] == ["b@x.y"]


async def test_one_of_several_is_edited_under_a_permit_for_the_new_arguments() -> None:
    async with office() as place:
        post = Post()
        await place.drive(await post.desk(place, [mails("a@x.y", "b@x.y")]))
        a, b = (await asked(place)).calls
        await place.answer(await asked(place), only=[b.digest], new_args={"to": "bob@x.y", "body": "edited"})
        await place.answer(await asked(place), only=[a.digest])
        await place.drive(await post.desk(place, ["They were sent."], new=False))
        assert post.sent == [("a@x.y", ""), ("bob@x.y", "edited")]
        rows = {row.step: row for row in await place.journal.effects("run_1", tenant="acme")}
        permit = await place.journal.permit(rows[b.step].permit_id)
        assert permit is not None
        assert (
            permit.digest == rows[b.step].digest == proposed("send_mail", to="bob@x.y", body="edited").digest
        )
        assert rows[b.step].key != rows[a.step].key
        assert permit.approval_id == b.approval_id


async def test_policies_are_asked_again_about_what_an_approver_put_in_place() -> None:
    def policy(proposal: Call, /) -> Decision:
        if proposal.args["to"] == "eve@evil.example":
            return Decision.deny("not to her")
        return Decision.escalate("a person decides")

    async with office() as place:
        post = Post()
        await place.drive(await post.desk(place, [mails("a@x.y")], policies=[policy]))
        await place.answer(await asked(place), new_args={"to": "eve@evil.example", "body": ""})
        state = await place.drive(await post.desk(place, ["Not sent."], policies=[policy], new=False))
        assert post.sent == []
        assert "denied_by_policy" in str(state["messages"])


@pytest.mark.parametrize(("to", "sent"), [("bob@x.y", 1), ("a@x.y", 0)])
async def test_an_edit_may_name_another_target_but_not_an_old_version_of_the_same(to: str, sent: int) -> None:
    versions = {"a@x.y": "1", "bob@x.y": "7"}
    done: list[str] = []

    @tool(effect="write")
    async def update(to: str, text: str) -> str:
        """Update somebody's card."""
        done.append(to)
        return "updated"

    @update.precondition
    async def version(to: str, text: str) -> dict[str, Any]:
        return {"etag": versions[to]}

    async with office() as place:
        model = ScriptedChatModel([call("update", to="a@x.y", text="old")])
        run = await place.run()
        await place.drive(place.desk(run, update, models=model, policies=[ask_about_writes]))
        await place.answer(await asked(place), new_args={"to": to, "text": "new"})
        versions["a@x.y"] = "2"
        run = await place.run(new=False)
        later = place.desk(run, update, models=ScriptedChatModel(["Seen."]), policies=[ask_about_writes])
        await place.drive(later)
        assert len(done) == sent


async def test_a_call_that_comes_later_joins_the_open_question_also_from_another_task() -> None:
    async with office() as place:
        post = Post()
        run = await place.run()
        first = place.desk(run, *post.tools, policies=[ask_about_writes])
        second = place.desk(run, *post.tools, policies=[ask_about_writes], path="task:t2", agent="helper")
        await first.guard.guard([proposed("send_mail", "task:t1/p0", to="a@x.y", body="")])
        before = await asked(place)
        (joined,) = await second.guard.guard([proposed("send_mail", "task:t2/p0", to="b@x.y", body="")])
        question = await asked(place)
        assert question.approval_id == before.approval_id
        assert "May worker and helper do these 2 calls" in question.question
        assert joined.approval_id == question.calls[1].approval_id
        with pytest.raises(Exception, match="other arguments"):
            await place.answer(question, digest=before.digest)
        with pytest.raises(Exception, match="joined"):
            await place.answer(question)
        await place.answer(question, only=[before.digest])
        assert (await second.act(joined)).stage == "waiting", "nobody has seen it"


async def test_what_policies_were_told_comes_with_the_question() -> None:
    async with office() as place:
        post = Post()
        desk = await post.desk(place)
        await desk.guard.guard([proposed("send_mail", "p0", to="a@x.y", body="")])
        (one,) = (await asked(place)).calls
        assert (one.call.tool, one.call.effect, one.call.principal.user) == (
            "send_mail",
            "irreversible",
            "alice",
        )
        assert one.chain == ("office", "worker")
        assert set(one.call.labels) == {"to", "body"}
        assert one.to_dict()["shown"] == {"to": '"a@x.y"', "body": '""'}


# what is not asked again


async def test_a_rejected_target_is_not_asked_again_whatever_else_is_changed() -> None:
    async with office() as place:
        post = Post()
        await place.drive(await post.desk(place, [mails("eve@evil.example", body="one")]))
        await place.answer(await asked(place), "rejected", comment="not her")
        turns = [mails("Eve@evil.example", body="two", turn=1), mails("a@x.y", turn=2)]
        state = await place.drive(await post.desk(place, turns, new=False))
        told = [m for m in state["messages"] if m["role"] == "tool"]
        assert "rejected by bob: not her" in told[0]["content"]
        assert "rejected_before: send_mail may not be called so" in told[1]["content"]
        assert "not her" not in told[1]["content"]
        question = await asked(place)
        assert [c.args["to"] for c in question.calls] == ["a@x.y"], "others may be asked"
        decided = (await place.events("run_1", "decision"))[-2]
        assert (decided.data["verdict"], "said no" in decided.data["reasons"][0]) == ("deny", True)


async def test_a_policy_that_changes_its_mind_does_not_run_what_a_person_said_no_to() -> None:
    async with office() as place:
        post = Post()
        await place.drive(await post.desk(place, [mails("eve@evil.example")]))
        await place.answer(await asked(place), "rejected")
        turns = [mails("eve@evil.example", turn=1), "It was not sent."]
        state = await place.drive(await post.desk(place, turns, policies=[allow_all], new=False))
        assert post.sent == []
        assert "rejected_before" in str(state["messages"][-2])


async def test_nobody_s_answer_is_a_no_for_the_target_too() -> None:
    async with office() as place:
        post = Post()
        budget = Budget(approval_timeout=60.0)
        await place.drive(await post.desk(place, [mails("eve@evil.example")], budget=budget))
        place.clock.forward(seconds=61)
        turns = [mails("eve@evil.example", body="again", turn=1), "It was not sent."]
        state = await place.drive(await post.desk(place, turns, budget=budget, new=False))
        assert "rejected_before" in str(state["messages"][-2])
        assert await place.open() == []


async def test_a_repetition_that_was_refused_is_not_asked_again() -> None:
    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        return host

    async with office() as place:
        turns = [call("look", host="web-1")] * 3
        desk = place.desk(await place.run(), look, models=ScriptedChatModel(turns))
        await place.drive(desk)
        await place.answer(await asked(place), "rejected")
        again: list[Any] = [
            *(call("look", host=host) for host in ("web-1", "web-2")),
            "I have seen enough.",
        ]
        desk = place.desk(await place.run(new=False), look, models=ScriptedChatModel(again))
        state = await place.drive(desk)
        told = [m["content"] for m in state["messages"] if m["role"] == "tool"]
        assert "rejected_before" in told[-2]
        assert "web-2" in told[-1], "another call is no repetition"
        assert await place.open() == []


async def test_a_tool_that_people_let_nobody_go_on_with_is_not_asked_about_again() -> None:
    async with office() as place:
        post = Post()
        fields: dict[str, Any] = {"policies": [allow_all], "budget": Budget(max_calls_per_tool=2)}
        turns = [mails("a@x.y", "b@x.y", "c@x.y")]
        await place.drive(await post.desk(place, turns, **fields))
        assert (await asked(place)).kind == "repeat"
        await place.answer(await asked(place), "rejected")
        again = [mails("d@x.y", turn=1), "Two were sent."]
        state = await place.drive(await post.desk(place, again, **fields, new=False))
        assert "rejected_before" in str(state["messages"][-2])
        assert sorted(to for to, _ in post.sent) == ["a@x.y", "b@x.y"]


# how often


def by_recipient(proposal: Call, /) -> Decision:
    return Decision.escalate(f"who is {proposal.args['to']}?")


async def test_a_run_asks_so_often_and_denies_the_rest() -> None:
    async with office() as place:
        post = Post()
        budget = Budget(max_questions=2, max_calls_per_tool=99)
        desk = await post.desk(place, policies=[by_recipient], budget=budget)
        calls = [proposed("send_mail", f"p{n}", to=f"u{n}@x.y", body="") for n in range(4)]
        judged = await desk.guard.guard(calls)
        assert [one.stage for one in judged] == ["waiting", "waiting", "done", "done"]
        assert "too_many_questions" in str(result_of(judged[2]).error)
        assert len(await place.open()) == 2
        assert any("as often as it may" in caveat for caveat in desk.task.run.caveats)
        again = await (await post.desk(place, policies=[by_recipient], budget=budget, new=False)).guard.guard(
            calls
        )
        assert [one.stage for one in again] == ["waiting", "waiting", "done", "done"]


async def test_an_agent_that_is_denied_again_and_again_is_suspended() -> None:
    async with office() as place:
        post = Post()
        turns = [mails(f"u{n}@x.y", turn=n) for n in range(20)]
        model = ScriptedChatModel(turns)
        desk = place.desk(
            await place.run(),
            *post.tools,
            models=model,
            policies=[deny_writes],
            budget=Budget(max_calls_per_tool=99),
        )
        report = Report.from_dict((await place.drive(desk))["report"])
        assert len(model.requests) == 5
        assert report.status == "partial"
        assert "suspended, 5 of its calls were denied" in str(report.caveats)
        assert any("suspended" in caveat for caveat in desk.task.run.caveats)
        (event,) = await place.events("run_1", "task_suspended")
        assert event.data["denials"] == 5
        assert "secret" not in str(report)


async def test_many_denials_in_one_turn_are_one_mistake() -> None:
    async with office() as place:
        post = Post()
        turns = [mails(*(f"u{n}@x.y" for n in range(4))), "None was sent."]
        desk = await post.desk(place, turns, policies=[deny_writes])
        report = Report.from_dict((await place.drive(desk))["report"])
        assert "suspended" not in str(report.caveats)


# the law

CALLS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), min_size=1, max_size=3)
"""Of one turn: to whom, and what."""
ANSWERS = st.tuples(st.integers(0, 9), st.sets(st.integers(0, 9), min_size=1), st.booleans(), st.booleans())
"""Which question, which of its calls, yes or no, and whether the parked graph is lost then."""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    turns=st.lists(CALLS, min_size=1, max_size=4),
    answers=st.lists(ANSWERS, min_size=1, max_size=8),
)
async def test_only_what_was_shown_and_approved_is_ever_executed(
    turns: list[list[tuple[str, str]]], answers: list[tuple[int, set[int], bool, bool]]
) -> None:
    async with office() as place:
        post = Post()
        script: list[Any] = [
            AIMessage(content="", tool_calls=[mail(f"{t}_{n}", *one) for n, one in enumerate(turn)])
            for t, turn in enumerate(turns)
        ]
        approved, refused = set[str](), set[str]()
        budget = Budget(max_calls_per_tool=99, max_questions=99)
        for life, (which, some, yes, lost) in zip(range(60), cycle(answers), strict=False):
            left = script[len(await place.events("run_1", "model_call_completed")) if life else 0 :]
            state = await place.drive(await post.desk(place, [*left, "Done."], budget=budget, new=life == 0))
            done = {proposed("send_mail", to=to, body=body).digest for to, body in post.sent}
            assert done <= approved
            if "__interrupt__" not in state:
                return
            open_ = await place.open()
            question = open_[which % len(open_)]
            only = {question.pending[n % len(question.pending)].digest for n in some}
            assert question.kind == "repeat" or not refused & only, "nobody is asked again"
            await place.answer(question, "approved" if yes else "rejected", digest=question.digest, only=only)
            if question.kind == "call":
                (approved if yes else refused).update(only)
            place.saver = InMemorySaver() if lost else place.saver
        pytest.fail("it does not come to its end")


def mail(name: str, to: str, body: str) -> ToolCall:
    return {"name": "send_mail", "args": {"to": to, "body": body}, "id": name, "type": "tool_call"}
