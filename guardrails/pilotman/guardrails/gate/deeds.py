"""What a tool does, read from its pinned metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pilotman.guardrails.wording.actions import ACTION_STEMS, ACTIONS, PHRASES, THINGS
from pilotman.guardrails.wording.words import stem, terms, words

_SHAPES: Mapping[str, frozenset[str]] = {
    "money": frozenset("amount price sum total valu".split()),
    "email": frozenset("email mail recipient to cc address attende participant guest".split()),
    "moment": frozenset("date time start end when day until due begin datetim".split()),
    "channel": frozenset("channel room topic".split()),
    "person": frozenset("user member recipient person participant attende assigne owner guest to name".split()),
    "page": frozenset("url uri link".split()),
}
_GENERIC = frozenset("make do perform execute create run submit process request place issue set put handle trigger".split())
_FILLERS = frozenset("the a an given new from with of for in on at by to".split())


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """A tool's verb, the actions it can stand for, what it does it to, and the shapes of its parameters.

    ``verbs`` are the words of its name that may be verbs; ``also`` are actions that only its description speaks of; ``named`` and ``described`` are the stems of its name
    and of its description.
    """

    name: str
    verb: str
    verbs: frozenset[str]
    actions: frozenset[str]
    also: frozenset[str]
    named: frozenset[str]
    described: frozenset[str]
    things: frozenset[str]
    shapes: frozenset[str]


def deed(name: str, description: str, schema: Mapping[str, Any]) -> Deed:
    """Read a tool's name, the first sentence of its description and its parameters' names."""
    first = description.split("\n", 1)[0].split(". ", 1)[0][:300]
    parts, said = words(name), words(first)
    verb = next((part for part in parts if part in ACTIONS), None)
    head = next((ACTION_STEMS[stem(word)] for word in said[:3] if stem(word) in ACTION_STEMS), None)
    verb = verb or head or (parts[0] if parts else name)
    spoken = " ".join(ACTION_STEMS.get(stem(word), word) for word in said)
    phrased = {action for pattern, action in PHRASES if pattern.search(spoken)}
    actions = ACTIONS.get(verb, frozenset())
    if verb in _GENERIC:
        actions = actions.union(*(ACTIONS.get(part, frozenset()) for part in parts))
    verbs = frozenset(part for part in parts if len(part) > 2 and (part in ACTIONS or stem(part) not in THINGS)) - _FILLERS
    also = phrased.union(*(ACTIONS[ACTION_STEMS[s]] for word in said if (s := stem(word)) in ACTION_STEMS))
    objects = {stem(part) for part in parts if part != verb}
    described = {term for term in terms(first) if term not in ACTION_STEMS}
    properties = cast("Mapping[str, Any]", schema.get("properties", {}))
    named = {stem(word) for parameter in properties for word in words(parameter)}
    things = [THINGS[term] for term in objects | described if term in THINGS]
    return Deed(
        name=name,
        verb=verb,
        verbs=verbs,
        actions=actions | verbs,
        also=frozenset(also) - actions,
        named=frozenset(objects - _FILLERS),
        described=frozenset(described - objects - _FILLERS),
        things=frozenset[str]().union(*things),
        shapes=frozenset(shape for shape, known in _SHAPES.items() if known & named),
    )
