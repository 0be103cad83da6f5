"""One write to a place, as it is carried out and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.store.base import NOT_PROVIDED, NotProvided
from sqlalchemy import Connection

from pilotman.guardrails.errors import Conflict
from pilotman.guardrails.seal import Subject
from pilotman.memory.event import NewEvent
from pilotman.memory.storage.codec import moment
from pilotman.memory.store import rows
from pilotman.memory.store.place import DURABLE, Place
from pilotman.memory.store.rows import ItemRow


class RevisionConflict(Conflict):
    """Somebody else has written meanwhile; ``revision`` is the present one, None: there is no item.

    Nothing was stored.
    """

    code = "revision_conflict"

    def __init__(self, revision: int | None) -> None:
        found = "is gone" if revision is None else f"has revision {revision}"
        super().__init__(
            f"the item {found} by now; nothing was stored", hint="read it again, then write again"
        )
        self.revision = revision


@dataclass(frozen=True, kw_only=True)
class Change:
    """``body`` None: the item goes. ``expected`` is the revision that must be there, None: nothing may be;
    not provided: the last writer wins. ``ttl`` in microseconds. ``facts`` are told with the event."""

    place: Place
    body: bytes | None
    digest: str
    ttl: int | None = None
    suspicions: frozenset[str] = frozenset()
    run_id: str | None = None
    expected: int | NotProvided | None = NOT_PROVIDED
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def apply(
        self, connection: Connection, subject: Subject, *, now: int, actor: str
    ) -> tuple[int | None, list[NewEvent]] | RevisionConflict:
        """The new revision (None: there is no item any more), and what is to be told of it."""
        old = rows.claim(connection, subject, self.place, now=now)
        present = None if old is None else old.revision
        if not isinstance(self.expected, NotProvided) and self.expected != present:
            return RevisionConflict(present)
        # by the time: an item that was deleted and made again has none of its former revisions
        revision = max(now, 0 if old is None else old.revision + 1)
        if self.body is not None:
            rows.put(connection, subject, self._row(self.body, revision, old, now), now=now)
        elif old is not None:
            rows.remove(connection, subject, self.place)
        else:
            return None, []
        told = [self._event(revision, old, now, actor)] if self.place.session == DURABLE else []
        return (None if self.body is None else revision), told

    def _row(self, body: bytes, revision: int, old: ItemRow | None, now: int) -> ItemRow:
        return ItemRow(
            session=self.place.session,
            path=self.place.path,
            name=self.place.name,
            body=body,
            digest=self.digest,
            revision=revision,
            created_at=now if old is None else old.created_at,
            updated_at=now,
            expires_at=None if self.ttl is None else now + self.ttl,
            ttl=self.ttl,
            run_id=self.run_id,
            suspicions=",".join(sorted(self.suspicions)),
        )

    def _event(self, revision: int, old: ItemRow | None, now: int, actor: str) -> NewEvent:
        """Names and digests only: what was written stands in the item."""
        kind = "memory_deleted" if self.body is None else "memory_put"
        replaced = None if old is None else {"digest": old.digest, "revision": old.revision}
        data = {"item": self.place.name, "revision": revision, "replaced": replaced, **self.facts}
        if self.body is not None:
            data["digest"] = self.digest
        if self.suspicions:
            data["quarantined"] = sorted(self.suspicions)
        key = f"{kind}:{self.place.name}:{revision}"
        return NewEvent(kind=kind, actor=actor, data=data, key=key, at=moment(now))
