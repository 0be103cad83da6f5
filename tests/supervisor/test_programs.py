"""Small programs as users would write them, with the names that were chosen in the end."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest
from langchain.agents import create_agent  # pyright: ignore[reportUnknownVariableType]
from langchain_core.runnables import Runnable
from langchain_core.tools import tool as lc_tool
from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore

from pilotman.agents import Kit, Specialist, Tool, ToolContext, tool
from pilotman.agents.testing import ScriptedChatModel, call, faulty
from pilotman.guardrails import Breaker, Budget, Call, Decision, Principal, Retry
from pilotman.memory import Memory, Retention, Selector
from pilotman.retrieval import Corpus, FolderSource, SQLSource
from pilotman.supervisor import Plan, Supervisor, Task

alice = Principal(tenant="acme", user="alice")
bob = Principal(tenant="acme", user="bob", roles=frozenset({"approver"}))


@pytest.mark.anyio
async def test_hello_a_write_waits_for_a_person_and_happens_once() -> None:
    opened: list[str] = []

    @tool(effect="read")
    async def disk_usage(host: str) -> str:
        """Free space of a host."""
        return f"{host}: 97% of /var used"

    @tool(effect="write")
    async def open_ticket(title: str, host: str) -> str:
        """Open a ticket."""
        opened.append(f"{title} on {host}")
        return "OPS-1"

    desk = Supervisor(
        "desk",
        [
            Specialist("diagnostician", "Looks at hosts, changes nothing.", tools=[disk_usage]),
            Specialist("operator", "Opens tickets.", tools=[open_ticket]),
        ],
    )
    async with desk:
        run = await desk.run("web-1 is out of disk: find out why and open a ticket", principal=alice)
        assert run.state == "ESCALATED"
        assert opened == []
        assert run.answer is not None
        for approval in run.pending:
            assert approval.args["host"] == "web-1"
            await desk.approve(approval.approval_id, digest=approval.digest, principal=bob)
        run = await desk.resume(run.run_id, principal=alice)
    assert run.state == "COMPLETED"
    assert len(opened) == 1
    assert [action.status for action in run.actions] == ["applied"]
    assert "97%" in str(run.answer)
    assert "OPS-1" in str(run.answer)


@pytest.mark.anyio
async def test_supervisors_are_nested_and_a_known_workflow_needs_no_planner() -> None:
    @tool(effect="read")
    def search_logs(query: str) -> list[str]:
        """Search logs."""
        return [f"log line about {query}"]

    network = Supervisor(
        "network",
        [Specialist("dns", "Resolves names."), Specialist("tcp", "Probes ports.")],
        description="Finds network faults.",
        budget=Budget(max_steps=12),
    )
    storage = Supervisor(
        "storage",
        [Specialist("logs", "Reads logs.", tools=[search_logs])],
        description="Finds storage faults.",
    )
    small = ScriptedChatModel(["Nothing is known."] * 20)
    triage = Supervisor(
        "triage",
        [network, storage],
        models={"planner": ["pilotman:rules"], "worker": [small, "pilotman:rules"]},
        budget=Budget(max_steps=60, max_cost_usd=0.50, timeout=60.0, max_depth=2),
    )
    known = Plan(
        (
            Task(task_id="net", agent="network", goal="is it the network?"),
            Task(task_id="disk", agent="storage", goal="is it the disk?", tools=("search_logs",)),
            Task(task_id="both", agent="storage", goal="weigh both", depends_on=("net", "disk")),
        )
    )
    async with triage:
        run = await triage.run("the shop is slow", principal=alice, plan=known)
    assert run.state == "COMPLETED"
    assert run.plan == known
    assert "delegate" in triage.graph.get_graph().draw_mermaid()


@pytest.mark.anyio
async def test_foreign_agents_are_governed_from_inside_and_closed_graphs_are_one_tool() -> None:
    @lc_tool
    def web_search(query: str) -> str:
        """Search the web."""
        return f"found: {query}"

    def build_researcher(kit: Kit) -> Runnable[Any, Any]:
        return create_agent(kit.model, kit.tools, system_prompt=kit.prompt)  # pyright: ignore

    prebuilt: Any = create_agent(  # pyright: ignore[reportUnknownVariableType]
        ScriptedChatModel(["the old bot says 42"]), []
    )
    old_bot: Any = tool(prebuilt, name="old_bot", description="The old bot.", effect="read")
    model = ScriptedChatModel([call("web_search", query="durian"), "found: durian"], agent="researcher")
    lab = Supervisor(
        "lab",
        [
            Specialist(
                "researcher",
                "Searches the web.",
                tools=[tool(web_search, effect="read")],
                agent=build_researcher,
                prompt="Quote your sources.",
            ),
            Specialist(
                "oracle",
                "Asks the old bot.",
                tools=[old_bot],
            ),
        ],
        models=model,
    )
    plan = Plan((Task(task_id="r", agent="researcher", goal="find durian"),))
    async with lab:
        run = await lab.run("what is durian?", principal=alice, plan=plan)
        asked = await lab.run(
            "ask the old bot", principal=alice, plan=Plan((Task(task_id="o", agent="oracle", goal="ask it"),))
        )
    assert (run.state, run.answer) == ("COMPLETED", "found: durian")
    assert run.usage.steps == 2
    assert run.tools_called == ("web_search",)
    assert asked.tools_called == ("old_bot",)
    model.assert_exhausted()


@pytest.mark.anyio
async def test_a_notebook_draws_the_team_shows_the_run_and_reads_its_events(tmp_path: Path) -> None:
    team: Any = Supervisor(
        "lab", [Specialist("reader", "Reads papers.")], memory=Memory(f"sqlite:///{tmp_path}/lab.db")
    )
    assert "image/svg+xml" in team.graph._repr_mimebundle_()
    run: Any = await team.run("Which paper says so?", principal=alice)
    assert "COMPLETED" in run._repr_html_()
    seen = [(event.seq, event.kind, event.actor) async for event in team.events(run.run_id, principal=alice)]
    assert seen[0] == (1, "run_started", "user:alice")
    assert [seq for seq, _, _ in seen] == list(range(1, len(seen) + 1))
    await team.aclose()


def test_a_script_needs_no_async() -> None:
    team = Supervisor("lab", [Specialist("reader", "Reads papers.")])
    with team.portal() as call_in:
        run = call_in(team.run, "Which paper says so?", principal=alice)
        state: str = call_in(team.resume, run.run_id, principal=alice).state
    assert state == "COMPLETED"


class TestATeam:
    tickets: list[str]

    def _tool(self) -> Any:
        self.tickets = []

        @tool(effect="write", idempotency_key="{title}")
        def open_ticket(title: str) -> str:
            """Open a ticket."""
            self.tickets.append(title)
            return f"T-{len(self.tickets)}"

        return open_ticket

    @pytest.mark.anyio
    async def test_ticket_waits_for_a_person_and_is_opened_once(self) -> None:
        model = ScriptedChatModel([call("open_ticket", title="disk full"), "Opened T-1."])
        team = Supervisor(
            "desk", [Specialist("operator", "Opens tickets.", tools=[self._tool()])], models=model
        )
        plan = Plan((Task(task_id="t", agent="operator", goal="open a ticket"),))
        async with team:
            run = await team.run("disk full", principal=alice, plan=plan)
            assert (run.state, self.tickets) == ("ESCALATED", [])
            await team.approve(run.approvals[0].approval_id, principal=bob)
            run = await team.resume(run.run_id, principal=alice)
        assert (run.state, self.tickets, run.actions[0].status) == ("COMPLETED", ["disk full"], "applied")
        assert run.answer == "Opened T-1."
        model.assert_exhausted()

    @pytest.mark.anyio
    async def test_a_hanging_tool_does_not_hang_the_run(self) -> None:
        slow: Tool[..., Any] = faulty(self._tool(), faults=["hang"])
        team = Supervisor(
            "desk",
            [Specialist("operator", "Opens tickets.", tools=[slow])],
            budget=Budget(tool_timeout=0.2),
            policy=lambda call: Decision.allow(),
        )
        async with team:
            run = await team.run("disk full: open a ticket", principal=alice)
        assert run.caveats
        assert run.actions[0].status == "unknown"

    def test_the_function_itself(self) -> None:
        assert self._tool().fn("x") == "T-1"


@pytest.mark.anyio
@pytest.mark.parametrize(("hour", "state"), [(9, "COMPLETED"), (20, "ESCALATED")])
async def test_several_policies_must_agree_and_silence_denies_a_write(hour: int, state: str) -> None:
    def no_mail(proposed: Call) -> Decision | None:
        """Mail may not leave once the vault was read."""
        return Decision.deny("the vault was read") if proposed.tool == "send_mail" else None

    def in_working_hours(proposed: Call) -> Decision | None:
        late = proposed.effect != "read" and proposed.now.hour >= 18
        return Decision.escalate("outside working hours") if late else None

    def sres_restart(proposed: Call) -> Decision | None:
        known = proposed.tool == "restart" and "sre" in proposed.principal.roles
        return Decision.allow("SREs restart services") if known else None

    @tool(effect="irreversible")
    async def restart(service: str) -> str:
        """Restart a service."""
        return f"{service} is up"

    @tool(effect="egress")
    async def send_mail(body: str) -> str:
        """Send mail."""
        return "sent"

    @tool(effect="write")
    async def note(text: str) -> str:
        """Write a note."""
        return "noted"

    turn = [call("send_mail", body="x"), call("note", text="x"), call("restart", service="nginx")]
    model = ScriptedChatModel([*turn, "Restarted."])
    operator = Specialist("operator", "Restarts things.", tools=[restart, send_mail, note])
    team = Supervisor(
        "ops",
        [operator],
        models=model,
        policy=[no_mail, in_working_hours, sres_restart],
        clock=lambda: datetime.now(UTC).replace(hour=hour),
    )
    sre = Principal(tenant="acme", user="alice", roles=frozenset({"sre"}))
    plan = Plan((Task(task_id="t", agent="operator", goal="restart nginx"),))
    async with team:
        run = await team.run("restart nginx", principal=sre, plan=plan)
    by_day = {"send_mail": "denied", "note": "denied", "restart": "applied"}
    by_night = {"send_mail": "denied", "note": "waiting"}  # and there the agent waits too
    assert run.state == state
    assert {a.tool: a.status for a in run.actions} == (by_day if state == "COMPLETED" else by_night)


@pytest.mark.anyio
async def test_a_tool_with_a_key_a_lookup_and_a_compensation() -> None:
    @dataclass(frozen=True)
    class Refund:
        refund_id: str
        amount_cents: int

    sent: list[httpx.Request] = []

    def shop(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"refund_id": "R-7", "amount_cents": 500})

    api = httpx.AsyncClient(base_url="https://pay.example", transport=httpx.MockTransport(shop))

    @tool(
        effect="write",
        scopes=["payments:refund"],
        timeout=5.0,
        idempotency_key="{order_id}:{amount_cents}",
        key_scope="tenant",
        retry=Retry(max_attempts=3, backoff_ms=(200, 800)),
        breaker=Breaker(cool_down=30.0),
    )
    async def refund(order_id: str, amount_cents: int, ctx: ToolContext) -> Refund:
        """Refund an order."""
        r = await api.post(
            "/refunds",
            json={"order": order_id, "amount": amount_cents},
            headers={
                "Idempotency-Key": ctx.idempotency_key,
                "Authorization": f"Bearer {ctx.credentials['payments']}",
            },
        )
        r.raise_for_status()
        return Refund(**r.json())

    @refund.lookup
    async def find_refund(order_id: str, amount_cents: int, ctx: ToolContext) -> Refund | None:
        r = await api.get("/refunds", params={"key": ctx.idempotency_key})
        return Refund(**r.json()) if r.status_code == 200 else None

    @refund.compensate
    async def cancel_refund(done: Refund, order_id: str, amount_cents: int, ctx: ToolContext) -> None:
        await api.delete(f"/refunds/{done.refund_id}")

    def say_yes(proposed: Any) -> Decision:
        assert proposed.scopes == {"payments:refund"}
        return Decision.allow()

    model = ScriptedChatModel([call("refund", order_id="o1", amount_cents=500), "Refunded, R-7."])
    team = Supervisor(
        "pay",
        [Specialist("cashier", "Refunds orders.", tools=[refund])],
        models=model,
        policy=say_yes,
        credentials=lambda principal: {"payments": f"token-of-{principal.tenant}"},
    )
    plan = Plan((Task(task_id="t", agent="cashier", goal="refund o1"),))
    async with team:
        run = await team.run("refund 500 cents of order o1", principal=alice, plan=plan)
    assert (run.state, run.actions[0].status) == ("COMPLETED", "applied")
    assert sent[0].headers["authorization"] == "Bearer token-of-acme"
    assert len(sent[0].headers["idempotency-key"]) > 10
    assert "token-of-acme" not in run.to_json()
    await api.aclose()


@pytest.mark.anyio
async def test_a_corpus_gives_citations_and_snapshots(tmp_path: Path) -> None:
    books = tmp_path / "runbooks"
    books.mkdir()
    (books / "var-fills-up.md").write_text(
        "# /var fills up\n\nDelete rotated journals with journalctl --vacuum-size, then find the writer.\n"
    )
    (books / "clock.md").write_text("# Clock skew\n\nRestart chrony and compare with the time server.\n")
    corpus = Corpus([FolderSource(books, readers=["tenant:acme"])], embedding=None)
    memory = Memory(f"sqlite:///{tmp_path}/acme.db")
    team = Supervisor("desk", [Specialist("librarian", "Looks up runbooks.")], memory=memory, corpus=corpus)
    async with team:
        run = await team.run("What do we do when /var fills up?", principal=alice, thread_id="incident-7")
        other = Principal(tenant="other", user="eve")
        nothing = await team.run("What do we do when /var fills up?", principal=other)
    assert run.snapshots
    assert run.covered is True
    assert [c.source for c in run.citations] == ["var-fills-up.md"]
    assert "vacuum" in run.citations[0].quote
    assert nothing.retrieved == ()
    assert nothing.covered is False


@pytest.mark.anyio
async def test_memory_and_retrieval_are_one_program(tmp_path: Path) -> None:
    """A run, a fact that it came to, why, forgetting, a retriever, and a graph of the user's own."""
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "disk.md").write_text("# Disk full\n\nWhen /var fills up, rotate the logs.\n")
    with closing(sqlite3.connect(tmp_path / "wiki.db")) as wiki, wiki:
        wiki.execute("CREATE TABLE page (id TEXT, body TEXT, rev TEXT)")
        wiki.execute("INSERT INTO page VALUES ('p1', 'The pager of the night shift is 4711.', '7')")
    memory = Memory(f"sqlite:///{tmp_path}/acme.db", retention=Retention(session_ttl=timedelta(days=7)))
    folder = FolderSource(tmp_path / "runbooks", readers=["tenant:acme"], max_staleness=timedelta(minutes=5))
    pages = SQLSource(
        f"sqlite:///{tmp_path}/wiki.db",
        "select id, body, rev from page",
        id="id",
        text="body",
        version="rev",
    )
    corpus = Corpus([folder, pages], path=tmp_path / "index", embedding=None)
    team = Supervisor("desk", [Specialist("librarian", "Looks up runbooks.")], memory=memory, corpus=corpus)
    async with team:
        run = await team.run("What do we do when /var fills up?", principal=alice, thread_id="incident-7")
        assert [c.source for c in run.citations] == ["disk.md"]
        fact = await memory.remember(
            "web-1 keeps its journal on /var",
            principal=alice,
            source=f"run:{run.run_id}",
            reason="asked twice this week",
        )
        why = await memory.why(fact.fact_id, principal=alice)
        assert {str(node["uri"]) for node in why.of("document")} == {"disk.md"}
        assert fact.fact_id in str(await memory.impact("disk.md", principal=alice))
        why.to_html(tmp_path / "why.html")
        assert "<svg" in (tmp_path / "why.html").read_text()
        kept = await memory.inventory(Selector(user="alice"), principal=alice)
        assert {str(one["kind"]) for one in kept} == {"run", "fact", "session", "book"}
        receipt = await team.forget(Selector(user="alice"), principal=alice)
        covered = {re.sub(r"corpus-.*", "corpus", one) for one in receipt.erased}
        assert covered >= {"runs", "facts", "items", "graphs", "corpus", "provenance", "keys"}
        assert receipt.is_complete
        assert await memory.inventory(Selector(user="alice"), principal=alice) == []
        docs = await corpus.as_retriever(principal=alice).ainvoke("disk full")
        assert (docs[0].metadata["source"], bool(docs[0].metadata["version"])) == ("disk.md", True)
        mine = _counter().compile(
            checkpointer=memory.as_checkpointer(), store=memory.as_store(principal=alice)
        )
        assert await mine.ainvoke({"count": 1}, {"configurable": {"thread_id": "mine"}}) == {"count": 2}
    assert (await memory.verify()).sound


class _Count(TypedDict):
    count: int


async def _count(state: _Count, *, store: BaseStore) -> _Count:
    await store.aput(("session", "seen"), "count", {"count": state["count"]})
    await store.aput(("seen",), "count", {"count": state["count"]})
    found = await store.asearch((), filter={"count": state["count"]})
    return {"count": len(found)}


def _counter() -> StateGraph[_Count]:
    builder = StateGraph(_Count)
    builder.add_node("count", _count)
    builder.add_edge(START, "count")
    return builder
