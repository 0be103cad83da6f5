"""What a tool does, read from its pinned metadata."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.actions import ACTION_STEMS, ACTIONS, NAMING, PHRASES, THINGS, UNDOING
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import stem, stem_set, terms, words

_SHAPES: Mapping[str, frozenset[str]] = {
    "money": stem_set("amount price sum total value"),
    "email": stem_set("email mail recipient to cc address attendee participant guest"),
    "moment": stem_set("date time start end when day until due begin datetime"),
    "channel": stem_set("channel room topic"),
    "person": stem_set("user member recipient person participant attendee assignee owner guest to name"),
    "page": stem_set("url uri link"),
}
_GENERIC = word_set(
    "make do perform execute create run submit process request place issue set put handle trigger"
)
_FILLERS = word_set("the a an given new from with of for in on at by to")
_PLAIN = stem_set("name number text value type kind date time start end id title user")
_MOST = 500  # parameters of one tool


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """A tool's verb, the actions it can stand for, what it does it to, and the shapes of its parameters.

    ``verbs`` are the words of its name that may be verbs; ``also`` are actions that only its description
    speaks of; ``named`` and ``described`` are the stems of its name and of its description.
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
    named = " ".join(parts)
    taken = {action for pattern, action in PHRASES if action in UNDOING and pattern.match(named)}
    phrased = {action for pattern, action in PHRASES if pattern.search(spoken)}
    actions = ACTIONS.get(verb, frozenset()) | taken
    if verb not in ACTIONS:
        actions = actions.union(*(NAMING[part] for part in parts if part in NAMING))
    if verb in _GENERIC:
        actions = actions.union(*(ACTIONS.get(part, frozenset()) for part in parts))
    verbs = (
        frozenset(part for part in parts if len(part) > 2 and (part in ACTIONS or stem(part) not in THINGS))
        - _FILLERS
    )
    also = phrased.union(*(ACTIONS[ACTION_STEMS[s]] for word in said if (s := stem(word)) in ACTION_STEMS))
    objects = {stem(part) for part in parts if part != verb}
    described = {term for term in terms(first) if term not in ACTION_STEMS}
    fields, options = _parameters(schema)
    also = also.union(*(ACTIONS[ACTION_STEMS[one]] for one in options if one in ACTION_STEMS))
    described |= {term for term in fields | options if term not in ACTION_STEMS and len(term) > 2} - _PLAIN
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
        shapes=frozenset(shape for shape, known in _SHAPES.items() if known & fields),
    )


def _parameters(schema: Any) -> tuple[set[str], set[str]]:
    """The stems of all parameters' names, and of what may be chosen for them."""
    names, options = set[str](), set[str]()
    waiting, seen = deque[Any]([schema]), 0
    while waiting and seen < _MOST:
        one = waiting.popleft()
        seen += 1
        if not is_mapping(one):
            continue
        choices: Sequence[Any] = one["enum"] if is_list(one.get("enum")) else ()
        options.update(t for choice in choices if isinstance(choice, str) for t in terms(choice))
        properties: Mapping[str, Any] = one["properties"] if is_mapping(one.get("properties")) else {}
        names.update(stem(word) for name in properties for word in words(str(name)))
        waiting.extend(properties.values())
        waiting.append(one.get("items"))
    return names, options
