"""Items as an inventory lists them: whose, in which tier, until when, and to their owner what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.storage.codec import dump, maybe_moment, moment
from pilotman.memory.store.place import DURABLE, Owner
from pilotman.memory.store.rows import HeldRow
from pilotman.memory.store.shelf import Contents, Shelf


def told(
    found: Iterable[HeldRow], seal: Seal, principal: Principal, *, now: int
) -> Iterator[Mapping[str, Any]]:
    """A mapping for each item, ``kind`` ``session`` or ``item``; of what others keep or what has expired the
    words are left out. ``now`` in microseconds since 1970 UTC."""
    for held in found:
        row = held.item
        over = row.expires_at is not None and row.expires_at <= now
        lasts = row.session == DURABLE
        one = {
            "kind": "item" if lasts else "session",
            "id": row.name,
            "owner": held.user,
            "source": "user" if row.run_id is None else f"run:{row.run_id}",
            "since": moment(row.created_at),
            "until": maybe_moment(row.expires_at),
            "state": "expired" if over else "quarantined" if row.suspicions else "live",
        }
        if held.user == principal.user and not over:
            subject = Subject(held.tenant, held.user)
            content = Shelf(seal, Owner(subject, None), now=now, opened=Contents()).content(row)
            if content is None:  # its key was destroyed: the row is about to go
                continue
            where = "/".join((*content.namespace, content.key))
            one["what"] = f"{where}: {dump(content.value)}"
            one["why"] = "it was put for good" if lasts else "a conversation keeps it for a while"
        yield one
