"""What a run stands on: the documents that it read, and the facts that its agents have looked up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from pilotman.memory.event import Event
from pilotman.memory.facts import origin, rows
from pilotman.memory.journal.journal import Journal


async def looked_up(journal: Journal, run_id: str, events: Sequence[Event], tenant: str) -> set[str]:
    """The ids of the facts that the run's agents were told when they asked."""
    named = set[str]()
    for event in events:
        if event.kind == "tool_call_completed" and event.data.get("tool") == origin.RECALL:
            body = await journal.payload(run_id, event.data["result"]["payload"], tenant=tenant)
            named |= origin.named_in(body)

    def known(connection: Connection) -> set[str]:
        return {one for one in named if rows.find(connection, one, tenant=tenant) is not None}

    return await journal.read(known) if named else named


async def grounds(journal: Journal, run_id: str, tenant: str) -> frozenset[str]:
    """What came of a run stands on all of these, beside the run itself: ids as facts name their supports.

    Raises:
        NotFound: there is no such run, or it was forgotten.
    """
    events = await journal.events(run_id, tenant=tenant)
    told = await looked_up(journal, run_id, events, tenant)
    return origin.of_run(run_id, events, tenant, told).supports - {f"{origin.RUN}{run_id}"}
