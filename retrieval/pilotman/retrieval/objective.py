"""What searches by vector have to reach, and whether they do: judged by a sample of them, never by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from pilotman.guardrails.errors import ConfigurationError

Measure: TypeAlias = Literal["recall", "latency"]
Aspect: TypeAlias = tuple[Measure, str]
"""What is judged, and of which class of queries; no class is all of them."""
Remedy: TypeAlias = Literal["retrain", "tune", "wait", "none"]
"""Learn the clusters anew, choose how much a search looks at, await a rebuild that runs, or nothing."""
Setting: TypeAlias = tuple[int, int, float]
"""The epoch, ``nprobe`` and ``k_factor`` of a search."""

SLOW = 0.05
"""Share of searches that may take longer than the 95th percentile that is wanted."""
FEWEST = 20
"""Checks below which nothing is judged."""
_CLASSES = 1_000
"""Classes that are followed; the one that was asked for longest ago gives way."""
_CHANCE = 1e-5
"""Probability with which chance may look like a miss at one judgement. It is made at each check, hence far
stricter than the 5 % of a single test: an index that is just good enough misses once in 1,000 windows."""
_CHANCE_AGAIN = 0.05
"""The same for what is known to miss: whether a remedy has helped need not be that sure."""
_ERRORS = {_CHANCE: 4.26, _CHANCE_AGAIN: 1.645}
"""Standard errors of a normal distribution that are exceeded with these probabilities, on one side."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What searches by vector have to reach.

    ``recall``: mean share of the true ``k`` nearest that are found, in (0, 1]; where fewer are asked for, of
    these. ``p95_ms``: milliseconds that 95 % of the searches of the index may take; None: any.
    ``share``: of the searches that are checked, in (0, 1]: each is as likely as another, and no more than
    ``2 / share`` go by between two. ``window``: checks that are looked at together.

    Raises:
        ConfigurationError: a value cannot be; the message names it.
    """

    recall: float = 0.95
    k: int = 10
    p95_ms: float | None = 50.0
    share: float = 0.01
    window: int = 200

    def __post_init__(self) -> None:
        for name in ("recall", "share"):
            if not 0 < (value := getattr(self, name)) <= 1:
                raise ConfigurationError(f"{name}={value!r} is no share", hint="take more than 0, at most 1")
        if self.p95_ms is not None and not 0 < self.p95_ms < math.inf:
            raise ConfigurationError(f"p95_ms={self.p95_ms!r} is no time", hint="take milliseconds, or None")
        for name, least in (("k", 1), ("window", FEWEST)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigurationError(f"{name}={value!r} is no count", hint=f"take {least} or more")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One search that was checked: its class, the share that it found of what exact search finds, and the
    milliseconds that it took. ``also``: further classes that it belongs to."""

    of: str
    recall: float
    milliseconds: float
    also: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes that it belongs to."""
        return (self.of, *self.also)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The last checks of one setting of the index, and what follows from them.

    ``below``: what is below its objective by more than chance; ``fallen``: what was, and has not been seen
    to reach it since. ``tried``: remedies since all was well; ``acted``: the setting under which the last
    one, ``last``, was begun, and ``since`` the checks that came after it.
    """

    setting: Setting | None = None
    checks: tuple[Check, ...] = ()
    classes: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    below: frozenset[Aspect] = frozenset()
    fallen: frozenset[Aspect] = frozenset()
    tried: frozenset[Remedy] = frozenset()
    last: Remedy = "wait"
    acted: Setting | None = None
    since: int = 0

    def after(self, check: Check, setting: Setting, objective: Objective) -> Ledger:
        """The state with one more check. Those of another setting count no more."""
        same = setting == self.setting
        checks = (*(self.checks if same else ()), check)[-objective.window :]
        classes = dict(self.classes) if same else {}
        for of in check.classes:
            classes[of] = (*classes.pop(of, ()), check.recall)[-objective.window :]
        while len(classes) > _CLASSES:
            del classes[next(iter(classes))]
        judged: dict[Aspect, bool | None] = {
            ("recall", ""): _recall([c.recall for c in checks], objective.recall, self._chance("recall")),
            ("latency", ""): _latency(checks, objective.p95_ms, self._chance("latency")),
        }
        for of in check.classes:
            chance = self._chance("recall", of)
            judged["recall", of] = _recall(classes[of], objective.recall, chance)
        missed = {aspect for aspect, reached in judged.items() if reached is False}
        reached = {aspect for aspect, reached in judged.items() if reached}
        fallen = (self.fallen | missed) - reached
        return replace(
            self,
            setting=setting,
            checks=checks,
            classes=classes,
            below=((self.below if same else frozenset()) - judged.keys()) | missed,
            fallen=fallen,
            tried=self.tried if fallen else frozenset(),
            since=self.since + 1,
        )

    def asks(self, objective: Objective) -> bool:
        """Whether something should be done: not again before it can be seen what the last remedy did, and
        nothing any more after the last."""
        seen = self.acted != self.setting or self.since >= objective.window
        return bool(self.below) and "none" not in self.tried and (not self.tried or seen)

    def remedy(self, *, trained: bool, grown: bool) -> Remedy:
        """What should help. ``trained``: a trained index serves; ``grown``: it has rows that it did not
        learn from.

        Clusters that were learnt from other rows are the fault itself, so they are learnt anew; to look into
        more of them would cost each search for ever. Where they fit the rows, to learn them again would give
        the same ones: then the queries are harder than was thought, and looking at more is what is left.
        For the sake of latency nothing looks at less: the machine may be busy, and recall would pay for it.
        """
        if trained and grown and "retrain" not in self.tried:
            return "retrain"
        missed = any(measure == "recall" for measure, _ in self.below)
        return "tune" if trained and missed and "tune" not in self.tried else "none"

    def having(self, remedy: Remedy) -> Ledger:
        """The state in which this remedy was begun."""
        if remedy == "wait":
            return replace(self, last=remedy)
        return replace(self, tried=self.tried | {remedy}, last=remedy, acted=self.setting, since=0)

    def measured(self, aspect: Aspect) -> float:
        """Mean recall, or the 95th percentile of the milliseconds; NaN without checks."""
        measure, of = aspect
        if measure == "latency":
            return percentile([check.milliseconds for check in self.checks])
        return _mean(self.classes.get(of, ()) if of else [check.recall for check in self.checks])

    def _chance(self, measure: Measure, of: str = "") -> float:
        return _CHANCE_AGAIN if (measure, of) in self.fallen else _CHANCE

    def count(self, aspect: Aspect) -> int:
        """How many checks tell about it."""
        return len(self.classes.get(aspect[1], ()) if aspect[1] else self.checks)


