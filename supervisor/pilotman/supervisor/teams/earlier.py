"""Earlier runs on the same alert, from the team's own record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotman.agents import Tool, ToolContext, tool
from pilotman.guardrails import Principal
from pilotman.supervisor import Run, Supervisor

LOOKED_AT = 50
"""How many of the latest runs are compared."""


class EarlierRuns:
    """Looks through the runs of a team. The team is made of agents that need this, so it comes later."""

    def __init__(self) -> None:
        self.team: Supervisor | None = None

    async def find(self, run_id: str, principal: Principal) -> list[dict[str, Any]]:
        """The runs on an alert of this run or of its group, the newest first."""
        if self.team is None:
            return []
        own = await self._facts(run_id, principal)
        found: list[dict[str, Any]] = []
        for run in await self.team.runs(principal=principal, limit=LOOKED_AT):
            if run.run_id == run_id:
                continue
            relation = related(own, await self._facts(run.run_id, principal))
            if relation is not None:
                found.append(_told(run, relation))
        return found[:10]

    async def _facts(self, run_id: str, principal: Principal) -> Mapping[str, Any]:
        """The structured fields that a run began with: they stand in its first event."""
        assert self.team is not None
        facts: Mapping[str, Any] = {}
        async for event in self.team.events(run_id, principal=principal):
            if event.kind == "run_started":
                facts = event.data.get("facts", {})
                break
        return facts


def related(own: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """``same alert`` by a fingerprint, ``same group`` by the group's key and labels, or None."""
    if set(own.get("fingerprints", ())) & set(other.get("fingerprints", ())):
        return "same alert"
    key = own.get("group_key")
    # A group without labels holds every alert: it says nothing.
    same = key is not None and bool(own.get("group_labels")) and key == other.get("group_key")
    return "same group" if same else None


def earlier_tools(earlier: EarlierRuns) -> list[Tool[..., Any]]:
    """The team's memory of its own runs."""

    @tool(effect="read", third_party=False)
    async def earlier_runs(ctx: ToolContext) -> dict[str, Any]:
        """Look up earlier runs on the same alert: when they were, how they ended, and what they answered."""
        found = await earlier.find(ctx.run_id, ctx.principal)
        if not found:
            return {"summary": "no earlier run on this alert is recorded.", "runs": []}
        latest = found[0]
        count = f"{len(found)} earlier run{'s' if len(found) > 1 else ''} on this alert or its group"
        summary = f"{count}; the latest, {latest['run_id']} of {latest['created_at']}, is {latest['state']}."
        return {"summary": summary, "runs": found}

    return [earlier_runs]


def _told(run: Run, relation: str) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "relation": relation,
        "state": run.state,
        "created_at": run.created_at.isoformat(timespec="seconds"),
        "answer": (run.answer or "")[:400],
    }
