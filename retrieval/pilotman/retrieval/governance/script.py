"""What happens in the experiment, step by step. Seeded; whatever the variants do, the script is the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.principal import Principal
from pilotman.retrieval.governance.space import Hit
from pilotman.retrieval.governance.truth import Change, Truth, tenant_of

_CHANGES, _WHOLE, _UNTOLD = 0.5, 0.2, 0.15
"""Changes a query; of them those of a whole source, and those that nobody tells."""
_AIMED, _RECENT = 0.5, 200
"""Queries about what was changed lately, and how lately in changes."""
_USERS = 5
_PROBES = 10
"""Queries about what is being deleted while that hangs in the middle, and as many after it was killed."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """``text`` says what it is about; the principal could have read that at some time."""

    text: str
    principal: Principal


@dataclass(frozen=True, kw_only=True)
class Crash:
    """Somebody deletes these and hangs in the middle; time stands until he is killed."""

    passages: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Recover:
    """He is killed."""


@dataclass(frozen=True, kw_only=True)
class Race:
    """Somebody begins to delete these while queries and changes go on."""

    passages: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Join:
    """He has deleted all of them."""


Step: TypeAlias = Query | Change | Crash | Recover | Race | Join


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large the experiment is; a source has ``passages / sources`` passages, all of one reader set.

    ``watched``: sources of which nobody tells a change. Seconds are those of a logical clock: a query or a
    change takes one.

    Raises:
        ConfigurationError: so nothing would be shown.
    """

    passages: int
    sources: int
    queries: int
    watched: int
    tenants: int
    k: int

    def __post_init__(self) -> None:
        for holds, what in (
            (self.watched >= 2, "two watched sources"),
            (self.sources >= self.watched + 20, "20 sources more than are watched"),
            (self.passages % max(1, self.sources) == 0, "as many passages in each source as in any"),
            (self.tenants >= 2, "two tenants"),
            (self.k >= 1, "one result"),
            (self.queries >= 100, "a hundred queries"),
            (self.sources >= self.queries / 10, "a source for ten queries: too many are deleted"),
            (self.passages >= self.queries * 2, "two passages for a query: too many are deleted"),
        ):
            if not holds:
                hint = "such as passages=2000, sources=100, queries=400, watched=8"
                raise ConfigurationError(f"the experiment needs {what}", hint=hint)

    @property
    def ranges(self) -> list[range]:
        """The passages of each source."""
        each = self.passages // self.sources
        return [range(first, first + each) for first in range(0, self.passages, each)]


@dataclass(kw_only=True)
class Script:
    """Gives the steps one by one, each for the truth as it stands after those before."""

    sizes: Sizes
    truth: Truth
    chance: np.random.Generator
    _recent: deque[tuple[Hit, Principal]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _asked: int = 0

    def __post_init__(self) -> None:
        ranges = self.sizes.ranges
        self._watched = [one for one in ranges if self.truth.watched[one.start]]
        self._told = [one for one in ranges if not self.truth.watched[one.start]]

    def steps(self) -> Iterator[Step]:
        """All of it."""
        turns = self.sizes.queries - 2 * _PROBES
        at = {round(turns * share): what for share, what in self._plan()}
        for turn in range(turns):
            if turn in at:
                yield from at[turn]
            if self.chance.random() < _CHANGES:
                change = self._change()
                if change.passages:
                    self._remember(change.passages)
                    yield change
            yield self._query()

    def _plan(self) -> Sequence[tuple[float, Iterator[Step]]]:
        return (
            (0.2, self._unnoticed()),
            (0.3, self._race()),
            (0.6, iter([Join()])),
            (0.7, self._crash()),
            (0.8, self._unnoticed()),
        )

    def _unnoticed(self) -> Iterator[Step]:
        """A whole source goes, and nobody says so."""
        living = [one for one in self._watched if self.truth.standing(one)]
        gone = self.truth.standing(living[self._below(len(living))]) if living else ()
        self._remember(gone)
        yield Change(kind="delete", passages=gone, told=False)

    def _race(self) -> Iterator[Step]:
        passages = self._some_told(max(2, self.sizes.sources // 250))
        self._remember(passages)
        yield Race(passages=passages)

    def _crash(self) -> Iterator[Step]:
        yield self._query()
        passages = self._some_told(2)
        able = [(self._hit(one), self._reader_of(one)) for one in passages]
        yield Crash(passages=passages)
        for number in range(_PROBES - 1):
            yield self._about(*able[number % len(able)])
        yield Recover()
        for number in range(_PROBES):
            yield self._about(*able[number % len(able)])

    def _some_told(self, count: int) -> tuple[int, ...]:
        """The living passages of some sources."""
        chosen: list[int] = self.chance.permutation(len(self._told)).tolist()
        living = [passages for one in chosen if (passages := self.truth.standing(self._told[one]))]
        return tuple(passage for passages in living[:count] for passage in passages)

    def _change(self) -> Change:
        told = bool(self.chance.random() >= _UNTOLD)
        ranges = self._told if told else self._watched
        source = self.truth.standing(ranges[self._below(len(ranges))])
        kind = self.chance.random()
        if kind < 0.2:
            return Change(kind="permit", passages=source, told=told, readers=readers(self.sizes, self.chance))
        if source and self.chance.random() >= _WHOLE:
            source = (source[self._below(len(source))],)
        return Change(kind="delete" if kind < 0.6 else "update", passages=source, told=told)

    def _query(self) -> Query:
        if self._recent and self.chance.random() < _AIMED:
            return self._about(*self._recent[self._below(len(self._recent))])
        passage = self._below(self.sizes.passages)
        tenant = f"t{self._below(self.sizes.tenants)}"
        return self._about(self._hit(passage), self._somebody(tenant))

    def _about(self, hit: Hit, principal: Principal) -> Query:
        self._asked += 1
        return Query(text=self.truth.space.query(self._asked, hit), principal=principal)

    def _remember(self, passages: Sequence[int]) -> None:
        """Before they change: what somebody who may read it now can ask for later."""
        if passages:
            one = passages[self._below(len(passages))]
            self._recent.append((self._hit(one), self._reader_of(one)))

    def _hit(self, passage: int) -> Hit:
        return Hit(passage=passage, revision=int(self.truth.revision[passage]))

    def _reader_of(self, passage: int) -> Principal:
        reader = min(self.truth.readers_of(passage))
        tenant = tenant_of(reader) or f"t{self._below(self.sizes.tenants)}"
        if reader.startswith("user:"):
            return Principal(tenant=tenant, user=reader.rpartition("/")[2])
        return self._somebody(tenant, lead=reader.startswith("role:"))

    def _somebody(self, tenant: str, *, lead: bool = False) -> Principal:
        roles = frozenset({"lead"}) if lead or self.chance.random() < 0.2 else frozenset[str]()
        return Principal(tenant=tenant, user=f"u{self._below(_USERS)}", roles=roles)

    def _below(self, end: int) -> int:
        return int(self.chance.integers(end))


def readers(sizes: Sizes, chance: np.random.Generator) -> frozenset[str]:
    """Who may read a source: a tenant, a user or a role of it, or everybody."""
    tenant = f"t{chance.integers(sizes.tenants)}"
    kind = chance.random()
    if kind < 0.1:
        return frozenset({"*"})
    if kind < 0.2:
        return frozenset({f"role:{tenant}/lead"})
    if kind < 0.4:
        return frozenset({f"user:{tenant}/u{chance.integers(_USERS)}"})
    return frozenset({f"tenant:{tenant}"})
