"""What is remembered joins the runs it belongs to: labelled, on record, and only what a run may trust."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.scene import alice, bob, calls, history

from pilotman.agents import Specialist, memory_tools, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Call, Decision, Label, Principal
from pilotman.memory import Memory, Pointer
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio
ONE = Plan((Task(task_id="t", agent="clerk", goal="help"),))
TEXT = "web-1 keeps its journal on /var"


@tool(effect="write")
async def file_note(title: str) -> str:
    """File a note."""
    return f"filed {title}"


class Team:
    """One clerk. ``labels`` are those of the run as a policy saw them with each write."""

    def __init__(self, *turns: Any, tools: list[Any] | None = None, **settings: Any) -> None:
        self.model = ScriptedChatModel(turns)
        self.labels: list[frozenset[Label]] = []
        clerk = Specialist("clerk", "Helps.", tools=tools or [])
        self.team = Supervisor("office", [clerk], models=self.model, policy=self.policy, **settings)

    def policy(self, asked: Call, /) -> Decision | None:
        if asked.effect != "read":
            self.labels.append(asked.run_labels)
            if asked.tool == "file_note" and asked.approved_by is None:
                return Decision.escalate("a person decides")
        return Decision.allow()

    async def run(
        self,
        text: str = "Where is the journal of web-1?",
        *,
        principal: Principal = alice,
        **settings: Any,
    ) -> Run:
        async with self.team:
            return await self.team.run(text, plan=ONE, principal=principal, **settings)

    def seen(self) -> str:
        """All that models were shown."""
        return "\n".join(str(m.content) for request in self.model.requests for m in request.messages)


async def said(memory: Memory, text: str = TEXT, **more: Any) -> str:
    values: dict[str, Any] = {"principal": alice, "source": "user", "reason": "asked", **more}
    return (await memory.remember(text, **values)).fact_id


async def test_a_fact_joins_its_owners_run_and_can_be_cited(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'j.db'}") as memory:
        fact_id = await said(memory)
        await said(memory, "the canteen opens at noon")
        answer = f"It is on /var: “{TEXT}” [1]."
        office = Team(answer, answer, memory=memory)
        run = await office.run()
        assert [c.source for c in run.citations] == [f"fact:{fact_id}"]
        assert "canteen" not in office.seen()
        (told,) = [e.data for e in await history(office.team, run) if e.kind == "facts_recalled"]
        assert [row["fact_id"] for row in told["documents"]] == [fact_id]
        assert TEXT not in str(told["documents"])
        other = Team("I do not know.", "I do not know.", memory=memory)
        run = await other.run(principal=bob)
        assert TEXT not in other.seen()
        assert "facts_recalled" not in {event.kind for event in await history(other.team, run)}


@pytest.mark.parametrize("trusted", [True, False])
async def test_who_can_write_recalls_only_what_is_trusted(trusted: bool) -> None:
    async with Memory() as memory:
        await said(memory, source="user" if trusted else "letter")
        writer = Team("done", "done", tools=[file_note], memory=memory)
        run = await writer.run()
        assert (TEXT in writer.seen()) is trusted
        reader = Team("done", "done", memory=memory)
        await reader.run()
        assert TEXT in reader.seen()
        drafts = Team("done", "done", tools=[file_note], memory=memory)
        await drafts.run(read_only=True)
        assert TEXT in drafts.seen()
        assert run.state == "COMPLETED"


async def test_policies_see_that_memory_was_read() -> None:
    async with Memory() as memory:
        await said(memory)
        office = Team(call("file_note", title="x"), "filed", tools=[file_note], memory=memory)
        await office.run()
        (label,) = [one for one in office.labels[0] if one.author == "memory"]
        assert label.trusted


async def test_what_was_retracted_while_the_run_waited_is_not_shown_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}"
    office = Team(call("file_note", title="x"), tools=[file_note], memory=Memory(url))
    async with office.team:
        memory = office.team._station.memory  # pyright: ignore[reportPrivateUsage]
        fact_id = await said(memory)
        run = await office.team.run("Where is the journal of web-1?", plan=ONE, principal=alice)
        assert run.state == "ESCALATED"
        await memory.retract(fact_id, principal=alice, reason="wrong")
    again = Team("filed", "filed", tools=[file_note], memory=Memory(url))
    async with again.team as team:
        (question,) = run.pending
        await team.approve(question.approval_id, digest=question.digest, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert run.state == "COMPLETED"
    assert any("do not hold any more" in caveat for caveat in run.caveats)


async def test_a_fact_is_not_told_once_its_document_has_changed(tmp_path: Path) -> None:
    page = tmp_path / "wiki" / "disks.md"
    page.parent.mkdir()
    page.write_text("# Disks\nweb-1 keeps its journal on /var.\n")
    folder = FolderSource(page.parent, readers=["tenant:acme"], max_staleness=timedelta(microseconds=1))
    corpus = Corpus([folder], embedding=None)
    async with Memory() as memory:
        answer = "On /var: “web-1 keeps its journal on /var” [1]."
        office = Team(answer, answer, memory=memory, corpus=corpus)
        run = await office.run()
        fact = await memory.remember(
            "the journal of web-1 is on /var",
            principal=alice,
            source=f"run:{run.run_id}",
            reason="asked twice",
        )
        assert [one for one in fact.derived_from if one.startswith("document:")]
        assert [f.text for f in await memory.recall("journal", principal=alice)] == [fact.text]
        page.write_text("# Disks\nweb-1 keeps its journal on /data.\n")
        assert await memory.recall("journal", principal=alice) == []


async def test_what_nobody_was_shown_is_no_ground(tmp_path: Path) -> None:
    """What a search had found for a request that it does not cover."""
    page = tmp_path / "wiki" / "disks.md"
    page.parent.mkdir()
    page.write_text("# Disks\nRemember: when /var fills up, rotate the logs of the host.\n")
    folder = FolderSource(page.parent, readers=["tenant:acme"], max_staleness=timedelta(microseconds=1))
    async with Memory() as memory:
        said = call("remember", text="alice prefers German")
        corpus = Corpus([folder], embedding=None)
        office = Team(said, "Noted.", tools=memory_tools(memory), memory=memory, corpus=corpus)
        run = await office.run("Please remember that I prefer German")
        assert [found.covered for found in run.snapshots] == [False]
        assert run.snapshots[0].documents
        (fact,) = await memory.recall("German", principal=alice)
        assert fact.label.trusted
        assert fact.derived_from == (f"run:{run.run_id}",)
        page.write_text("# Disks\nRemember: buy another disk.\n")
        assert await memory.recall("German", principal=alice) == [fact]


# tools


async def test_an_agent_remembers_under_the_guardrails_and_recalls(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'j.db'}") as memory:
        tools = memory_tools(memory)
        twice = calls(call("remember", text=TEXT, about="web-1"), call("remember", text=TEXT, about="web-1"))
        office = Team(twice, "Noted.", "Noted.", tools=tools, memory=memory)
        run = await office.run(f"Remember that {TEXT}.")
        assert [action.status for action in run.actions][:1] == ["applied"]
        (fact,) = await memory.recall("journal", principal=alice)
        assert (fact.text, fact.source, fact.about) == (TEXT, f"run:{run.run_id}", "web-1")
        assert fact.label.trusted, "the run had read nothing but the request"
        asking = Team(call("recall", query="journal"), "On /var.", "On /var.", tools=tools, memory=memory)
        await asking.run("Look it up")
        assert TEXT in asking.seen()
        nobody = Team(call("recall", query="journal"), "?", "?", tools=tools, memory=memory)
        await nobody.run("Look it up", principal=bob)
        assert TEXT not in nobody.seen()


async def test_what_an_agent_remembers_is_no_more_trusted_than_what_it_read() -> None:
    @tool(effect="read")
    async def read_mail() -> str:
        """Read the mail."""
        return "the journal of web-1 moved to /tmp"

    async with Memory() as memory:
        tools = [*memory_tools(memory), read_mail]
        turns = [
            call("read_mail"),
            call("remember", text="the journal of web-1 is on /tmp"),
            "Noted.",
            "Noted.",
        ]
        await Team(*turns, tools=tools, memory=memory).run("Read the mail")
        (fact,) = await memory.recall("journal", principal=alice)
        assert not fact.label.trusted
        assert "read_mail" in fact.label.sources
        assert await memory.recall("journal", principal=alice, trusted_only=True) == []


async def test_what_was_derived_from_a_fact_that_an_agent_looked_up_goes_with_it() -> None:
    async with Memory() as memory:
        first = await said(memory)
        tools = memory_tools(memory)
        turns = [call("recall", query="journal"), call("remember", text="/var is busy"), "Noted.", "Noted."]
        await Team(*turns, tools=tools, memory=memory).run("Look it up")
        (fact,) = await memory.recall("busy", principal=alice)
        assert f"fact:{first}" in fact.derived_from
        await memory.retract(first, principal=alice, reason="wrong")
        assert await memory.recall("busy", principal=alice) == []


async def test_a_secret_is_not_remembered_by_an_agent_either() -> None:
    async with Memory() as memory:
        text = "the key is AKIAIOSFODNN7EXAMPLE"
        office = Team(call("remember", text=text), "No.", "No.", tools=memory_tools(memory), memory=memory)
        await office.run("Remember my key")
        assert await memory.recall(principal=alice) == []


@pytest.mark.parametrize(("version", "status"), [("7", "applied"), ("8", "denied"), (None, "denied")])
async def test_a_write_relies_on_no_fact_that_its_system_of_record_does_not_bear_out(
    version: str | None, status: str
) -> None:
    asked: list[str] = []

    async def crm(key: str) -> str | None:
        asked.append(key)
        return version

    @tool(effect="write")
    async def send(address: str) -> str:
        """Send it."""
        return f"sent to {address}"

    async with Memory(records={"crm": crm}) as memory:
        fact = "the invoices of ada go to Ring 1"
        await said(memory, fact, record=Pointer(system="crm", key="ada", version="7"))
        turns = [call("send", address="Ring 1"), "done", "done"]
        office = Team(*turns, tools=[send], memory=memory)
        run = await office.run("Send the invoices of ada")
        assert [action.status for action in run.actions] == [status]
        assert set(asked) == {"ada"}
        asked.clear()
        other = Team(call("send", address="Elsewhere 5"), "done", "done", tools=[send], memory=memory)
        await other.run("Send the invoices of ada")
        assert asked == [], "this write relies on nothing that is remembered"
