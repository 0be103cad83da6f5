"""Text that would steer whoever remembers it: signs in its wording, which weigh together. Pure, linear.

One sign alone stands in honest text too ("send invoices to ...", "if it fails, call ..."). What wants to
be obeyed later has to say when, what, towards where and why nobody should look, and mostly says several of
these. As with all lists of words (``signs.toml``): who knows it writes around it. Nothing is allowed because
it found nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from pilotman.memory.defence.veils import plain, unveiled

ENOUGH = 3
"""The weight of signs from which on a text by somebody who is not trusted is kept back."""
TO_MACHINES = frozenset(
    ("bridges", "claims", "consents", "demonstrates", "hides", "keeps itself", "recommends", "silences")
)
"""What people seldom write for people."""
_ANYTHING = r"(?:[^.!?]|[.!?](?=\S)){0,60}"
_CHANGES = ("swaps", "money")


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that texts say which steer. ``weight`` counts once, however often it is there."""

    name: str
    weight: int
    pattern: re.Pattern[str]


def _read() -> tuple[tuple[Sign, ...], re.Pattern[str]]:
    """The signs, and what says the opposite of them: that nothing is done without being looked at."""
    known = tomllib.loads(files("pilotman.memory.defence").joinpath("signs.toml").read_text("utf-8"))
    lists: Mapping[str, str] = known["lists"]
    signs = tuple(
        Sign(name, weight, _compiled([known["english"].get(name), known["others"].get(name)], lists))
        for name, weight in known["weights"].items()
        if name in known["english"]
    )
    return signs, re.compile("|".join(known["guards"]))


def _compiled(patterns: Sequence[Any], lists: Mapping[str, str]) -> re.Pattern[str]:
    lines = [line for several in patterns if several for line in str(several).split("\n") if line]
    found = "|".join(lines)
    for name, meant in lists.items():
        found = found.replace(name, meant)
    return re.compile(found.replace("~", _ANYTHING))


_SIGNS, _GUARDS = _read()
HIDES = MappingProxyType({"hides": 2})
"""The sign of a text that hides another one, with its weight."""


def steers(text: str) -> bool:
    """Whether a text shows enough signs to be kept back, unless its owner wrote it."""
    return sum(signs(text).values()) >= ENOUGH


def signs(text: str) -> dict[str, int]:
    """The signs that a text shows, and what is hidden in it, with their weights."""
    hidden = unveiled(text)
    readings = [_GUARDS.sub(" ", reading) for reading in (plain(text), *hidden)]
    found = {s.name: s.weight for s in _SIGNS if any(s.pattern.search(reading) for reading in readings)}
    if not {"aims", "swaps"} <= found.keys():  # things change, money is spoken of: no sign by itself
        found = {name: weight for name, weight in found.items() if name not in _CHANGES}
    return {**found, **HIDES} if hidden else found
