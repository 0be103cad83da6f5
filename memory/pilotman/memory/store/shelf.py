"""One owner's items as of one moment: what is selected, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeAlias

from langgraph.store.base import GetOp, Item, ListNamespacesOp, SearchItem, SearchOp
from sqlalchemy import Connection

from pilotman.guardrails.digest import canonical
from pilotman.guardrails.label import Label
from pilotman.guardrails.seal import Forgotten, Seal
from pilotman.memory.storage.codec import dump, load, moment
from pilotman.memory.storage.opened import Opened
from pilotman.memory.storage.stored import key_id
from pilotman.memory.store import rows
from pilotman.memory.store.matching import matches, score, within, words, words_in
from pilotman.memory.store.place import Owner, Place, Places
from pilotman.memory.store.rows import ItemRow

Read: TypeAlias = GetOp | SearchOp | ListNamespacesOp
_WORTH = 100
"""A use moves an item's end if it moves by a hundredth of its time or more: not every read is a write."""


_BARE, _PER_BYTE = 1_000, 6
"""Bytes that an item takes which is kept open, about: by itself, and for each byte of its body."""


class KeptItem(Item):
    """An item with its ``revision``, which changes with every write and only grows, and its ``label``."""

    __slots__ = ("label", "revision")

    def __init__(self, *, revision: int, label: Label, **fields: Any) -> None:
        super().__init__(**fields)
        self.revision = revision
        self.label = label


@dataclass(frozen=True, kw_only=True)
class Reading:
    """``select`` runs in a transaction, ``finish`` makes the result of what that gave, and says what is told
    by it."""

    select: Callable[[Connection], list[ItemRow]]
    finish: Callable[[Sequence[ItemRow]], tuple[Any, Sequence[Found]]]


@dataclass(frozen=True)
class Content:
    """What is sealed of an item, and in which ``body``."""

    body: bytes
    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    label: Label

    @cached_property
    def words(self) -> frozenset[str]:
        return words_in(self.value)

    @property
    def size(self) -> int:
        return _BARE + _PER_BYTE * len(self.body)

    def found(self, row: ItemRow, score: float | None = None) -> SearchItem:
        """As somebody is given it, who may do with the value what they like."""
        value, at, changed = load(dump(self.value)), moment(row.created_at), moment(row.updated_at)
        return SearchItem(self.namespace, self.key, value, at, changed, score)


Found: TypeAlias = tuple[ItemRow, Content]
Contents: TypeAlias = Opened[tuple[str, ...], Content]
"""Of each subject what was opened, by session, path and name."""


