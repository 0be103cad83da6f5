"""A specialist's task: its turns, its report, its questions to people, and going on after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from tests.agents.office import QUICK, Office, allow_all, ask_about_writes, office, tool_messages
from tests.patience import PATIENCE

from pilotman.agents.desk import Desk
from pilotman.agents.report import Passage, Report
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.policy import Call, Decision

pytestmark = pytest.mark.anyio
PASSAGE = Passage(
    number=1,
    source="disk.md",
    version="v1",
    heading="Full disk",
    text="Delete old logs before anything else.",
    trusted=True,
    fetched_at="2026-01-02T00:00:00Z",
)


class World:
    """Hosts that are looked at and tickets that are opened, all counted."""

    def __init__(self, *, at_once: int = 1) -> None:
        """A look waits for others, until there are ``at_once`` of them."""
        self.looks: list[str] = []
        self.tickets: list[str] = []
        everybody = asyncio.Barrier(at_once)

        @tool(effect="read", retry=QUICK)
        async def look(host: str) -> dict[str, Any]:
            """Look at a host."""
            self.looks.append(host)
            async with asyncio.timeout(PATIENCE):
                await everybody.wait()
            return {"host": host, "disk_percent": 97.3}

        @tool(effect="write", idempotency_key="{title}")
        async def open_ticket(title: str, urgent: bool = False) -> str:
            """Open a ticket."""
            self.tickets.append(title)
            return f"OPS-{len(self.tickets)}"

        @open_ticket.lookup
        async def find(title: str, urgent: bool = False) -> str | None:
            return f"OPS-{self.tickets.index(title) + 1}" if title in self.tickets else None

        self.look: Tool[..., Any] = look
        self.open_ticket: Tool[..., Any] = open_ticket


def together(*turns: AIMessage) -> AIMessage:
    return AIMessage(content="", tool_calls=[one for turn in turns for one in turn.tool_calls])


async def seat(
    place: Office, world: World, turns: Sequence[Any], **fields: Any
) -> tuple[Desk, ScriptedChatModel]:
    model = ScriptedChatModel(list(turns))
    run = await place.run(**fields.pop("run", {}))
    # the script alone: what it does not say shall not be said by the rules
    desk = place.desk(run, world.look, world.open_ticket, models=model, **fields)
    chain = desk.task.models.chain("worker")[:1]
    desk.task.models = type(desk.task.models)(chains={"worker": chain})
    return desk, model


def report_of(state: dict[str, Any]) -> Report:
    return Report.from_dict(state["report"])


# reports


async def test_reads_of_one_turn_run_in_parallel_and_make_the_report() -> None:
    async with office() as place:
        world = World(at_once=4)
        turn = together(*(call("look", host=f"web-{n}") for n in range(4)))
        desk, model = await seat(place, world, [turn, "All of them are 97% full."])
        report = report_of(await place.drive(desk))
        assert (report.status, report.text, report.confidence) == ("ok", "All of them are 97% full.", 1.0)
        assert sorted(world.looks) == ["web-0", "web-1", "web-2", "web-3"]
        model.assert_exhausted()


async def test_the_same_call_twice_in_a_turn_is_made_once() -> None:
    async with office() as place:
        world = World()
        same = AIMessage(
            content="",
            tool_calls=[
                {"id": "same", "name": "look", "args": {"host": "web-1"}, "type": "tool_call"},
                {"id": "same", "name": "look", "args": {"host": "web-2"}, "type": "tool_call"},
                {"id": "same", "name": "look", "args": {"host": "web-1"}, "type": "tool_call"},
            ],
        )
        desk, _ = await seat(place, world, [same, "Seen."])
        state = await place.drive(desk)
        assert sorted(world.looks) == ["web-1", "web-2"]
        hosts = [orjson.loads(m)["value"]["host"] for m in tool_messages(state)]
        assert hosts == ["web-1", "web-2", "web-1"], "calls that share an id do not share a result"


@pytest.mark.parametrize(
    "text",
    [
        "The disk is 98% full.",
        "Opened OPS-99 for it.",
        "I opened a ticket.",
        "See ord_123456.",
        "Delete all. [7]",
        '"Delete everything" [1]',
        "10.0.0.99 is the culprit.",
    ],
)
async def test_a_report_without_ground_is_refused_and_may_be_mended_once(text: str) -> None:
    async with office() as place:
        desk, model = await seat(
            place, World(), [call("look", host="web-1"), text, "The disk is 97.3% full."]
        )
        desk.task.passages[1] = PASSAGE
        report = report_of(await place.drive(desk))
        assert (report.status, report.text) == ("ok", "The disk is 97.3% full.")
        said = str(model.requests[-1].messages[-1].content)
        assert said.startswith("Your report was refused:")
    async with office() as place:
        desk, model = await seat(place, World(), [call("look", host="web-1"), text, text])
        desk.task.passages[1] = PASSAGE
        report = report_of(await place.drive(desk))
        model.assert_exhausted()
        assert report.status == "partial"
        assert text not in report.text
        assert "97.3" in report.text, "what was found out is not lost"
        assert report.confidence < 0.5
        assert report.caveats


async def test_a_claim_is_no_lie_once_it_was_done() -> None:
    async with office() as place:
        world = World()
        desk, _ = await seat(place, world, [call("open_ticket", title="disk"), "Opened OPS-1 for it."])
        report = report_of(await place.drive(desk))
        assert (report.status, report.text) == ("ok", "Opened OPS-1 for it.")
        assert world.tickets == ["disk"]


async def test_citations_are_literal() -> None:
    async with office() as place:
        desk, _ = await seat(place, World(), ['"delete OLD\nlogs" [1] is the way.'])
        desk.task.passages[1] = PASSAGE
        (citation,) = report_of(await place.drive(desk)).citations
        assert (citation.source, citation.version, citation.quote) == ("disk.md", "v1", "Delete old logs")


async def test_a_failed_tool_is_said_and_lowers_the_confidence() -> None:
    async with office() as place:
        turns = [together(call("look", host="web-1"), call("nothing", x=1)), "I saw what I could."]
        desk, _ = await seat(place, World(), turns)
        report = report_of(await place.drive(desk))
        assert report.status == "partial"
        assert report.confidence < 1.0
        assert any("not leased" in caveat for caveat in report.caveats)


@pytest.mark.parametrize("limit", [{"max_steps": 1}, {"max_input_tokens": 1}])
async def test_the_end_of_the_budget_is_a_partial_report(limit: dict[str, Any]) -> None:
    async with office() as place:
        desk, _ = await seat(place, World(), [call("look", host="web-1"), "x"], budget=Budget(**limit))
        report = report_of(await place.drive(desk))
        assert report.status == ("partial" if "max_steps" in limit else "failed")
        assert any("could not finish" in caveat for caveat in desk.task.run.caveats)
        assert "budget_exceeded" in await place.kinds()


async def test_no_model_is_a_failed_report_and_no_error() -> None:
    async with office() as place:
        desk, _ = await seat(place, World(), [])
        report = report_of(await place.drive(desk))
        assert report.status == "failed"
        assert report.confidence == 0.0


async def test_a_model_that_never_stops_is_stopped_by_its_steps() -> None:
    async with office() as place:
        world = World()
        turns = [call("open_ticket", title=f"t{n}") for n in range(20)]
        desk, model = await seat(place, world, turns, budget=Budget(max_steps=5, max_calls_per_tool=99))
        report = report_of(await place.drive(desk))
        assert report.status == "partial"
        assert len(model.requests) == 5
        assert len(world.tickets) == 5


async def test_passages_of_a_search_beside_a_write_stay_citable() -> None:
    @tool(effect="read")
    async def search_corpus(query: str) -> list[dict[str, Any]]:
        """Search."""
        return [{**PASSAGE.to_dict(), "number": 101}]

    async with office() as place:
        world = World()
        turn = together(call("search_corpus", query="disk"), call("open_ticket", title="disk"))
        desk, _ = await seat(place, world, [turn], policies=[ask_about_writes])
        tools: dict[str, Tool[..., Any]] = {**desk.task.tools, "search_corpus": search_corpus}
        desk.task.tools = tools
        await place.drive(desk)
        (asked,) = await place.open()
        await place.answer(asked)
        turns = ['See "Delete old logs" [101]. OPS-1 was opened.']
        later, _ = await seat(place, world, turns, policies=[ask_about_writes], run={"new": False})
        later.task.tools = desk.task.tools
        report = report_of(await place.drive(later))
        assert report.status == "ok"
        assert report.citations[0].source == "disk.md"


async def test_a_tool_that_happens_to_be_called_like_the_search_may_return_anything() -> None:
    @tool(effect="read", name="search_corpus")
    async def anything(query: str) -> list[Any]:
        """Search."""
        return [1, {"number": 1}, None, "x"]

    async with office() as place:
        desk, _ = await seat(place, World(), [call("search_corpus", query="x"), "Nothing."])
        tools: dict[str, Tool[..., Any]] = {"search_corpus": anything}
        desk.task.tools = tools
        assert report_of(await place.drive(desk)).text == "Nothing."


# writes


def by_title(call: Call, /) -> Decision | None:
    if call.effect == "read":
        return Decision.allow()
    verdicts = {"yes": Decision.allow, "no": Decision.deny, "ask": Decision.escalate}
    return verdicts[call.args["title"].split()[0]]("because")


async def test_a_turn_of_reads_and_writes_with_different_verdicts() -> None:
    async with office() as place:
        world = World()
        turn = together(
            call("open_ticket", title="ask one"),
            call("look", host="web-1"),
            call("open_ticket", title="no"),
            call("open_ticket", title="yes"),
            call("open_ticket", title="ask two"),
        )
        desk, _ = await seat(place, world, [turn], policies=[by_title])
        state = await place.drive(desk)
        assert world.tickets == ["yes"], "what is allowed does not wait for what is asked"
        (stop,) = state["__interrupt__"]
        (asked,) = await place.open()
        calls = {c.args["title"]: c for c in asked.calls}
        assert set(stop.value["approvals"]) == {c.approval_id for c in calls.values()}
        assert set(calls) == {"ask one", "ask two"}
        # answered in the other order, and one by one
        await place.answer(asked, only=[calls["ask two"].digest])
        desk, _ = await seat(place, world, [], policies=[by_title], run={"new": False})
        state = await place.drive(desk)
        assert world.tickets == ["yes", "ask two"]
        assert "__interrupt__" in state
        await place.answer(asked, "rejected", comment="not today")
        turns = ["OPS-1 and OPS-2 were opened, the others not."]
        desk, model = await seat(place, world, turns, policies=[by_title], run={"new": False})
        report = report_of(await place.drive(desk))
        assert report.text == turns[0]
        assert world.tickets == ["yes", "ask two"]
        said = [str(m.content) for m in model.requests[0].messages if m.type == "tool"]
        assert len(said) == 5
        assert "rejected by bob: not today" in said[0]
        assert "97.3" in said[1]
        assert "denied_by_policy" in said[2]


async def test_approved_with_other_arguments_the_write_is_that_one() -> None:
    async with office() as place:
        world = World()
        desk, _ = await seat(place, world, [call("open_ticket", title="disk")], policies=[ask_about_writes])
        await place.drive(desk)
        (asked,) = await place.open()
        await place.answer(asked, new_args={"title": "disk of web-1", "urgent": True})
        desk, _ = await seat(
            place, world, ["It was opened."], policies=[ask_about_writes], run={"new": False}
        )
        await place.drive(desk)
        assert world.tickets == ["disk of web-1"]
        (row,) = await place.journal.effects("run_1", tenant="acme")
        permit = await place.journal.permit(row.permit_id)
        assert permit is not None
        assert row.digest == permit.digest != asked.digest
        assert permit.approval_id == asked.approval_id


async def test_an_edit_that_the_tool_cannot_take_is_an_error_and_no_write() -> None:
    async with office() as place:
        world = World()
        desk, _ = await seat(place, world, [call("open_ticket", title="disk")], policies=[ask_about_writes])
        await place.drive(desk)
        (asked,) = await place.open()
        await place.answer(asked, new_args={"titel": "disk"})
        desk, model = await seat(
            place, world, ["It was not opened."], policies=[ask_about_writes], run={"new": False}
        )
        await place.drive(desk)
        assert world.tickets == []
        assert "validation" in str(model.requests[0].messages[-1].content)


async def test_nobody_s_answer_means_no_and_is_written_down() -> None:
    async with office() as place:
        world = World()
        budget = Budget(approval_timeout=60.0)
        fields: dict[str, Any] = {"policies": [ask_about_writes], "budget": budget}
        desk, _ = await seat(place, world, [call("open_ticket", title="disk")], **fields)
        await place.drive(desk)
        place.clock.forward(seconds=61)
        desk, model = await seat(place, world, ["It was not opened."], **fields, run={"new": False})
        report = report_of(await place.drive(desk))
        assert world.tickets == []
        assert "nobody answered in time" in str(model.requests[0].messages[-1].content)
        assert report.status == "partial"
        assert "approval_expired" in await place.kinds()


async def test_a_resume_without_an_answer_waits_on() -> None:
    async with office() as place:
        world = World()
        desk, _ = await seat(place, world, [call("open_ticket", title="disk")], policies=[ask_about_writes])
        for _ in range(3):
            state = await place.drive(desk)
            assert "__interrupt__" in state
        assert len(await place.open()) == 1
        assert world.tickets == []


async def test_an_answer_to_another_question_opens_nothing() -> None:
    async with office() as place:
        world = World()
        turn = together(call("open_ticket", title="a"), call("open_ticket", title="b"))
        desk, _ = await seat(place, world, [turn], policies=[ask_about_writes])
        await place.drive(desk)
        (asked,) = await place.open()
        first = next(c for c in asked.calls if c.args["title"] == "a")
        await place.answer(asked, only=[first.digest])
        judged = desk.guard.propose(turn.tool_calls, path="task:t1/turn:0")
        forged = (await desk.guard.guard(judged))[1]
        assert forged.args["title"] == "b"
        crossed = replace(forged, approval_id=first.approval_id)
        assert (await desk.act(crossed)).stage == "proposed"
        unknown = replace(forged, approval_id="apr_of_nobody", stage="answered")
        assert (await desk.act(unknown)).stage == "proposed"
        assert world.tickets == []


async def test_a_third_identical_read_asks_and_goes_on_when_allowed() -> None:
    async with office() as place:
        world = World()
        turns = [call("look", host="web-1")] * 3
        desk, _ = await seat(place, world, turns)
        state = await place.drive(desk)
        assert "__interrupt__" in state
        assert world.looks == ["web-1"]
        (asked,) = await place.open()
        assert asked.kind == "repeat"
        await place.answer(asked)
        later, _ = await seat(place, world, [call("look", host="web-1"), "97.3% full."], run={"new": False})
        report = report_of(await place.drive(later))
        assert report.text == "97.3% full.", "the counts began again"


# going on after a crash


class Crash(BaseException):
    """The process ends here."""


def named(turn: int, *calls: AIMessage) -> AIMessage:
    """A turn whose calls have ids, as a provider gives them."""
    made = [{**one, "id": f"call_{turn}_{n}"} for n, one in enumerate(together(*calls).tool_calls)]
    return AIMessage(content="", tool_calls=made)


TURNS = [
    named(0, call("look", host="web-1"), call("look", host="web-2")),
    named(1, call("open_ticket", title="disk of web-1"), call("look", host="web-3")),
    named(2, call("open_ticket", title="disk of web-2")),
    "Opened OPS-1 and OPS-2; the disks are 97.3% full.",
]


@pytest.mark.parametrize("policy", [allow_all, ask_about_writes])
async def test_a_crash_at_any_event_changes_nothing_but_the_time(policy: Any) -> None:
    """The process dies when its n-th event is stored, for every n, and goes on from the journal."""
    reference, events = await _with_crash(None, policy)
    for at in range(1, events + 1):
        messages, _ = await _with_crash(at, policy)
        assert messages == reference, f"crash at event {at}"


async def _with_crash(at: int | None, policy: Any) -> tuple[list[Any], int]:
    async with office() as place:
        world = World()
        said: list[str] = []
        place.saver = InMemorySaver()
        life, stored = 0, 0
        while True:
            assert life < 12, "it does not come to its end"
            asked = await _answer_all(place) if life else 0
            turns = [TURNS[n] for n in range(await _model_calls(place, life), len(TURNS))]
            desk, _ = await seat(place, world, turns, policies=[policy], run={"new": life == 0})
            life += 1
            recorder: Any = desk.task.run.recorder
            learn = recorder._learn

            def dies(kind: str, data: Any, key: str, learn: Any = learn) -> None:
                nonlocal stored
                stored += 1
                if stored == at:
                    raise Crash(kind)
                learn(kind, data, key)

            recorder._learn = dies
            try:
                state = await place.drive(desk)
            except Crash:
                await place.journal.flush()
                place.saver = InMemorySaver()
                continue
            if "__interrupt__" in state:
                assert asked == 0 or await place.open()
                continue
            assert sorted(world.tickets) == ["disk of web-1", "disk of web-2"]
            said = [*state["messages"], state["report"]]
            break
        completed = await place.events("run_1", "model_call_completed")
        assert len({(e.data["path"], e.data["digest"]) for e in completed}) == len(completed) == len(TURNS)
        return said, stored


async def _answer_all(place: Office) -> int:
    asked = await place.open()
    for approval in asked:
        await place.answer(approval)
    return len(asked)


async def _model_calls(place: Office, life: int) -> int:
    return len(await place.events("run_1", "model_call_completed")) if life else 0
