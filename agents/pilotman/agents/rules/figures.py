"""Numbers for a tool's arguments: amounts, spans of time, counts, numbers beside their noun."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pilotman.agents.rules import phrases
from pilotman.agents.rules.formats import money, numbers
from pilotman.agents.rules.known import Search
from pilotman.agents.rules.schemas import Slot
from pilotman.guardrails.wording.lexicon import word_set

_MONEY = word_set("amount price cost sum total budget cents value salary fee")
_HUNDREDTHS = word_set("cents pence")
_UNITS: Mapping[str, int] = MappingProxyType(
    {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
)


def figures(slot: Slot, search: Search) -> Iterator[Any]:
    """Candidates for a number, the surest first."""
    names = set(slot.parts)
    for text in search.known.texts:
        if names & _MONEY:
            scale = 100 if names & _HUNDREDTHS else 1
            yield from (float(amount * scale) for amount, _ in money(text))
        yield from _durations(slot, text)
        yield from _counted(slot, text)
        yield from (t for t in phrases.beside_noun(slot.nouns, text, identifier=True))
        if search.alone(slot, frozenset({"integer", "number"})):
            plain = numbers(text)
            yield from plain if len(plain) == 1 else ()


def _counted(slot: Slot, text: str) -> Iterator[str]:
    """A number before its noun ("3 nights") or after it ("limit 5")."""
    for unit in slot.parts:
        yield from re.findall(rf"(?<![\w.-])(\d+(?:\.\d+)?)\s?{unit}\b", text, re.IGNORECASE)
    for noun in slot.nouns:
        root = re.escape(noun.rstrip("s"))
        yield from re.findall(rf"(?<![\w.-])(\d+(?:\.\d+)?) {root}s?\b", text, re.IGNORECASE)
        yield from re.findall(
            rf"\b{root}s?\s*(?:[:=]|is|of|to)?\s*(\d+(?:\.\d+)?)(?![\w.-])", text, re.IGNORECASE
        )


def _durations(slot: Slot, text: str) -> Iterator[float]:
    """A span of time in the unit that the name asks for."""
    unit = next((u for u in _UNITS if u in slot.parts or f"{u}s" in slot.parts), None)
    if unit is None:
        return
    for number, said in re.findall(r"(?<![\w.-])(\d+(?:\.\d+)?)\s?(second|minute|hour|day|week)s?\b", text):
        yield float(number) * _UNITS[said] / _UNITS[unit]
