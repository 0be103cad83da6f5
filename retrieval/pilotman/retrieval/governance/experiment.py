"""The experiment: one script, told to several stores at once, and each answer judged by the truth."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.governance.copied import Copied, Variant
from pilotman.retrieval.governance.governed import Governed
from pilotman.retrieval.governance.report import Report, Row, Wrong
from pilotman.retrieval.governance.script import (
    Crash,
    Join,
    Query,
    Race,
    Recover,
    Script,
    Sizes,
    Step,
    readers,
)
from pilotman.retrieval.governance.space import Hit, Space
from pilotman.retrieval.governance.truth import Change, Truth

_CONFIG = IndexConfig()
_TOPIC = 500
"""Passages of a topic, about."""


async def measure(
    *,
    passages: int = 100_000,
    sources: int = 5_000,
    queries: int = 10_000,
    tenants: int = 10,
    watched: int = 100,
    k: int = 10,
    reconcile_every: int = 300,
    reindex_every: int = 1_800,
    dimensions: int = 64,
    seed: int = 0,
    config: IndexConfig = _CONFIG,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Queries between deletions, updates and changes of permission; what was served wrongly, by variant.

    ``watched`` of the sources tell nobody what changes, they have to be read. Another process deletes while
    queries go on, and is killed in the middle of a deletion; a source goes without notice. Beside
    ``pilotman``: ``ungoverned`` (a copy, made once, without a filter), ``periodic`` (a copy, made every
    ``reindex_every`` seconds, filtered after the search) and ``polling`` (a copy, made every
    ``reconcile_every`` seconds, filtered before). The seconds are logical: a query or a change takes one.
    ``progress(done, of)`` is told the queries now and then. A folder for temporary files is used.

    Raises:
        ConfigurationError: with these sizes nothing would be shown.
    """
    sizes = Sizes(passages=passages, sources=sources, queries=queries, watched=watched, tenants=tenants, k=k)
    chance = np.random.default_rng(seed)
    truth = _world(sizes, dimensions=dimensions, seed=seed, chance=chance)
    with tempfile.TemporaryDirectory(prefix="pilotman-governance-") as folder:
        variants: list[Variant] = [
            Governed(truth, Path(folder), sources=sizes.ranges, interval=reconcile_every, config=config),
            Copied("ungoverned", truth, every=None, filter="none"),
            Copied("periodic", truth, every=reindex_every, filter="after"),
            Copied("polling", truth, every=reconcile_every, filter="before"),
        ]
        trial = Trial(truth=truth, tallies=[Tally(variant) for variant in variants], k=k)
        try:
            for variant in variants:
                await variant.load()
            for step in Script(sizes=sizes, truth=truth, chance=chance).steps():
                await trial.take(step)
                if progress is not None and isinstance(step, Query) and not trial.queries % 100:
                    progress(trial.queries, queries)
        finally:
            for variant in variants:
                await variant.close()
    rows = tuple(one.row() for one in trial.tallies)
    return Report(rows=rows, title=_title(sizes, trial, reconcile_every), interval=reconcile_every)


def _title(sizes: Sizes, trial: Trial, interval: int) -> str:
    return (
        f"{sizes.passages:,} passages, {sizes.sources:,} sources, {trial.queries:,} queries,"
        f" {trial.changes:,} changes; sources read every {interval:,} s"
    )


