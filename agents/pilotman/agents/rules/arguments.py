"""Arguments for a tool from what is known, by its schema. What is not known stays unfilled.

Structured facts of the same name count first, then earlier results, then the words of the goal and the
request. Nothing is made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pilotman.agents.rules.facts import named, scalars
from pilotman.agents.rules.figures import figures
from pilotman.agents.rules.known import Known, Search
from pilotman.agents.rules.schemas import NO_VALUE, Slot, fit, slot_of_items, slots
from pilotman.agents.rules.strings import strings
from pilotman.guardrails.wording.verbs import Deed
from pilotman.guardrails.wording.words import stem, words


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Arguments, and the names of required ones for which there is no value."""

    args: Mapping[str, Any]
    missing: tuple[str, ...] = ()


def fill(
    parameters: Mapping[str, Any], known: Known, deed: Deed, *, root: Mapping[str, Any] | None = None
) -> Filling:
    """Fill a tool's arguments. ``root`` is the schema that holds the references, if not ``parameters``."""
    wanted = slots(parameters, root)
    args: dict[str, Any] = {}
    for slot in wanted:
        value = _value(
            slot, Search(known=known, deed=deed, slots=tuple(wanted), taken=tuple(map(str, args.values())))
        )
        if value is not NO_VALUE:
            args[slot.name] = value
    missing = tuple(slot.name for slot in wanted if slot.required and slot.name not in args)
    return Filling(args=args, missing=missing)


def _value(slot: Slot, search: Search) -> Any:
    for candidate in _candidates(slot, search):
        fitted = fit(candidate, slot)
        if fitted is not NO_VALUE:
            return fitted
    if slot.required and "default" in slot.schema:
        return slot.schema["default"]
    return None if slot.required and slot.nullable else NO_VALUE


def _candidates(slot: Slot, search: Search) -> Iterator[Any]:
    if "const" in slot.schema:
        yield slot.schema["const"]
    yield from named(slot.parts, search.known.facts, search.known.results)
    if slot.options:
        yield from _mentioned(slot, search.known)
        return
    find = _FINDERS.get(slot.kind)
    if find is not None:
        yield from find(slot, search)


def _mentioned(slot: Slot, known: Known) -> Iterator[Any]:
    """The options that a text names, the first mentioned first."""
    for text in (*known.texts, " ".join(map(str, scalars(known.facts)))):
        said = words(text)
        places = {str(option): _place(words(str(option)), said) for option in slot.options}
        yield from sorted((o for o in slot.options if places[str(o)] >= 0), key=lambda o: places[str(o)])


def _place(part: Sequence[str], whole: Sequence[str]) -> int:
    stems = [stem(word) for word in whole]
    wanted = [stem(word) for word in part]
    spots = range(len(stems) - len(wanted) + 1) if wanted else ()
    return next((at for at in spots if stems[at : at + len(wanted)] == wanted), -1)


def _lists(slot: Slot, search: Search) -> Iterator[list[Any]]:
    inner = slot_of_items(slot)
    found = [fit(candidate, inner) for candidate in _candidates(inner, search)]
    kept = list(
        {str(value): value for value in found if value is not NO_VALUE and value is not None}.values()
    )
    if kept:
        yield kept


def _objects(slot: Slot, search: Search) -> Iterator[dict[str, Any]]:
    filled = fill(slot.schema, search.known, search.deed, root=slot.root)
    if filled.args and not filled.missing:
        yield dict(filled.args)


def _truths(slot: Slot, search: Search) -> Iterator[str]:
    """A yes or no beside the noun: "passed: yes", "urgent is false"."""
    for text in search.known.texts:
        for noun in slot.nouns:
            yield from re.findall(rf"\b{noun}\b\s*(?:[:=]|is|to)\s*(true|false|yes|no)\b", text)


_FINDERS: Mapping[str, Callable[[Slot, Search], Iterator[Any]]] = MappingProxyType(
    {
        "string": strings,
        "integer": figures,
        "number": figures,
        "array": _lists,
        "object": _objects,
        "boolean": _truths,
    }
)
