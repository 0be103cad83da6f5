"""One owner's items as of one moment: what is selected, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from langgraph.store.base import GetOp, Item, ListNamespacesOp, SearchItem, SearchOp
from sqlalchemy import Connection

from pilotman.guardrails.digest import canonical
from pilotman.guardrails.seal import Forgotten, Seal
from pilotman.memory.storage.codec import dump, load, moment
from pilotman.memory.store import rows
from pilotman.memory.store.matching import matches, score, within, words
from pilotman.memory.store.place import Owner, Place, Places
from pilotman.memory.store.rows import ItemRow

Read: TypeAlias = GetOp | SearchOp | ListNamespacesOp
_WORTH = 100
"""A use moves an item's end if it moves by a hundredth of its time or more: not every read is a write."""


class KeptItem(Item):
    """An item with its ``revision``: which changes with every write, and only grows."""

    __slots__ = ("revision",)

    def __init__(self, *, revision: int, **fields: Any) -> None:
        super().__init__(**fields)
        self.revision = revision


@dataclass(frozen=True, kw_only=True)
class Reading:
    """``select`` runs in a transaction, ``finish`` makes the result of what that gave, and says which rows
    were used by it."""

    select: Callable[[Connection], list[ItemRow]]
    finish: Callable[[Sequence[ItemRow]], tuple[Any, Sequence[ItemRow]]]


@dataclass(frozen=True, slots=True)
class Content:
    """What is sealed of an item."""

    row: ItemRow
    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]

    def found(self, score: float | None = None) -> SearchItem:
        at, changed = moment(self.row.created_at), moment(self.row.updated_at)
        return SearchItem(self.namespace, self.key, self.value, at, changed, score)


class Shelf:
    """``now`` in microseconds since 1970 UTC."""

    def __init__(self, seal: Seal, owner: Owner, *, now: int) -> None:
        self._seal = seal
        self.owner = owner
        self.subject = owner.subject
        self.places = Places(seal, owner)
        self.now = now

    def sealed(self, place: Place, namespace: Sequence[str], key: str, value: Any) -> bytes:
        """An item's body, as it may lie on a disk in this place."""
        return self._seal.seal(self.subject, dump([namespace, key, value]).encode(), self._bound(place))

    def digest(self, value: Any) -> str:
        """A blind digest of a value: two of the same owner are equal or not."""
        return self.places.digest(canonical(value))

    def content(self, row: ItemRow) -> Content | None:
        """What is in a body; None: it was forgotten.

        Raises:
            Tampered: it was changed, or moved here from another place.
        """
        try:
            raw = self._seal.open(self.subject, row.body, self._bound(row.place))
        except Forgotten:
            return None
        namespace, key, value = load(raw.decode())
        return Content(row, tuple(namespace), key, value)

    def _bound(self, place: Place) -> bytes:
        whose = self.subject
        return (
            b"items.body/" + dump([whose.tenant, whose.user, place.session, place.path, place.name]).encode()
        )

    def reading(self, op: Read) -> Reading:
        """How to answer a read of LangGraph's.

        Raises:
            ConfigurationError: it is about a session, and there is no conversation.
        """
        if isinstance(op, GetOp):
            place = self.places.of(op.namespace, op.key)
            return Reading(select=partial(self._find, place), finish=self._got)
        if isinstance(op, SearchOp):
            return self._search(op)
        return Reading(select=self._spaces, finish=partial(self._namespaces, op))

    def _find(self, place: Place, connection: Connection) -> list[ItemRow]:
        row = rows.find(connection, self.subject, place, now=self.now)
        return [] if row is None or row.suspicions else [row]

    def _got(self, found: Sequence[ItemRow]) -> tuple[KeptItem | None, Sequence[ItemRow]]:
        content = self.content(found[0]) if found else None
        if content is None:
            return None, ()
        row = content.row
        item = KeptItem(
            value=content.value,
            key=content.key,
            namespace=content.namespace,
            created_at=moment(row.created_at),
            updated_at=moment(row.updated_at),
            revision=row.revision,
        )
        return item, found

    def _search(self, op: SearchOp) -> Reading:
        sessions = self.owner.sessions(op.namespace_prefix)
        all_of_them = bool(op.filter or op.query)  # what they say is sealed: it is looked at here
        select = partial(
            rows.under,
            subject=self.subject,
            sessions=sessions,
            path=self.places.path(op.namespace_prefix),
            now=self.now,
            offset=0 if all_of_them else max(0, op.offset),
            limit=rows.ALL if all_of_them else max(0, op.limit),
        )
        return Reading(select=select, finish=partial(self._found, op, all_of_them))

    def _found(
        self, op: SearchOp, all_of_them: bool, found: Sequence[ItemRow]
    ) -> tuple[list[SearchItem], Sequence[ItemRow]]:
        known = [content for row in found if (content := self.content(row)) is not None]
        kept = [one for one in known if matches(one.value, op.filter or {})]
        scores: list[float | None] = [None] * len(kept)
        if op.query:
            asked = words(op.query)
            scores = [score(asked, one.value) for one in kept]
        ranked = sorted(zip(scores, kept, strict=True), key=lambda one: -(one[0] or 0.0))
        if all_of_them:
            ranked = ranked[max(0, op.offset) :][: max(0, op.limit)]
        return [one.found(rank) for rank, one in ranked], [one.row for _, one in ranked]

    def _spaces(self, connection: Connection) -> list[ItemRow]:
        return rows.spaces(connection, self.subject, self.owner.sessions(()), now=self.now)

    def _namespaces(
        self, op: ListNamespacesOp, found: Sequence[ItemRow]
    ) -> tuple[list[tuple[str, ...]], Sequence[ItemRow]]:
        known = [content.namespace for row in found if (content := self.content(row)) is not None]
        meant = {space[: op.max_depth] for space in known if within(space, op.match_conditions or ())}
        return sorted(meant)[max(0, op.offset) :][: max(0, op.limit)], ()

    def worth_refreshing(self, used: Sequence[ItemRow]) -> list[ItemRow]:
        """Those of the used that would end noticeably later."""
        return [
            row
            for row in used
            if row.ttl is not None
            and row.expires_at is not None
            and (self.now + row.ttl - row.expires_at) * _WORTH >= row.ttl > 0
        ]
