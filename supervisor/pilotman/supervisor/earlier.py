"""An earlier answer to the same request: what is left to say where nothing can be found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pilotman.guardrails.principal import Principal
from pilotman.memory.facts.grounds import grounds
from pilotman.memory.facts.reader import Reader
from pilotman.memory.journal.journal import Journal

MOST_RUNS = 200
"""How many of a team's last runs are looked through."""
MOST_AGE = timedelta(days=7)
_LESS = {"degraded", "tool_call_failed", "model_call_failed", "task_skipped", "budget_exceeded"}
"""What stands in the record of a run whose answer may lack something."""


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An answer, the run that gave it, and when."""

    text: str
    run_id: str
    at: datetime

    def age(self, now: datetime) -> str:
        """How old it is, in words."""
        minutes = max(0, int((now - self.at).total_seconds() // 60))
        if minutes < 120:
            return f"{minutes} minutes"
        return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


async def earlier(
    journal: Journal,
    *,
    supervisor: str,
    request: str,
    facts: Mapping[str, Any],
    principal: Principal,
    memory: Reader | None,
    now: datetime,
) -> Earlier | None:
    """The newest whole answer to the same request that this principal was given, or None.

    Nobody is told what another was told, nor what they themselves were told with rights that they lost, nor
    what stands on something that is gone or has changed, as ``memory`` knows.
    """
    known = await journal.runs(
        tenant=principal.tenant, supervisor=supervisor, state="COMPLETED", limit=MOST_RUNS
    )
    for row in known:
        asked = row.request.get("text"), dict(row.request.get("facts") or {})
        if asked != (request, dict(facts)) or now - row.updated_at > MOST_AGE:
            continue
        if not _may_hear(Principal.from_dict(row.principal), principal):
            continue
        events = await journal.events(row.run_id, tenant=principal.tenant)
        kinds = {event.kind for event in events}
        ended: Mapping[str, Any] = events[-1].data if events else {}
        if ended.get("outcome") != "answered" or kinds & _LESS:
            continue
        stands_on = await grounds(journal, row.run_id, principal.tenant)
        if memory is None or (await memory.stand([stands_on], principal))[0]:
            return Earlier(text=str(ended["answer"]), run_id=row.run_id, at=events[-1].at)
    return None


def _may_hear(then: Principal, now: Principal) -> bool:
    """Whether it is the same person, who may do at least what they might do then."""
    return then.user == now.user and then.roles <= now.roles and then.attributes == now.attributes
