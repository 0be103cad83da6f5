"""What is so, at every moment: the experiment's own account of each passage, by which all are judged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.principal import Principal
from pilotman.retrieval.access import tags_of
from pilotman.retrieval.governance.space import Hit, Space, nearest

Fault: TypeAlias = Literal["phantom", "outdated", "forbidden", "cross-tenant"]
Mask: TypeAlias = npt.NDArray[np.bool_]
Sets: TypeAlias = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Change:
    """To all of these passages. ``told``: the store is told; else only the source knows, until it is read.

    ``readers``: who may read them from now on, where the kind is ``permit``.
    """

    kind: Literal["delete", "update", "permit"]
    passages: tuple[int, ...]
    told: bool
    readers: frozenset[str] = frozenset()


class Truth:
    """Passages with revision and readers, and since when what is wrong is wrong (seconds).

    ``alive``, ``revision`` and ``readers`` (a number into ``sets``) have shape ``(passages,)``; ``vectors``
    are those of the present revisions. ``leaving`` is being deleted by somebody at this moment: whether it
    is served still is up to chance. ``watched``: nobody tells a change, the source has to be read.
    """

    def __init__(self, space: Space, readers: list[frozenset[str]], watched: Mask) -> None:
        count = len(space.first)
        self.space = space
        self.watched = watched
        self.alive: Mask = np.ones(count, dtype=np.bool_)
        self.revision = np.ones(count, dtype=np.int64)
        self.vectors = space.first.copy()
        self.sets: list[frozenset[str]] = []
        self._numbers: dict[frozenset[str], int] = {}
        self.readers: Sets = np.array([self._number(one) for one in readers], dtype=np.int32)
        self.leaving: frozenset[int] = frozenset()
        self._died: dict[int, int] = {}
        self._superseded: dict[Hit, int] = {}
        self._permitted: dict[int, int] = {}

    def apply(self, change: Change, now: int) -> None:
        """What happens to living passages."""
        for passage in change.passages:
            if change.kind == "delete":
                self.alive[passage] = False
                self._died[passage] = now
            elif change.kind == "update":
                revision = int(self.revision[passage])
                self._superseded[Hit(passage=passage, revision=revision)] = now
                self.revision[passage] = revision + 1
                self.vectors[passage] = self.space.vector(passage, revision + 1)
            else:
                self.readers[passage] = self._number(change.readers)
                self._permitted[passage] = now

    def text(self, passage: int) -> str:
        """What stands in it at present."""
        return self.space.text(passage, int(self.revision[passage]))

    def readers_of(self, passage: int) -> frozenset[str]:
        """Who may read it at present."""
        return self.sets[int(self.readers[passage])]

    def may_read(self, principal: Principal) -> Mask:
        """Of each set of readers whether the principal is among them."""
        tags = tags_of(principal)
        return np.array([not tags.isdisjoint(one) for one in self.sets], dtype=np.bool_)

    def expected(self, query: str, principal: Principal, k: int) -> list[int]:
        """The ``k`` nearest passages that the principal may read, by looking at each."""
        among = self.alive & self.may_read(principal)[self.readers]
        among[list(self.leaving)] = False
        return nearest(self.vectors, self.space.embedded(query), k, among)

    def faults(self, hit: Hit, principal: Principal, now: int) -> dict[Fault, int | None]:
        """What is wrong with serving it, and for how many seconds; None: it never was right."""
        found: dict[Fault, int | None] = {}
        passage = hit.passage
        if not self.alive[passage]:
            found["phantom"] = now - self._died[passage]
        elif hit.revision != self.revision[passage]:
            found["outdated"] = now - self._superseded[hit]
        readers = self.readers_of(passage)
        if tags_of(principal).isdisjoint(readers):
            since = self._permitted.get(passage)
            kind: Fault = "forbidden" if principal.tenant in map(tenant_of, readers) else "cross-tenant"
            found[kind] = None if since is None else now - since
        return found

    def standing(self, passages: Collection[int]) -> tuple[int, ...]:
        """Those of them that are alive and are not leaving."""
        return tuple(one for one in passages if self.alive[one] and one not in self.leaving)

    def _number(self, readers: frozenset[str]) -> int:
        if readers not in self._numbers:
            self._numbers[readers] = len(self.sets)
            self.sets.append(readers)
        return self._numbers[readers]


def tenant_of(reader: str) -> str:
    """Whose reader it is; an empty text for everybody."""
    return reader.partition(":")[2].partition("/")[0]
