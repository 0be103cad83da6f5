"""What is attempted on a team, and what came of it; the table of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.cells import cell_len

_HEADS = ("scenario", "attempts", "through", "asked", "denied", "what is attempted")


class Untried(Exception):
    """A scenario could not be attempted on this team; it says why. That is no good sign, and no bad one."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try: whether it came through, else whether a person was asked. ``what`` says it in a line."""

    what: str
    through: bool
    asked: bool = False


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A kind of attack. ``play`` makes all its attempts, or raises ``Untried``."""

    name: str
    about: str
    play: Callable[[], Awaitable[Sequence[Attempt]]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The figures of one scenario. ``leaks`` are the attempts that came through, with how often;
    ``untried`` is why there were no attempts, where there were none."""

    name: str
    about: str
    attempts: int
    through: int
    asked: int
    denied: int
    leaks: Mapping[str, int]
    untried: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """All scenarios that were played, and what has to be known to read the figures."""

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether nothing came through."""
        return not any(outcome.through for outcome in self.outcomes)

    def table(self) -> str:
        """Plain text: a line a scenario, what came through, and the notes."""
        rows = [_HEADS, *(_row(outcome) for outcome in self.outcomes)]
        lines = [_aligned(rows), ""]
        for one in self.outcomes:
            lines += [f"through: {one.name}: {leak} ({times}x)" for leak, times in one.leaks.items()]
            lines += [f"not attempted: {one.name}: {one.untried}"] if one.untried else []
        return "\n".join([*lines, *self.notes]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"scenarios": [asdict(one) for one in self.outcomes], "notes": list(self.notes)}


async def outcome(scenario: Scenario) -> Outcome:
    """Play a scenario and count."""
    made: Sequence[Attempt] = ()
    untried = ""
    try:
        made = await scenario.play()
    except Untried as why:
        untried = str(why)
    through = [attempt.what for attempt in made if attempt.through]
    asked = sum(attempt.asked and not attempt.through for attempt in made)
    return Outcome(
        name=scenario.name,
        about=scenario.about,
        attempts=len(made),
        through=len(through),
        asked=asked,
        denied=len(made) - len(through) - asked,
        leaks=dict(Counter(through)),
        untried=untried,
    )


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = (outcome.attempts, outcome.through, outcome.asked, outcome.denied)
    return (outcome.name, *map(str, counts), outcome.about)


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
