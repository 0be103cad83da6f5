"""What facts are about and which words they hold, in the memory of this process alone.

By it facts are ranked, nothing else: which there are says the database at every recall, and what is told is
opened from its row then. A fact's content never changes; it only goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pilotman.guardrails.digest import digest
from pilotman.guardrails.seal import Forgotten
from pilotman.memory.facts.ranking import Words, words_of
from pilotman.memory.facts.shelf import Shelf, same_text
from pilotman.memory.storage.opened import Opened
from pilotman.memory.storage.statement import Row

_BARE, _PER_WORD = 350, 16
"""Bytes of a gist without its words, and of each of them: as ``tests.bench.recall`` measures."""


@dataclass(frozen=True, slots=True)
class Gist:
    """``thing`` is what the fact is about, else its text by its digest."""

    thing: str
    purpose: str
    recorded_at: int
    words: Words

    @property
    def size(self) -> int:
        return _BARE + _PER_WORD * len(self.words.stems)


@dataclass(frozen=True, kw_only=True)
class Held:
    """The facts of one owner (None: the whole tenant's) that a question is about, by their ids; the gists
    that are known, and the rows of those that are not."""

    owner: str | None
    fact_ids: Sequence[str]
    known: Mapping[str, Gist]
    unread: Sequence[Row]


class Gists:
    """The gists of owners' facts, as many as fit."""

    def __init__(self, shelf: Shelf, opened: Opened[str, Gist] | None = None) -> None:
        self._shelf = shelf
        self._opened = Opened[str, Gist]() if opened is None else opened

    @property
    def size(self) -> int:
        """About how many bytes they take."""
        return self._opened.size

    def known(self, tenant: str, owner: str | None) -> Mapping[str, Gist]:
        """The gists of an owner that are here; of others the rows have to be read."""
        return self._opened.of((tenant, owner))

    def of(self, tenant: str, held: Held, *, keep: bool) -> Mapping[str, Gist]:
        """The gists of some facts; of those that were forgotten there is none. ``keep``: they are all that is
        told of their owner now, and others go."""
        known = held.known
        if not held.unread and len(known) == len(held.fact_ids):
            return known
        read = self._read(held.unread)
        both = ((one, known.get(one) or read.get(one)) for one in held.fact_ids)
        found = {one: gist for one, gist in both if gist is not None}
        if keep:
            self._opened.keep((tenant, held.owner), found)
        return found

    def drop(self, tenant: str, owner: str | None) -> None:
        """An owner's key is gone."""
        self._opened.drop((tenant, owner))

    def _read(self, rows: Iterable[Row]) -> dict[str, Gist]:
        opened: list[tuple[Row, str]] = []
        texts: list[str] = []
        for row in rows:
            with suppress(Forgotten):  # its owner's key was destroyed: the row is about to go
                said = self._shelf.said(row)
                opened.append((row, said["about"].casefold() or f"\n{digest(same_text(said['text']))}"))
                texts.append(f"{said['about']} {said['text']}")
        return {
            row["fact_id"]: Gist(thing, row["purpose"], row["recorded_at"], words)
            for (row, thing), words in zip(opened, words_of(texts), strict=True)
        }
