"""How much a search must look at for the recall that is wanted, measured with queries that are held out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.vectors.allowed import Allowed
from pilotman.retrieval.vectors.index import VectorIndex

FACTORS = (1.0, 2.0, 4.0, 8.0)
_CHANCE = 1.645
"""Standard errors that a class may lie below what is wanted by chance: one-sided 95 %."""

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One setting: mean recall against exact search, and milliseconds a query."""

    nprobe: int
    k_factor: float
    recall: float
    p50: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The curve, what was chosen on it, and how each class of queries fares with that.

    ``reached``: whether any setting gives the recall that is wanted; if not, the one with most was chosen.
    ``classes``: recall by class. ``drifting``: classes that are below both the wanted and the mean recall by
    more than chance.
    """

    points: tuple[Point, ...]
    chosen: Point
    reached: bool
    classes: Mapping[str, float] = field(default_factory=dict[str, float])
    drifting: tuple[str, ...] = ()


def held_out(index: VectorIndex, count: int = 200) -> tuple[Vectors, Allowed]:
    """Vectors of the index to ask for, evenly spread, and all rows but theirs to search in.

    Raises:
        InvalidRequest: the index is empty.
    """
    rows = np.unique(np.linspace(0, max(0, index.count - 1), min(count, index.count)).astype(np.int64))
    vectors = index.vectors(rows)
    alive = vectors.any(axis=1)
    if not alive.any():
        raise InvalidRequest("there is nothing to tune with: the index is empty", hint="add documents first")
    others = np.ones(index.count, dtype=bool)
    others[rows] = False
    return vectors[alive], Allowed(np.packbits(others, bitorder="little"))


def tune(
    index: VectorIndex,
    queries: npt.ArrayLike,
    *,
    recall: float = 0.95,
    k: int = 10,
    allowed: Allowed | None = None,
    classes: Sequence[str] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Tuning:
    """The quickest ``nprobe`` and ``k_factor`` whose mean recall at ``k`` is at least ``recall``.

    ``queries``, shape ``(n, dimensions)``, must not be among the rows that are searched: see ``held_out``.
    ``classes`` names a class (a tenant, a source, a kind of task) for each query. Nothing is changed: hand
    what was chosen to ``VectorIndex.settle``.

    Raises:
        InvalidRequest: no trained index, no queries, another number of classes, or ``recall`` not in (0, 1].
    """
    asked = np.asarray(queries, dtype=np.float32)
    _check(index, asked, recall, classes)
    truth = index.exact(asked, k, allowed)[0]
    measured = [
        _measured(index, asked, k, allowed, nprobe, k_factor, truth, clock)
        for nprobe in _probes(index.clusters)
        for k_factor in FACTORS
    ]
    good = [each for each in measured if each[0].recall >= recall]
    if good:
        point, shares = min(good, key=lambda each: each[0].p50)
    else:
        point, shares = max(measured, key=lambda each: (each[0].recall, -each[0].p50))
    by_class, drifting = by_classes(shares, classes or (), recall)
    return Tuning(
        points=tuple(point for point, _ in measured),
        chosen=point,
        reached=bool(good),
        classes=by_class,
        drifting=drifting,
    )


def shares_found(found: Rows, truth: Rows) -> Shares:
    """For each query, the share of its true nearest rows that was found; shapes ``(n, k)``, -1 is nothing."""
    pairs = zip(found.tolist(), truth.tolist(), strict=True)
    hits = [(set(one) & set(other) - {-1}, set(other) - {-1}) for one, other in pairs]
    return np.array([len(hit) / len(all_) if all_ else 1.0 for hit, all_ in hits])


def by_classes(
    shares: Shares, classes: Sequence[str], wanted: float
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Mean recall by class, and the classes that are below ``wanted`` and the mean of all by more than
    chance; a class with a single query cannot be told from chance."""
    labels = np.array(classes, dtype=str)
    floor = min(wanted, float(shares.mean())) if len(shares) else wanted
    means: dict[str, float] = {}
    drifting: list[str] = []
    for label in sorted(set(labels.tolist())):
        own = shares[labels == label]
        means[label] = float(own.mean())
        if len(own) > 1 and means[label] + _CHANCE * float(own.std(ddof=1)) / len(own) ** 0.5 < floor:
            drifting.append(label)
    return means, tuple(drifting)


def _measured(
    index: VectorIndex,
    queries: Vectors,
    k: int,
    allowed: Allowed | None,
    nprobe: int,
    k_factor: float,
    truth: Rows,
    clock: Callable[[], float],
) -> tuple[Point, Shares]:
    found: list[Rows] = []
    seconds: list[float] = []
    for query in queries:
        began = clock()
        found.append(index.search(query[np.newaxis], k, allowed, nprobe=nprobe, k_factor=k_factor)[0])
        seconds.append(clock() - began)
    shares = shares_found(np.concatenate(found), truth)
    p50, p95 = np.percentile(np.array(seconds) * 1e3, [50, 95])
    point = Point(
        nprobe=nprobe, k_factor=k_factor, recall=float(shares.mean()), p50=float(p50), p95=float(p95)
    )
    return point, shares


def _probes(nlist: int) -> list[int]:
    """Powers of two up to a quarter of the clusters: beyond, looking at each row costs no more."""
    return [1 << power for power in range(max(4, (nlist // 4).bit_length())) if 1 << power <= nlist]


def _check(index: VectorIndex, queries: Vectors, recall: float, classes: Sequence[str] | None) -> None:
    if not index.clusters:
        why = "; ".join(("there is nothing to tune: every search is exact", *index.caveats))
        raise InvalidRequest(why, hint="rebuild it first" if index.needs_rebuild() else "wait for more rows")
    if not len(queries):
        raise InvalidRequest("tuning takes queries", hint="give some, or take those of held_out")
    if classes is not None and len(classes) != len(queries):
        raise InvalidRequest(f"{len(classes)} classes for {len(queries)} queries", hint="name one a query")
    if not 0 < recall <= 1:
        raise InvalidRequest(f"recall={recall} is no share", hint="take more than 0, at most 1")
