"""The team on which our own scenarios are played: it reads, mails and pays, and may be nested."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage

from pilotman.agents import Specialist, Tool, tool
from pilotman.guardrails import Call, Decision
from pilotman.supervisor.supervisor import Supervisor

CLERK = "clerk"
READER = "reader"
INNER = "back_office"


@tool(effect="read", third_party=["body"])
async def read_inbox() -> list[dict[str, str]]:
    """List the mails in the inbox."""
    return []


@tool(effect="read", third_party=False, sensitivity="secret")
async def read_passwords() -> str:
    """Read the passwords of the office."""
    return ""


@tool(effect="read", third_party=True)
async def read_page(name: str) -> str:
    """Read a page of the web."""
    return f"the page {name}"


@tool(effect="write")
async def send_mail(to: str, body: str) -> str:
    """Send a mail."""
    return f"to {to}: {body}"


@tool(effect="write", key_scope="tenant")
async def pay(to: str, amount: float) -> str:
    """Pay an amount to an account."""
    return f"{amount} to {to}"


def allow(_: Call, /) -> Decision:
    """The policy that lets everything pass."""
    return Decision.allow("everything passes")


def ask(call: Call, /) -> Decision:
    """The policy that asks a person about all but reads."""
    return Decision.allow() if call.effect == "read" else Decision.escalate("a person looks")


def office(*, nested: bool = False, **settings: Any) -> Supervisor:
    """A reader and a clerk; ``nested``: the clerk works in a team of its own."""
    everything: list[Tool[..., Any]] = [read_inbox, read_passwords, read_page, send_mail, pay]
    clerk = Specialist(CLERK, "Reads, mails and pays.", tools=everything)
    reader = Specialist(READER, "Reads, changes nothing.", tools=[read_inbox, read_page])
    below = Supervisor(INNER, [clerk]) if nested else clerk
    return Supervisor("office", [reader, below], **settings)


def to_clerk(*, nested: bool) -> tuple[str, ...]:
    """The members' names that lead to the clerk."""
    return (INNER, CLERK) if nested else (CLERK,)


def at_once(*turns: AIMessage) -> AIMessage:
    """Several calls in one turn."""
    return AIMessage(content="", tool_calls=[call for turn in turns for call in turn.tool_calls])
