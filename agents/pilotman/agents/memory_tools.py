"""Memory as tools for agents: ``remember`` is a write like any other, ``recall`` a read."""

from __future__ import annotations

from typing import Any

from pilotman.agents.context import ToolContext
from pilotman.agents.failure import ToolFailure
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory import Fact, Memory

_MOST = 10
"""Facts that an agent is told at once."""


def memory_tools(memory: Memory) -> list[Tool[..., Any]]:
    """``remember(text, about)`` and ``recall(query)`` for the agents of a team that has this ``memory``.

    What an agent remembers belongs to whoever asks in the run, comes from the run, and is as trusted as the
    least of what the run has read. It passes policies, permits and the ledger: the same text is remembered
    once in a run, also after a crash, and a saga takes it back. Recalled facts stand under ``trusted`` or
    ``untrusted``; what is untrusted, agents and policies see as third parties' words.
    """
    return [_remember(memory), _recall(memory)]


def _remember(memory: Memory) -> Tool[..., Any]:
    @tool(effect="write", idempotency_key="{text}", third_party=False)
    async def remember(text: str, ctx: ToolContext, about: str = "") -> dict[str, str]:
        """Remember a fact for the person who asks, beyond this conversation. ``about`` names the one thing
        that it is about, such as "web-1" or "favourite colour"."""
        try:
            fact = await memory.remember(
                text,
                principal=ctx.principal,
                source=f"run:{ctx.run_id}",
                reason="an agent was asked to remember it",
                about=about,
                key=ctx.idempotency_key,
            )
        except InvalidRequest as error:
            raise ToolFailure(str(error), kind="validation") from error
        return {"fact_id": fact.fact_id, "status": fact.status}

    @remember.lookup
    async def remembered(text: str, ctx: ToolContext, about: str = "") -> dict[str, str] | None:  # noqa: ARG001
        found = await memory.kept(ctx.idempotency_key, principal=ctx.principal)
        return None if found is None else {"fact_id": found.fact_id, "status": found.status}

    @remember.compensate
    async def forget(done: dict[str, str], /, text: str, ctx: ToolContext, about: str = "") -> None:  # noqa: ARG001
        await memory.retract(done["fact_id"], principal=ctx.principal, reason="the run took it back")

    return remember


def _recall(memory: Memory) -> Tool[..., Any]:
    @tool(effect="read", third_party=["untrusted"])
    async def recall(query: str, ctx: ToolContext) -> dict[str, list[dict[str, str]]]:
        """Look up what is remembered for the person who asks; an empty query lists the newest."""
        facts = await memory.recall(query, principal=ctx.principal, limit=_MOST)
        return {
            "trusted": [_told(fact) for fact in facts if fact.label.trusted],
            "untrusted": [_told(fact) for fact in facts if not fact.label.trusted],
        }

    return recall


def _told(fact: Fact) -> dict[str, str]:
    told = {"fact_id": fact.fact_id, "text": fact.text, "since": fact.valid_from.isoformat()}
    return told | ({"about": fact.about} if fact.about else {})