class Shelf:
    """``now`` in microseconds since 1970 UTC."""

    def __init__(self, seal: Seal, owner: Owner, *, now: int, opened: Contents) -> None:
        self._seal = seal
        self._opened = opened
        self.owner = owner
        self.subject = owner.subject
        self.places = Places(seal, owner)
        self.sought = Places(seal, owner, seek=True)
        self.now = now

    def sealed(self, place: Place, namespace: Sequence[str], key: str, value: Any, label: Label) -> bytes:
        """An item's body, as it may lie on a disk in this place."""
        body = dump([namespace, key, value, label.to_dict()]).encode()
        return self._seal.seal(self.subject, body, self._bound(place))

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
        namespace, key, value, *labels = load(raw.decode())
        label = self._label(labels[0] if labels else None, row)
        return Content(row.body, tuple(namespace), key, value, label)

    def _label(self, kept: Any, row: ItemRow) -> Label:
        """As it was kept. Items were once kept without: what a run wrote then, nobody vouches for."""
        tenant = self.subject.tenant
        if kept is None:
            trusted = row.run_id is None
            return Label(author="user" if trusted else "memory", trusted=trusted, tenant=tenant)
        return Label(
            author=kept["author"],
            trusted=kept["trusted"],
            tenant=tenant,
            sensitivity=kept["sensitivity"],
            sources=frozenset(kept["sources"]),
            suspicions=frozenset(kept["suspicions"]),
        )

    def contents(self, found: Sequence[ItemRow], prefix: Sequence[str]) -> list[tuple[ItemRow, Content]]:
        """What is in all items under a prefix; what was opened before is not opened again."""
        known, keys = self._opened.of(self.subject), self._seal.keys
        key = None if keys is None else keys.find(self.subject)
        alive = (None, None if key is None else key.key_id)
        there: list[tuple[ItemRow, Content]] = []
        new = False
        for row in found:
            content = known.get(row[:3])
            if content is None or content.body != row.body or key_id(row.body) not in alive:
                new, content = True, self.content(row)
            if content is not None:
                there.append((row, content))
        if new or len(known) != len(there):
            self._keep(known, there, prefix)
        return there

    def _keep(
        self,
        known: Mapping[tuple[str, ...], Content],
        there: Iterable[tuple[ItemRow, Content]],
        prefix: Sequence[str],
    ) -> None:
        """Of what is under a prefix what is there now, and what was known of others."""
        sessions, path = self.owner.sessions(prefix), self.places.path(prefix)
        kept = {at: one for at, one in known.items() if at[0] not in sessions or not at[1].startswith(path)}
        now: dict[tuple[str, ...], Content] = {row[:3]: content for row, content in there}
        if len(known) != len(kept) + len(now) or any(known.get(at) is not one for at, one in now.items()):
            self._opened.keep(self.subject, now | kept)

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
            place = self.sought.of(op.namespace, op.key)
            return Reading(select=partial(self._find, place), finish=self._got)
        if isinstance(op, SearchOp):
            return self._search(op)
        return Reading(select=self._spaces, finish=partial(self._namespaces, op))

    def _find(self, place: Place, connection: Connection) -> list[ItemRow]:
        row = rows.find(connection, self.subject, place, now=self.now)
        return [] if row is None or row.suspicions else [row]

    def _got(self, found: Sequence[ItemRow]) -> tuple[KeptItem | None, Sequence[Found]]:
        content = self.content(found[0]) if found else None
        if content is None:
            return None, ()
        row = found[0]
        item = KeptItem(
            value=content.value,
            key=content.key,
            namespace=content.namespace,
            created_at=moment(row.created_at),
            updated_at=moment(row.updated_at),
            revision=row.revision,
            label=content.label,
        )
        return item, [(row, content)]

    def _search(self, op: SearchOp) -> Reading:
        sessions = self.owner.sessions(op.namespace_prefix)
        all_of_them = bool(op.filter or op.query)  # what they say is sealed: it is looked at here
        select = partial(
            rows.under,
            subject=self.subject,
            sessions=sessions,
            path=self.sought.path(op.namespace_prefix),
            now=self.now,
            offset=0 if all_of_them else max(0, op.offset),
            limit=rows.ALL if all_of_them else max(0, op.limit),
        )
        return Reading(select=select, finish=partial(self._found, op) if all_of_them else self._first)

    def _found(self, op: SearchOp, found: Sequence[ItemRow]) -> tuple[list[SearchItem], Sequence[Found]]:
        known = self.contents(found, op.namespace_prefix)
        kept = [pair for pair in known if matches(pair[1].value, op.filter or {})]
        scores: list[float | None] = [None] * len(kept)
        if op.query:
            asked = words(op.query)
            scores = [score(asked, content.words) for _, content in kept]
        ranked = sorted(zip(scores, kept, strict=True), key=lambda one: -(one[0] or 0.0))
        meant = ranked[max(0, op.offset) :][: max(0, op.limit)]
        return [content.found(row, rank) for rank, (row, content) in meant], [one for _, one in meant]

    def _first(self, found: Sequence[ItemRow]) -> tuple[list[SearchItem], Sequence[Found]]:
        known = [(row, content) for row in found if (content := self.content(row)) is not None]
        return [content.found(row) for row, content in known], known

    def _spaces(self, connection: Connection) -> list[ItemRow]:
        return rows.spaces(connection, self.subject, self.owner.sessions(()), now=self.now)

    def _namespaces(
        self, op: ListNamespacesOp, found: Sequence[ItemRow]
    ) -> tuple[list[tuple[str, ...]], Sequence[Found]]:
        opened = [(row, content) for row in found if (content := self.content(row)) is not None]
        known = [pair for pair in opened if within(pair[1].namespace, op.match_conditions or ())]
        meant = {content.namespace[: op.max_depth] for _, content in known}
        return sorted(meant)[max(0, op.offset) :][: max(0, op.limit)], known

    def worth_refreshing(self, used: Sequence[ItemRow]) -> list[ItemRow]:
        """Those of the used that would end noticeably later."""
        return [
            row
            for row in used
            if row.ttl is not None
            and row.expires_at is not None
            and (self.now + row.ttl - row.expires_at) * _WORTH >= row.ttl > 0
        ]
