"""Live searches checked against exact search, aside; what falls short is said and repaired."""

from __future__ import annotations

import logging
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

import numpy as np
from opentelemetry.metrics import MeterProvider

from pilotman.guardrails.errors import PilotmanError
from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.instruments import Instruments
from pilotman.retrieval.objective import Aspect, Ledger, Measure, Objective, Remedy
from pilotman.retrieval.rebuilding import Rebuilding
from pilotman.retrieval.sample import Sample, SourceOf
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.allowed import Allowed, Scores
from pilotman.retrieval.vectors.tune import tune

_GROWN = 20
"""An index has grown where one row of so many came after its clusters were learnt."""
_REST = 9
"""Times as long as a check took that the next one is left out: checks cost a tenth of a core at most."""
_DONE: Mapping[Remedy, str] = {
    "retrain": "the index is trained anew",
    "tune": "searches look at more",
    "wait": "the index is rebuilt at present",
    "none": "nothing more is done about it by itself; raise nprobe or k_factor, or lower the objective",
}
_log = logging.getLogger("pilotman.retrieval")

Job: TypeAlias = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class QualityEvent:
    """An objective is missed, or reached again.

    ``of``: the class of queries that it is about, such as ``tenant:acme`` or ``source:books``; empty for all
    of them.
    ``value`` and ``wanted``: a share for recall, milliseconds for latency. ``remedy``: what was begun.
    """

    kind: Literal["missed", "reached"]
    measure: Literal["recall", "latency"]
    of: str
    value: float
    wanted: float
    checks: int
    remedy: Remedy = "none"

    def __str__(self) -> str:
        whose = f" for {self.of}" if self.of else ""
        whose = " for the public tenant" if self.of == "tenant:" else whose
        said = f"{_figures(self.measure, self.value, self.wanted)}{whose} in {self.checks} checked searches"
        return f"{said}: {_DONE[self.remedy]}" if self.kind == "missed" else f"{said}: it is reached again"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How searches by vector fare at present, by the last checks of the index that serves.

    ``recall`` in [0, 1] and ``p95_ms`` are None before the first check. ``classes``: mean recall by class.
    ``missed``: what fell below its objective and was not seen to reach it since, and of which class.
    ``skipped``: searches that were to be checked while another check ran or the checker rested; ``failed``:
    checks that failed themselves.
    """

    objective: Objective | None
    checks: int = 0
    recall: float | None = None
    p95_ms: float | None = None
    classes: Mapping[str, float] = field(default_factory=dict[str, float])
    missed: tuple[Aspect, ...] = ()
    skipped: int = 0
    failed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


OnEvent: TypeAlias = Callable[[QualityEvent], None]


class Quality:
    """Searches an index, and has a sample of the searches checked on a thread of its own.

    A search never waits for a check and does not fail with one. One check runs at a time; searches that are
    drawn meanwhile are not checked. ``on_event`` is called on that thread; what it raises is logged.

    A row counts as found where it is as near as the k-th of the true nearest, so that of equal ones any will
    do (Aumüller, Bernhardsson, Faithfull: ANN-Benchmarks, 2017). Both sides are what may be found of the same
    bitmap at the moment of the check: a deletion between search and check counts for nobody. Rows, ids, texts
    and scores reach neither metrics nor events; the vectors of the last checked queries stay in memory.
    """

    def __init__(
        self,
        objective: Objective | None,
        *,
        on_event: OnEvent | None = None,
        meter_provider: MeterProvider | None = None,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.objective = objective
        self.rebuilding = Rebuilding()
        self._on_event = on_event
        self._instruments = Instruments(meter_provider)
        self._draw = draw
        self._clock = clock
        self._ledger = Ledger()
        self._asked: deque[tuple[tuple[str, ...], int, Vectors]] = deque(
            maxlen=objective.window if objective else 0
        )
        self._index: Callable[[], VectorIndex | None] = lambda: None
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._until_next = self._gap() if objective else 0
        self._rests_until = -np.inf
        self._skipped = self._failed = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        weakref.finalize(self, self._jobs.put, None)

    def search(
        self,
        index: VectorIndex,
        vector: Vectors,
        k: int,
        allowed: Allowed,
        *,
        tenant: str,
        source_of: SourceOf | None = None,
    ) -> tuple[Rows, Scores]:
        """The ``k`` nearest rows of a query of shape ``(dimensions,)``, see ``VectorIndex.search``.

        Its classes are the tenant that asks, and the source of what exact search puts first.
        """
        query = vector[np.newaxis, :]
        if self.objective is None or not self._drawn():
            return index.search(query, k, allowed)
        settings, count = index.settings, index.count
        setting = (index.epoch, settings.nprobe, settings.k_factor)
        began = self._clock()
        rows, scores = index.search(query, k, allowed)
        seconds = self._clock() - began
        depth = min(k, self.objective.k)
        self._offer(
            Sample(
                index=index,
                vector=query.copy(),  # the caller's may change, or be one of many
                k=depth,
                allowed=allowed,
                of=f"tenant:{tenant}",
                source_of=source_of,
                count=count,
                setting=setting,
                found=rows[0, :depth].copy(),
                seconds=seconds,
            )
        )
        return rows, scores

    def figures(self) -> Figures:
        """How it stands."""
        with self._lock:
            ledger, skipped, failed = self._ledger, self._skipped, self._failed
        some = bool(ledger.checks)
        return Figures(
            objective=self.objective,
            checks=len(ledger.checks),
            recall=ledger.measured(("recall", "")) if some else None,
            p95_ms=ledger.measured(("latency", "")) if some else None,
            classes={of: ledger.measured(("recall", of)) for of in sorted(ledger.classes)},
            missed=tuple(sorted(ledger.fallen)),
            skipped=skipped,
            failed=failed,
        )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is below its objective and what is done, in words for anybody: no class is named."""
        with self._lock:
            ledger = self._ledger
        whole: set[Measure] = {measure for measure, of in ledger.fallen if not of}
        some: set[Measure] = {measure for measure, of in ledger.fallen if of and measure not in whole}
        said = [self._said(measure) for measure in sorted(whole)]
        said += [f"{self._said(measure)} for some readers or sources" for measure in sorted(some)]
        return tuple(f"{each}: {_DONE[ledger.last]}" for each in said)

    def forget(self) -> None:
        """The last queries that were checked."""
        self._asked.clear()

    def wait(self) -> None:
        """Until no check runs."""
        self._idle.wait()

    def _drawn(self) -> bool:
        with self._lock:
            self._until_next -= 1
            if self._until_next > 0:
                return False
            self._until_next = self._gap()
            return True

    def _gap(self) -> int:
        """How many searches until the next that is checked: on average ``1 / share``."""
        assert self.objective is not None
        return 1 + int(self._draw() * (2 / self.objective.share - 1))

    def _offer(self, sample: Sample) -> None:
        """Have a sample checked, unless another is, or the last was just now."""
        with self._lock:
            rests = not self._idle.is_set() or self._clock() < self._rests_until
            if rests or not self._serves():
                self._skipped += 1
                return
            self._idle.clear()
        self._jobs.put(partial(self._run, sample))

    def _serves(self) -> bool:
        """Whether there is a thread to check on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=_serve, args=(self._jobs,), name="pilotman-quality", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError:  # the machine has none left, or the interpreter ends
                self._thread = None
        return self._thread is not None

    def _run(self, sample: Sample) -> None:
        began = self._clock()
        try:
            self._check(sample)
        except Exception:  # of a check; a search must not suffer from it, nor the next check
            _log.exception("a check of the vector search failed")
            with self._lock:
                self._failed += 1
        finally:
            now = self._clock()
            self._rests_until = now + _REST * (now - began)
            self._idle.set()

    def _check(self, sample: Sample) -> None:
        objective = self.objective
        assert objective is not None
        check = sample.check()
        self._instruments.record(check, objective)
        if self._index() is not sample.index:  # another model's vectors
            self._index = weakref.ref(sample.index)
            self._ledger = Ledger()
            self._asked.clear()
        self._asked.append((check.classes, sample.k, sample.vector))
        before, ledger = self._ledger, self._ledger.after(check, sample.setting, objective)
        remedy = ledger.last
        if acts := ledger.asks(objective):
            remedy = self._remedied(ledger, sample)
            ledger = ledger.having(remedy)
        with self._lock:
            self._ledger = ledger
        missed = ledger.fallen - before.fallen
        if acts and remedy != "wait":
            missed |= ledger.below
        self._tell("missed", missed, ledger, remedy)
        self._tell("reached", before.fallen - ledger.fallen, ledger, remedy)

    def _remedied(self, ledger: Ledger, sample: Sample) -> Remedy:
        """Begin what should help, and say what it is."""
        if self.rebuilding.runs:
            return "wait"
        index = sample.index
        grown = index.count - index.trained_on > index.count // _GROWN
        remedy = ledger.remedy(trained=index.clusters > 0, grown=grown)
        if remedy == "retrain":
            return "retrain" if self.rebuilding.retrain(index) else "wait"
        try:
            return "tune" if remedy == "tune" and self._look_at_more(ledger, sample) else "none"
        except (PilotmanError, OSError, MemoryError):
            _log.exception("the index could not be tuned")
            return "none"

    def _look_at_more(self, ledger: Ledger, sample: Sample) -> bool:
        """Let the tuner choose with the queries that were checked last; whether it chose more than before."""
        assert self.objective is not None
        whole = ("recall", "") in ledger.below
        missed = {of for measure, of in ledger.below if measure == "recall"}
        asked = [(k, vector) for of, k, vector in self._asked if whole or missed.intersection(of)]
        if not asked:
            return False
        chosen = tune(
            sample.index,
            np.concatenate([vector for _, vector in asked]),
            recall=self.objective.recall,
            k=min(k for k, _ in asked),
            allowed=sample.allowed if sample.of in missed and not whole else None,
        ).chosen
        now = sample.index.settings
        nprobe, k_factor = max(now.nprobe, chosen.nprobe), max(now.k_factor, chosen.k_factor)
        if (nprobe, k_factor) == (now.nprobe, now.k_factor):
            return False
        sample.index.settle(nprobe=nprobe, k_factor=k_factor)
        return True

    def _said(self, measure: Measure) -> str:
        wanted = self._wanted(measure)
        if measure == "recall":
            return f"recall of the vector search is below {wanted:g}"
        return f"vector searches take longer than {wanted:g} ms"

    def _tell(
        self, kind: Literal["missed", "reached"], aspects: Iterable[Aspect], ledger: Ledger, remedy: Remedy
    ) -> None:
        if self._on_event is None:
            return
        for measure, of in sorted(aspects):
            event = QualityEvent(
                kind=kind,
                measure=measure,
                of=of,
                value=ledger.measured((measure, of)),
                wanted=self._wanted(measure),
                checks=ledger.count((measure, of)),
                remedy=remedy if kind == "missed" else "none",
            )
            try:
                self._on_event(event)
            except Exception:  # a user's; the next event may find it well
                _log.exception("on_event failed")

    def _wanted(self, measure: Measure) -> float:
        assert self.objective is not None
        wanted = self.objective.recall if measure == "recall" else self.objective.p95_ms
        return np.inf if wanted is None else wanted


def _serve(jobs: SimpleQueue[Job | None]) -> None:
    """Holds nothing but the queue between two jobs, so that what nobody uses any more can go."""
    while (job := jobs.get()) is not None:
        job()
        del job


def _figures(measure: Measure, value: float, wanted: float) -> str:
    if measure == "recall":
        return f"recall of the vector search is {value:.3f} where {wanted:.3f} is wanted"
    return f"95 % of the vector searches take up to {value:.1f} ms where {wanted:.1f} ms is wanted"
