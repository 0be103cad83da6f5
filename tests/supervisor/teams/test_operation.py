"""The operator's ticket: one a run whatever is said in it, found again after a lost reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilotman.agents import Tool, ToolContext
from pilotman.agents.blocking import Threads
from pilotman.supervisor.teams.operation import ticket_tools
from pilotman.supervisor.teams.tickets import MemoryTicketBook

WHERE = {"run_id": "run_1", "thread_id": "t", "tenant": "acme"}


def did(tool: Tool[..., Any], **args: Any) -> Any:
    """What the tool's function returns."""
    return tool.fn(**args)


@pytest.fixture
def book() -> MemoryTicketBook:
    return MemoryTicketBook()


@pytest.fixture
def tool(book: MemoryTicketBook) -> Tool[..., Any]:
    (tool,) = ticket_tools(book)
    return tool


def test_other_words_are_not_another_ticket(tool: Tool[..., Any]) -> None:
    said = [
        {"title": "disk full"},
        {"title": "Disk is full!", "severity": "critical", "host": "web-1", "body": "look at it"},
        {"title": "disk full", "queue": "incidents"},
    ]
    assert len({tool.key(tool.validate(args), **WHERE) for args in said}) == 1
    assert tool.key(tool.validate(said[0]), **{**WHERE, "run_id": "run_2"}) != tool.key(
        tool.validate(said[0]), **WHERE
    )


def test_the_service_is_given_the_key(tool: Tool[..., Any]) -> None:
    assert tool.idempotent
    assert tool.has_lookup
    assert tool.effect == "write"


def test_a_ticket_holds_what_was_found(
    tool: Tool[..., Any], book: MemoryTicketBook, ctx: ToolContext
) -> None:
    told = did(tool, title="disk full", ctx=ctx, severity="critical", host="web-1", body="98% used")
    ticket = book.tickets(tenant="acme")[0]
    assert (ticket.run_id, ticket.key, ticket.severity) == ("run_1", ctx.idempotency_key, "critical")
    assert "web-1" in ticket.body
    assert "98% used" in ticket.body
    assert told["ticket_id"] == ticket.ticket_id
    assert told["summary"] == "ticket T-1: disk full"


@pytest.mark.anyio
async def test_a_look_up_knows_the_key_and_the_tenant(
    tool: Tool[..., Any], make_ctx: Callable[..., ToolContext]
) -> None:
    async def found(ctx: ToolContext) -> Any:
        result = await tool.find({"title": "in other words"}, ctx, timeout=5.0, threads=Threads())
        return None if result is None else result.value

    assert await found(make_ctx()) is None
    made = did(tool, title="disk full", ctx=make_ctx())
    assert await found(make_ctx()) == made
    assert await found(make_ctx(key="other")) is None
    assert await found(make_ctx(tenant="other")) is None


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"title": ""},
        {"title": "x" * 201},
        {"title": "ok then", "severity": "terrible"},
        {"title": "ok then", "body": "x" * 9_000},
        {"title": "ok then", "queue": "payroll"},
        {"title": "ok then", "run_id": "run_2"},
    ],
)
def test_its_arguments_are_narrow(tool: Tool[..., Any], args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        tool.validate(args)
