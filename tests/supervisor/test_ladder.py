"""Each rung of the ladder does less than the one above, and says so in the record and in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.scene import ONE, Clock, alice, bob, check_moves, history

from pilotman.agents import Specialist, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Decision, Retry
from pilotman.guardrails.ladder import Health, Rung
from pilotman.memory import Event
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Run, Supervisor

REQUEST = "web-1 is slow: restart it"
DONE: list[Any] = [call("restart", host="web-1"), "Restarted web-1."]


class Place:
    """A team that restarts hosts; ``rung`` is where it stands, ``ill``: its tool fails."""

    def __init__(self, rung: Rung = "full", turns: Sequence[Any] = DONE, **settings: Any) -> None:
        self.rung: Rung = rung
        self.ill = False
        self.restarted: list[str] = []

        @tool(effect="write")
        async def restart(host: str) -> str:
            """Restart a host."""
            if self.ill:
                raise ToolFailure("the controller is down", kind="permanent")
            self.restarted.append(host)
            return f"{host} restarted"

        self.team = Supervisor(
            "ops",
            [Specialist("operator", "Restarts hosts.", tools=[restart])],
            models=ScriptedChatModel(list(turns)),
            policy=lambda _: Decision.allow(),
            ladder=self.stand,
            **settings,
        )

    def stand(self, _: Health) -> tuple[Rung, str]:
        return self.rung, "the test says so"

    async def run(self, principal: Any = alice) -> tuple[Run, list[Event]]:
        run = await self.team.run(REQUEST, principal=principal, plan=ONE)
        events = await history(self.team, run)
        check_moves(run, events)
        return run, events


def said(run: Run, rung: str) -> bool:
    words = rung.replace("_", " ")
    return any(words in caveat and "the test says so" in caveat for caveat in run.caveats)


@pytest.mark.anyio
async def test_at_the_top_nothing_is_said() -> None:
    place = Place()
    async with place.team:
        _, events = await place.run()
    assert place.restarted == ["web-1"]
    assert not any(event.kind == "degraded" for event in events)


@pytest.mark.anyio
async def test_fewer_steps_are_half_the_steps() -> None:
    place = Place("fewer_steps", [call("restart", host=f"web-{n}") for n in range(40)])
    async with place.team:
        run, _ = await place.run()
    assert said(run, "fewer_steps")
    assert run.usage.steps <= 20


@pytest.mark.anyio
async def test_on_approval_every_write_asks_although_the_policy_allows_it() -> None:
    place = Place("approval")
    async with place.team:
        run, _ = await place.run()
        assert run.state == "ESCALATED"
        assert place.restarted == []
        place.rung = "full"  # the run stays where it began
        await place.team.approve(run.pending[0].approval_id, principal=bob)
        run = await place.team.resume(run.run_id, principal=alice)
    assert place.restarted == ["web-1"]
    assert said(run, "approval")


@pytest.mark.anyio
async def test_read_only_drafts_what_it_would_have_written() -> None:
    place = Place("read_only")
    async with place.team:
        run, _ = await place.run()
    assert place.restarted == []
    assert [action.status for action in run.actions] == ["drafted"]
    assert said(run, "read_only")


@pytest.mark.anyio
async def test_retrieval_only_answers_from_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "slow.md").write_text("# web-1 is slow\n\nWhen web-1 is slow, restart it.")
    corpus = Corpus([FolderSource(tmp_path, readers=["*"])], embedding=None)
    place = Place("retrieval_only", ["When web-1 is slow, restart it."], corpus=corpus)
    async with place.team:
        run, events = await place.run()
    kinds = [event.kind for event in events]
    assert "retrieval_completed" in kinds
    assert "tool_call_started" not in kinds
    assert place.restarted == []
    assert said(run, "retrieval_only")


@pytest.mark.anyio
async def test_single_turn_is_one_turn_of_the_model() -> None:
    place = Place("single_turn", ["I cannot look at web-1 now."])
    async with place.team:
        run, events = await place.run()
    assert [event.kind for event in events].count("model_call_started") == 1
    assert "retrieval_completed" not in {event.kind for event in events}
    assert said(run, "single_turn")


@pytest.mark.anyio
async def test_cached_is_an_earlier_answer_with_its_age() -> None:
    clock = Clock()
    place = Place(clock=clock)
    async with place.team:
        first, _ = await place.run()
        place.rung = "cached"
        clock.ahead += timedelta(minutes=30)
        again, events = await place.run()
    assert str(again.answer).startswith(str(first.answer).splitlines()[0])
    assert any("30 minutes ago" in caveat and first.run_id in caveat for caveat in again.caveats)
    assert place.restarted == ["web-1"]
    assert "model_call_started" not in {event.kind for event in events}


@pytest.mark.anyio
async def test_nobody_is_told_what_another_was_told() -> None:
    place = Place()
    async with place.team:
        first, _ = await place.run(alice)
        place.rung = "cached"
        other, _ = await place.run(bob)
    assert str(first.answer) not in str(other.answer)
    assert "Nothing could be found out" in str(other.answer)


@pytest.mark.anyio
async def test_an_earlier_answer_goes_with_the_document_that_it_stands_on(tmp_path: Path) -> None:
    page = tmp_path / "slow.md"
    page.write_text("# web-1 is slow\n\nWhen web-1 is slow, restart it.")
    folder = FolderSource(tmp_path, readers=["*"], max_staleness=timedelta(microseconds=1))
    place = Place(corpus=Corpus([folder], embedding=None))
    async with place.team:
        first, events = await place.run()
        assert "retrieval_completed" in {event.kind for event in events}
        place.rung = "cached"
        again, _ = await place.run()
        page.write_text("# web-1 is slow\n\nWhen web-1 is slow, leave it alone.")
        last, _ = await place.run()
    assert any(first.run_id in caveat for caveat in again.caveats)
    assert not any("ago" in caveat for caveat in last.caveats)


@pytest.mark.anyio
async def test_a_template_says_that_nothing_was_done() -> None:
    place = Place("template")
    async with place.team:
        await place.run()
        run, _ = await place.run()
    assert "nothing was done" in str(run.answer)
    assert place.restarted == []
    assert run.state == "COMPLETED"


@pytest.mark.anyio
async def test_what_was_found_out_without_a_model_is_no_earlier_answer() -> None:
    @tool(effect="read")
    async def load(host: str) -> str:
        """The load of a host."""
        return f"the load of {host} is 3"

    turns: list[Any] = [call("load", host="web-1"), "The load of web-1 is 3."]
    model = ScriptedChatModel(turns)
    team = Supervisor("ops", [Specialist("operator", "Looks at hosts.", tools=[load])], models=[model])
    async with team:
        await team.run("the load of web-1?", principal=alice, plan=ONE)
        second = await team.run("the load of web-1?", principal=alice, plan=ONE)  # no turn is left
        events = await history(team, second)
    assert "the load of web-1 is 3" in str(second.answer).casefold()  # by the rules, in the model's place
    assert not any(event.kind == "degraded" for event in events)


@pytest.mark.anyio
async def test_a_run_that_finds_nothing_out_ends_on_an_earlier_answer() -> None:
    ill = False

    @tool(effect="read", retry=Retry(max_attempts=1))
    async def load(host: str) -> str:
        """The load of a host."""
        if ill:
            raise ToolFailure("the meter is down", kind="permanent")
        return f"the load of {host} is 3"

    team = Supervisor("ops", [Specialist("operator", "Looks at the load of hosts.", tools=[load])])
    async with team:
        first = await team.run("the load of web-1?", principal=alice)
        ill = True
        second = await team.run("the load of web-1?", principal=alice)
        events = await history(team, second)
    assert [event.data["rung"] for event in events if event.kind == "degraded"] == ["cached"]
    assert str(second.answer).startswith(str(first.answer).splitlines()[0])
    assert any(first.run_id in caveat for caveat in second.caveats)
    assert any("load" in caveat and "the meter is down" in caveat for caveat in second.caveats)
