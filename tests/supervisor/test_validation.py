"""No answer leaves that the record does not support, or that may not leave."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.patience import until
from tests.supervisor.scene import ONE, Clock, Desk, alice, bob, check_moves, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, Decision, Policy
from pilotman.guardrails.errors import Conflict
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Plan, Run, Supervisor, Task

BOTH = Plan(tuple(Task(task_id=n, agent=n, goal=f"do {n}") for n in ("a", "b")))


@tool(effect="read")
async def disk_usage(host: str) -> str:
    """Free space of a host."""
    return f"{host}: 97% of /var used"


@tool(effect="write")
async def open_ticket(title: str) -> str:
    """Open a ticket."""
    return "OPS-1"


def look_first(_: Call) -> Decision:
    return Decision.escalate("look at it first")


def nothing_leaves(_: Call) -> Decision:
    return Decision.deny("nothing leaves")


SHOWN: list[tuple[Policy | None, bool]] = [(None, True), (nothing_leaves, False)]


class Writers:
    """Two specialists whose reports are sound, and a writer and a planner who say what the test says."""

    def __init__(self, *answers: str, second: str = "", **settings: Any) -> None:
        agents = [
            Specialist("a", "Looks at disks.", tools=[disk_usage, open_ticket]),
            Specialist("b", "Knows about logs."),
        ]
        looks = ScriptedChatModel([call("disk_usage", host="web-1"), "web-1: 97% of /var used."], agent="a")
        reads = ScriptedChatModel(["The logs rotate daily."], agent="b")
        self.writer = ScriptedChatModel(answers)
        self.second = ScriptedChatModel([second] if second else [])
        models: Any = {"worker": [looks, reads], "writer": self.writer, "planner": self.second}
        self.team = Supervisor("desk", agents, models=models, **settings)

    async def run(self) -> Run:
        async with self.team as team:
            run = await team.run("what about web-1?", principal=alice, plan=BOTH)
            check_moves(run, await history(team, run))
            return run


FABRICATED = {
    "figure": "web-1 has 42% free.",
    "citation": "Delete the journals [7].",
    "quote": 'The runbook says "delete everything" [1].',
    "action": "I opened a ticket about the disk.",
    "identifier": "See ticket OPS-4711.",
}


@pytest.mark.anyio
@pytest.mark.parametrize("what", FABRICATED)
async def test_a_fabricated_answer_is_written_again_by_the_next_tier(what: str) -> None:
    desk = Writers(FABRICATED[what], second="/var of web-1 is 97% used; logs rotate daily.")
    run = await desk.run()
    assert run.answer == "/var of web-1 is 97% used; logs rotate daily."
    assert [t.to_state for t in run.transitions].count("PLANNED") == 2
    desk.second.assert_exhausted()


@pytest.mark.anyio
@pytest.mark.parametrize("what", FABRICATED)
async def test_at_last_the_answer_is_put_together_from_the_reports(what: str) -> None:
    run = await Writers(FABRICATED[what], second=FABRICATED[what]).run()
    assert run.state == "COMPLETED"
    assert FABRICATED[what] not in str(run.answer)
    assert "97%" in str(run.answer)
    assert any("refused" in caveat for caveat in run.caveats)


@pytest.mark.anyio
async def test_a_single_sound_report_is_the_answer_word_for_word() -> None:
    desk = Desk([call("open_ticket", title="disk"), "Done: ticket about disk."], policy=yes)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
    assert run.answer == "Done: ticket about disk."
    desk.model.assert_exhausted()


@pytest.mark.anyio
async def test_a_report_that_claims_too_much_is_sent_back_and_never_passed_on() -> None:
    desk = Desk(["I opened ticket OPS-9.", "I opened ticket OPS-9 again."])
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
    assert "OPS-9 was not returned by any tool" in str(run.answer)
    assert "opened ticket OPS-9 again" not in str(run.answer).replace(
        "'I opened ticket OPS-9 again.' claims", ""
    )


@pytest.mark.anyio
async def test_a_policy_may_hold_an_answer_back() -> None:
    def no_numbers(answer: Call) -> Decision:
        return Decision.deny("no numbers") if "97" in str(answer.args["answer"]) else Decision.allow()

    run = await Writers("97% of /var is used on web-1.", answer_policy=no_numbers).run()
    assert run.state == "COMPLETED"
    assert "97" not in str(run.answer)
    assert "withheld" in str(run.answer)
    assert "97" not in str(run.to_dict()["answer"])


@pytest.mark.anyio
async def test_deny_wins_over_a_doubt_that_a_person_has_cleared() -> None:
    @tool(effect="read")
    async def broken(host: str) -> str:
        """Look at a host."""
        raise RuntimeError("no way in")

    denied: list[str] = []

    def never(answer: Call) -> Decision:
        denied.append(str(answer.args["answer"]))
        return Decision.deny("not this one")

    for policy, says in ((None, "I could not look."), (never, "withheld")):
        model = ScriptedChatModel([call("broken", host="web-1"), "I could not look.", "I could not look."])
        agents = [Specialist("operator", "Looks.", tools=[broken])]
        settings: Any = {"models": model, "min_confidence": 0.9, "answer_policy": policy}
        async with Supervisor("t", agents, **settings) as team:
            run = await team.run("look at web-1", principal=alice, plan=ONE)
            if policy is None:
                assert (run.state, run.answer) == ("ESCALATED", None)
                assert "confidence" in str(run.pending[0].reasons)
                await team.approve(run.pending[0].approval_id, principal=bob)
                run = await team.resume(run.run_id, principal=alice)
        assert (run.state, run.pending) == ("COMPLETED", ())
        assert says in str(run.answer)
    assert denied


@pytest.mark.anyio
@pytest.mark.parametrize(("verb", "says"), [("approve", "97%"), ("reject", "bob said no: too early")])
async def test_a_policy_may_ask_a_person_before_an_answer_leaves(verb: str, says: str) -> None:
    desk = Writers("97% of /var is used.", answer_policy=look_first)
    async with desk.team as team:
        run = await team.run("what about web-1?", principal=alice, plan=BOTH)
        assert (run.state, run.answer, run.pending[0].kind) == ("ESCALATED", None, "answer")
        await getattr(team, verb)(run.pending[0].approval_id, principal=bob, comment="too early")
        run = await team.resume(run.run_id, principal=alice)
        check_moves(run, await history(team, run))
    assert run.state == "COMPLETED"
    assert says in str(run.answer)


@pytest.mark.anyio
async def test_a_nested_team_asks_before_its_own_answer_leaves() -> None:
    inner = Supervisor("inner", [Specialist("a", "Looks.")], answer_policy=look_first)
    model = ScriptedChatModel(["The disk is full."], agent="a")
    plan = Plan((Task(task_id="t", agent="inner", goal="look"),))
    for args, says in ((None, "The disk is full."), ({"answer": "It is well."}, "It is well.")):
        model = ScriptedChatModel(["The disk is full."], agent="a")
        async with Supervisor("outer", [inner], models=[model]) as team:
            run = await team.run("look", principal=alice, plan=plan)
            assert run.state == "ESCALATED"
            await team.approve(run.pending[0].approval_id, principal=bob, args=args)
            run = await team.resume(run.run_id, principal=alice)
        assert (run.state, run.answer) == ("COMPLETED", says)


class Verdict(BaseModel):
    host: str
    used_percent: int


@pytest.mark.anyio
async def test_a_response_format_is_checked_and_can_be_read_back() -> None:
    good = '{"host": "web-1", "used_percent": 97}'
    for first in ("no JSON", '{"host": "web-1"}', '{"host": "web-1", "used_percent": 48213}'):
        run = await Writers(first, second=good, response_format=Verdict).run()
        assert run.answer_as(Verdict) == Verdict(host="web-1", used_percent=97), run.answer
    desk = Desk(["The disk is full."])
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        with pytest.raises(Conflict):
            run.answer_as(Verdict)


@pytest.mark.anyio
async def test_an_interim_answer_is_checked_like_any_other(tmp_path: Path) -> None:
    for policy, shown in SHOWN:
        models: Any = [
            ScriptedChatModel([call("disk_usage", host="web-1"), "web-1: 97% of /var used."], agent="a"),
            ScriptedChatModel([call("open_ticket", title="disk")], agent="b"),
        ]
        agents = [
            Specialist("a", "Looks.", tools=[disk_usage]),
            Specialist("b", "Opens.", tools=[open_ticket]),
        ]
        async with Supervisor("t", agents, models=models, answer_policy=policy) as team:
            run = await team.run("what about web-1?", principal=alice, plan=BOTH)
        assert run.state == "ESCALATED"
        assert (run.interim, "97%" in str(run.answer)) == (shown, shown)


@pytest.mark.anyio
async def test_an_answer_at_the_last_moment_is_checked_like_any_other() -> None:
    clock, begun = Clock(), asyncio.Event()

    @tool(effect="read")
    async def endless(host: str) -> str:
        """Look for ever."""
        begun.set()
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    for policy, shown in SHOWN:
        begun.clear()
        models: Any = [
            ScriptedChatModel([call("disk_usage", host="web-1"), "web-1: 97% of /var used."], agent="a"),
            ScriptedChatModel([call("endless", host="web-1"), "Nothing."], agent="b"),
        ]
        agents = [Specialist("a", "Looks.", tools=[disk_usage]), Specialist("b", "Looks.", tools=[endless])]
        settings: Any = {"models": models, "answer_policy": policy, "budget": Budget(timeout=60.0)}
        async with Supervisor("t", agents, **settings, clock=clock) as team:
            run = await team.submit("what about web-1?", principal=alice, plan=BOTH)
            async for event in team.events(run.run_id, principal=alice):
                if event.kind == "task_completed" and event.actor == "a":
                    await until(begun.is_set)
                    clock.forward(seconds=60)
            run = await team.get(run.run_id, principal=alice)
        assert run.state == "COMPLETED"
        assert ("97%" in str(run.answer)) is shown


@pytest.mark.anyio
async def test_citations_are_those_of_the_run_s_own_snapshot(tmp_path: Path) -> None:
    (tmp_path / "var.md").write_text("# /var fills up\n\nDelete rotated journals, then find the writer.\n")
    corpus = Corpus([FolderSource(tmp_path, readers=["*"])], embedding=None)
    quoted = 'Do this: "Delete rotated journals" [1].'
    for said, cites in ((quoted, 1), ("Do this [2].", 0), ('"Remove the disk" [1].', 0)):
        desk = Desk([said, "I do not know."], corpus=corpus)
        async with desk.team as team:
            run = await team.run("What do we do when /var fills up?", principal=alice, plan=ONE)
        assert len(run.citations) == cites, (said, run.answer, run.caveats)
        if cites:
            assert run.citations[0].quote == "Delete rotated journals"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("All is in hand.", False),
        ("The payment provider rejected the card.", False),
        ("bob said no: too risky.", True),
        ("The ticket was not approved.", True),
    ],
)
async def test_a_rejection_stands_in_the_answer_whatever_the_writer_makes_of_it(
    words: str, told: bool
) -> None:
    desk = Desk([call("open_ticket", title="disk"), "I have looked: the provider rejected the card.", words])
    async with desk.team as team:
        run = await team.run(
            "open a ticket: the payment provider rejected the card", principal=alice, plan=ONE
        )
        await team.reject(run.pending[0].approval_id, principal=bob, comment="too risky")
        run = await team.resume(run.run_id, principal=alice)
    told_by_us = "" if told else "\n\nNot done: open_ticket, rejected (by bob: too risky)"
    assert (run.state, run.answer) == ("COMPLETED", words + told_by_us)


@pytest.mark.anyio
async def test_a_rejection_is_a_caveat_beside_a_structured_answer() -> None:
    class Verdict(BaseModel):
        verdict: str

    turns: list[Any] = [call("open_ticket", title="disk"), "I have looked."]
    turns.append(Verdict(verdict="fine").model_dump_json())
    async with Desk(turns, response_format=Verdict).team as team:
        run = await team.run("open a ticket", principal=alice, plan=ONE)
        await team.reject(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert run.answer_as(Verdict).verdict == "fine"
    assert "Not done: open_ticket, rejected (by bob)" in run.caveats


@pytest.mark.anyio
async def test_what_another_run_has_done_may_be_claimed() -> None:
    """The same write, asked for again: it is there, this run did not make it, and its answer may say so."""

    @tool(effect="write", key_scope="tenant", idempotency_key="{title}")
    async def open_ticket(title: str) -> str:
        """Open a ticket."""
        return "OPS-1"

    agents = [Specialist("a", "Opens tickets.", tools=[open_ticket]), Specialist("b", "Knows about logs.")]
    opens = ScriptedChatModel([call("open_ticket", title="disk"), "It is OPS-1."] * 2, agent="a")
    knows = ScriptedChatModel(["The logs rotate daily."] * 2, agent="b")
    writer = ScriptedChatModel(["I opened a ticket, OPS-1."] * 2)
    async with Supervisor(
        "t", agents, models={"worker": [opens, knows], "writer": writer}, policy=yes
    ) as team:
        runs = [await team.run("open a ticket", principal=alice, plan=BOTH) for _ in range(2)]
    assert [run.answer for run in runs] == ["I opened a ticket, OPS-1."] * 2
    assert [[(a.status, a.message) for a in run.actions] for run in runs] == [
        [("applied", "")],
        [("applied", "already applied by an earlier run")],
    ]
    writer.assert_exhausted()
