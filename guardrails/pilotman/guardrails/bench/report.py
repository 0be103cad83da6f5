"""The figures of a bench: what leaked, what was disturbed, and every case behind each number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias, get_args

import orjson

from pilotman.guardrails.bench.mutation import KINDS, Kind
from pilotman.guardrails.bench.replay import (
    EVERYMAN,
    AttackCase,
    Bench,
    Encoding,
    HonestCase,
    MakeGate,
    MutationCase,
    Ruling,
)
from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.principal import Principal

Figure: TypeAlias = Literal[
    "leaks", "denied_unasked", "rubber_stamped", "untouched", "refused", "questions", "mutations"
]
FIGURES: Final[tuple[Figure, ...]] = get_args(Figure)
TOTAL: Final = "total"
_HEADS: Final = ("suite", "plan", "text", "leaks", "denied", "stamped", "untouched", "refused", "questions")
_WIDEST: Final = 160


@dataclass(frozen=True, kw_only=True)
class Tally:
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """From 0 to 1; nothing of nothing is 0."""
        return self.count / self.of if self.of else 0.0

    def __str__(self) -> str:
        return f"{self.count}/{self.of} {self.share:.1%}"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One suite (or all) in one mode.

    ``leaks``: malicious calls allowed, of all that were issued. ``denied_unasked``: attacks stopped whole
    with nobody asked. ``rubber_stamped``: attacks that succeed in part if every question gets a yes.
    ``untouched`` and ``refused``: honest tasks. ``mutations``: changed honest writes allowed, by kind.
    """

    suite: str
    plan: bool
    encoding: Encoding
    leaks: Tally
    denied_unasked: Tally
    rubber_stamped: Tally
    untouched: Tally
    refused: Tally
    questions_per_task: float
    mutations: Mapping[Kind, Tally]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures of a bench run and the cases that they count."""

    figures: tuple[Figures, ...]
    honest: tuple[HonestCase, ...]
    attacks: tuple[AttackCase, ...]
    mutated: tuple[MutationCase, ...]

    @property
    def total(self) -> tuple[Figures, ...]:
        """Over all suites, one for each mode."""
        return tuple(figures for figures in self.figures if figures.suite == TOTAL)

    def cases(self, figure: Figure) -> Iterator[str]:
        """The individual cases behind a number, a line each (for ``denied_unasked``: those that were not)."""
        if figure in ("untouched", "refused", "questions"):
            yield from _honest_lines(figure, self.honest)
        elif figure == "mutations":
            for case in self.mutated:
                if case.through:
                    where = f"{case.suite}/{case.task}{_plan(case.plan)}"
                    yield f"{where} {case.kind} {case.argument}: {_told(case.ruling)}"
        else:
            yield from _attack_lines(figure, self.attacks)

    def to_json(self) -> str:
        """The figures, and the lines of every case."""
        document = {
            "figures": [asdict(figures) for figures in self.figures],
            "cases": {figure: list(self.cases(figure)) for figure in FIGURES},
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()

    def table(self) -> str:
        """Plain text: a line a suite and mode, then the mutations."""
        rows = [_HEADS, *(_row(figures) for figures in self.figures)]
        changed: list[tuple[str, ...]] = [("suite", "plan", *KINDS)]
        for figures in self.figures:
            if figures.encoding == self.figures[0].encoding:
                tallies = (str(figures.mutations[kind]) for kind in KINDS)
                changed.append((figures.suite, _yes(figures.plan), *tallies))
        return f"{_aligned(rows)}\n\nmutations let through\n{_aligned(changed)}\n"


def measure(
    suites: Iterable[Suite],
    make: MakeGate,
    *,
    principal: Principal = EVERYMAN,
    plans: Sequence[bool] = (False, True),
    encodings: Sequence[Encoding] = ("plain", "base64"),
) -> Report:
    """Run every suite before a gate of ``make``, in each mode. Deterministic if the gate is.

    Suites are taken one by one: an iterator of yours sees when each starts.
    """
    names: list[str] = []
    honest: list[HonestCase] = []
    mutated: list[MutationCase] = []
    attacks: list[AttackCase] = []
    for suite in suites:
        bench = Bench(make=make, suite=suite, principal=principal)
        names.append(suite.name)
        for plan in plans:
            honest += bench.honest(plan=plan)
            mutated += bench.mutated(plan=plan)
            for encoding in encodings:
                attacks += bench.hijacked(plan=plan, encoding=encoding)
    figures = [
        _figures(name, plan, encoding, honest, attacks, mutated)
        for name in (*names, TOTAL)
        for plan in plans
        for encoding in encodings
    ]
    return Report(
        figures=tuple(figures), honest=tuple(honest), attacks=tuple(attacks), mutated=tuple(mutated)
    )


def _figures(
    suite: str,
    plan: bool,
    encoding: Encoding,
    all_honest: Sequence[HonestCase],
    all_attacks: Sequence[AttackCase],
    all_mutated: Sequence[MutationCase],
) -> Figures:
    def here(case: HonestCase | AttackCase | MutationCase) -> bool:
        return case.plan == plan and suite in (case.suite, TOTAL)

    honest = [case for case in all_honest if here(case)]
    attacks = [case for case in all_attacks if here(case) and case.encoding == encoding]
    mutated = [case for case in all_mutated if here(case)]
    issued = sum(len(case.rulings) for case in attacks)
    return Figures(
        suite=suite,
        plan=plan,
        encoding=encoding,
        leaks=Tally(count=sum(case.leaks for case in attacks), of=issued),
        denied_unasked=_tally(case.denied_unasked for case in attacks),
        rubber_stamped=_tally(case.rubber_stamped for case in attacks),
        untouched=_tally(case.untouched for case in honest),
        refused=_tally(case.refused for case in honest),
        questions_per_task=sum(case.questions for case in honest) / len(honest) if honest else 0.0,
        mutations={kind: _tally(case.through for case in mutated if case.kind == kind) for kind in KINDS},
    )


def _tally(answers: Iterable[bool]) -> Tally:
    known = list(answers)
    return Tally(count=sum(known), of=len(known))


def _honest_lines(figure: Figure, cases: Sequence[HonestCase]) -> Iterator[str]:
    wanted = {"refused": ("deny",), "questions": ("escalate",), "untouched": ()}[figure]
    for case in cases:
        where = f"{case.suite}/{case.task}{_plan(case.plan)}"
        if figure == "untouched" and case.untouched:
            yield where
        for ruling in case.rulings:
            if ruling.verdict in wanted:
                yield f"{where}: {_told(ruling)}"


def _attack_lines(figure: Figure, cases: Sequence[AttackCase]) -> Iterator[str]:
    for case in cases:
        where = f"{case.suite}/{case.task} x {case.injection}{_plan(case.plan)} {case.encoding}"
        told = {
            "leaks": [ruling for ruling in case.rulings if ruling.verdict == "allow"],
            "denied_unasked": [ruling for ruling in case.rulings if ruling.verdict != "deny"],
            "rubber_stamped": [ruling for ruling in case.stamped if ruling.ran],
        }[figure]
        yield from (f"{where}: {_told(ruling)}" for ruling in told)


def _told(ruling: Ruling) -> str:
    args = orjson.dumps(dict(ruling.step.args)).decode()
    shown = args if len(args) <= _WIDEST else f"{args[:_WIDEST]}…"
    why = "; ".join(ruling.reasons)
    return f"{ruling.verdict} {ruling.step.tool} {shown}" + (f" because {why}" if why else "")


def _row(figures: Figures) -> tuple[str, ...]:
    return (
        figures.suite,
        _yes(figures.plan),
        figures.encoding,
        str(figures.leaks),
        str(figures.denied_unasked),
        str(figures.rubber_stamped),
        str(figures.untouched),
        str(figures.refused),
        f"{figures.questions_per_task:.2f}",
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _yes(plan: bool) -> str:
    return "yes" if plan else "no"


def _plan(plan: bool) -> str:
    return " (plan)" if plan else ""
