"""What was found in a text, and who finds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

Category: TypeAlias = Literal["secret", "identifier", "contact"]
"""``secret``: who has it can act. ``identifier``: of a person or account. ``contact``: how to reach one."""

_RANK: tuple[Category, ...] = ("secret", "identifier", "contact")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Characters ``start`` to ``end`` of a text are a value of this kind.

    ``value`` is its canonical spelling, by which two are compared; it is never shown.
    """

    kind: str
    category: Category
    start: int
    end: int
    value: str = field(repr=False)


class Detector(Protocol):
    """The port: a callable that finds what it knows in a text. It may be called from any thread."""

    def __call__(self, text: str, /) -> Iterable[Finding]: ...


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in order, none over another: those that overlap become one, of the graver and longer kind."""
    found: list[Finding] = []
    for one in sorted(findings, key=lambda f: (f.start, -f.end)):
        if found and one.start < found[-1].end:
            last = found[-1]
            graver = min(last, one, key=_gravity)
            found[-1] = replace(graver, start=last.start, end=max(last.end, one.end))
        else:
            found.append(one)
    return found


def _gravity(finding: Finding) -> tuple[int, int]:
    return _RANK.index(finding.category), finding.start - finding.end


def names(findings: Sequence[Finding]) -> frozenset[str]:
    """The kinds of findings, and the categories of these."""
    return frozenset({f.kind for f in findings} | {f.category for f in findings})