def percentile(values: Sequence[float], share: float = 1 - SLOW) -> float:
    """The value that so large a share does not exceed (nearest rank); NaN without values."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else math.nan


def _recall(shares: Sequence[float], wanted: float, chance: float) -> bool | None:
    """Whether the mean reaches what is wanted; None where it may be chance that it does not."""
    if len(shares) < FEWEST:
        return None
    mean = _mean(shares)
    if mean >= wanted:
        return True
    spread = math.sqrt(math.fsum((share - mean) ** 2 for share in shares) / (len(shares) - 1))
    return False if mean + _ERRORS[chance] * spread / math.sqrt(len(shares)) < wanted else None


def _latency(checks: tuple[Check, ...], wanted: float | None, chance: float) -> bool | None:
    """Whether no more than 5 % take longer; None where it may be chance that more do (binomial test)."""
    if wanted is None:
        return True
    if len(checks) < FEWEST:
        return None
    slow = sum(check.milliseconds > wanted for check in checks)
    if slow <= SLOW * len(checks):
        return True
    return False if _at_least(slow, len(checks)) < chance else None


def _at_least(slow: int, of: int) -> float:
    """The probability of so many slow searches or more where 5 % are."""
    return math.fsum(math.comb(of, n) * SLOW**n * (1 - SLOW) ** (of - n) for n in range(slow, of + 1))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