def _world(sizes: Sizes, *, dimensions: int, seed: int, chance: np.random.Generator) -> Truth:
    space = Space(
        passages=sizes.passages,
        topics=max(2, sizes.passages // _TOPIC),
        dimensions=dimensions,
        seed=seed,
    )
    watched = np.zeros(sizes.passages, dtype=np.bool_)
    allowed: list[frozenset[str]] = []
    unheard = set(chance.choice(sizes.sources, sizes.watched, replace=False).tolist())
    for number, source in enumerate(sizes.ranges):
        watched[source.start : source.stop] = number in unheard
        allowed += [readers(sizes, chance)] * len(source)
    return Truth(space, allowed, watched)


class Tally:
    """What a variant has come to."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self._count: Counter[str] = Counter()
        self._wrong: Counter[tuple[bool, str]] = Counter()
        self._ages: dict[bool, list[int]] = {True: [], False: []}

    def judge(
        self, answers: Sequence[Sequence[Hit]], query: Query, *, expected: list[int], truth: Truth, now: int
    ) -> None:
        """The answers to a query, the first of which is the one whose recall counts."""
        for answer in answers:
            for hit in answer:
                told = not truth.watched[hit.passage]
                self._count["served"] += 1
                for fault, age in truth.faults(hit, query.principal, now).items():
                    self._wrong[told, fault] += 1
                    if age is not None:
                        self._ages[told].append(age)
        chancy = sum(hit.passage in truth.leaving for hit in answers[0])
        right = expected[: max(0, len(expected) - chancy)]
        current = {hit.passage for hit in answers[0] if hit.revision == truth.revision[hit.passage]}
        self._count["queries"] += 1
        self._count["expected"] += len(right)
        self._count["withheld"] += len(set(right) - current)
        self._count["short"] += len(answers[0]) < len(right)

    def raced(self, answers: Sequence[Sequence[Hit]], gone: frozenset[int]) -> None:
        """Phantoms of a race: what was served though its deletion had returned before the query began."""
        phantoms = sum(hit.passage in gone for answer in answers for hit in answer)
        self._wrong[True, "phantom"] += phantoms

    def row(self) -> Row:
        """Its row of the report."""
        return Row(
            variant=self.variant.name,
            queries=self._count["queries"],
            served=self._count["served"],
            told=self._sum(told=True),
            untold=self._sum(told=False),
            expected=self._count["expected"],
            withheld=self._count["withheld"],
            short=self._count["short"],
        )

    def _sum(self, *, told: bool) -> Wrong:
        return Wrong(
            phantoms=self._wrong[told, "phantom"],
            outdated=self._wrong[told, "outdated"],
            cross_tenant=self._wrong[told, "cross-tenant"],
            forbidden=self._wrong[told, "forbidden"],
            ages=tuple(sorted(self._ages[told])),
        )


@dataclass(kw_only=True)
class Trial:
    """The run of a script; ``now`` is the logical second."""

    truth: Truth
    tallies: list[Tally]
    k: int
    now: int = 0
    queries: int = 0
    changes: int = 0
    _held: bool = False
    _racing: tuple[int, ...] = field(default=())

    async def take(self, step: Step) -> None:
        """One step: all variants are asked, or told."""
        match step:
            case Query():
                await self._ask(step)
            case Change():
                await self._change(step)
            case Crash():
                await self._crash(step)
            case Recover():
                await self._recover()
            case Race():
                await self._race(step)
            case Join():
                await self._join()

    async def _crash(self, crash: Crash) -> None:
        self._held = True
        for tally in self.tallies:
            await tally.variant.crash(crash.passages)
        self._delete(crash.passages)

    async def _recover(self) -> None:
        self._held = False
        for tally in self.tallies:
            await tally.variant.recover()

    async def _race(self, race: Race) -> None:
        self._racing, self.truth.leaving = race.passages, frozenset(race.passages)
        for tally in self.tallies:
            await tally.variant.race(race.passages)

    async def _join(self) -> None:
        for tally in self.tallies:
            await tally.variant.join()
        self.truth.leaving = frozenset()
        self._delete(self._racing)
        self._racing = ()

    async def _ask(self, query: Query) -> None:
        self._pass_time()
        self.queries += 1
        expected = self.truth.expected(query.text, query.principal, self.k)
        for tally in self.tallies:
            gone = tally.variant.gone()
            answers = await tally.variant.search(query.text, query.principal, self.k, self.now)
            tally.raced(answers, gone)
            tally.judge(answers, query, expected=expected, truth=self.truth, now=self.now)

    async def _change(self, change: Change) -> None:
        self._pass_time()
        self.changes += 1
        self.truth.apply(change, self.now)
        if change.told:
            for tally in self.tallies:
                await tally.variant.tell(change)

    def _delete(self, passages: tuple[int, ...]) -> None:
        if passages:
            self.changes += 1
            self.truth.apply(Change(kind="delete", passages=passages, told=True), self.now)

    def _pass_time(self) -> None:
        self.now += not self._held
