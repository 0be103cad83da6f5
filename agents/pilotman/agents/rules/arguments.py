"""Arguments for a tool from what is known, by its schema. What is not known stays unfilled.

Structured facts of the same name count first, then earlier results, then the words of the goal and the
request. Nothing is made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pilotman.agents.rules import phrases
from pilotman.agents.rules.formats import find_form, money, numbers
from pilotman.agents.rules.lexicon import word_set
from pilotman.agents.rules.schemas import IDENTIFYING, NO_VALUE, Slot, fit, slot_of_items, slots
from pilotman.agents.rules.verbs import Deed
from pilotman.agents.rules.words import stem, words
from pilotman.agents.shape import is_list, is_mapping

_ALIASES: Sequence[frozenset[str]] = tuple(
    frozenset(line.split())
    for line in (
        "host hostname server machine node instance",
        "email emailaddress mail",
        "phone phonenumber telephone mobile",
        "url uri link endpoint",
        "user username login userid",
        "name fullname",
        "amount sum total",
        "title summary subject headline",
        "date day",
    )
)
_DIRECTIONS = word_set("from to")
_NAMING = word_set("name address value")
_QUERIES = word_set(
    """query question q search text topic keywords keyword prompt input request term terms message"""
)
_TITLES = word_set("title summary subject headline heading caption")
_BODIES = word_set(
    """body description details detail message content comment comments note notes text explanation"""
)
_REASONS = word_set("reason justification why cause motivation purpose")
_PLACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "to": ("to", "into", "towards"),
        "destination": ("to", "into"),
        "recipient": ("to",),
        "target": ("to", "on"),
        "payee": ("to",),
        "value": ("to",),
        "from": ("from",),
        "origin": ("from",),
        "source": ("from",),
        "departure": ("from",),
        "sender": ("from",),
        "city": ("in", "at", "to", "for"),
        "location": ("in", "at", "near"),
        "place": ("in", "at", "near"),
        "country": ("in", "from", "to"),
        "region": ("in",),
        "topic": ("about", "on", "regarding"),
        "subject": ("about", "regarding"),
    }
)
_PERSONAL = word_set(
    """name person user customer employee guest passenger who whom assignee owner manager member"""
)
_ENDS = word_set("end until till to checkout return last stop finish")
_UNITS: Mapping[str, int] = MappingProxyType(
    {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
)


@dataclass(frozen=True, kw_only=True)
class Known:
    """Where values may come from. ``results`` are earlier tools' values, each with the words of its tool's
    objects; ``reports`` are other agents' texts."""

    goal: str = ""
    request: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    results: tuple[tuple[str, Any], ...] = ()
    reports: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What a person or planner said, the nearest first."""
        return tuple(dict.fromkeys(text for text in (self.goal, self.request) if text))


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
            slot, _Search(known=known, deed=deed, slots=tuple(wanted), taken=tuple(map(str, args.values())))
        )
        if value is not NO_VALUE:
            args[slot.name] = value
    missing = tuple(slot.name for slot in wanted if slot.required and slot.name not in args)
    return Filling(args=args, missing=missing)


@dataclass(frozen=True, kw_only=True)
class _Search:
    """A slot's surroundings: what is known, the tool's deed, its other slots and the values in use."""

    known: Known
    deed: Deed
    slots: tuple[Slot, ...]
    taken: tuple[str, ...] = ()

    def alone(self, slot: Slot, kinds: frozenset[str]) -> bool:
        """Whether this is the tool's only required slot of these kinds."""
        rivals = [s for s in self.slots if s.required and s.kind in kinds and not s.options]
        return slot.required and len(rivals) == 1


def _value(slot: Slot, search: _Search) -> Any:
    for candidate in _candidates(slot, search):
        fitted = fit(candidate, slot)
        if fitted is not NO_VALUE:
            return fitted
    if slot.required and "default" in slot.schema:
        return slot.schema["default"]
    return None if slot.required and slot.nullable else NO_VALUE


def _candidates(slot: Slot, search: _Search) -> Iterator[Any]:
    if "const" in slot.schema:
        yield slot.schema["const"]
    yield from _named(slot, search.known)
    if slot.options:
        yield from _mentioned(slot, search.known)
        return
    find = _FINDERS.get(slot.kind)
    if find is not None:
        yield from find(slot, search)


# structured facts


def _named(slot: Slot, known: Known) -> Iterator[Any]:
    """Values of the same name in the facts and in earlier results; then of a name that means the same."""
    leaves = [*_leaves(known.facts, ())]
    for owner, result in known.results:
        leaves += _leaves(result, tuple(words(owner)))
    own = tuple(stem(part) for part in slot.parts)
    yield from (value for path, value in leaves if _joined(path[-1:]) == "".join(own))
    yield from (value for path, value in leaves if _joined(path[-2:]) == "".join(own))
    group = next((g for g in _ALIASES if "".join(own) in g), None)
    if group is not None:
        yield from (_unported(value, group) for path, value in leaves if _joined(path[-1:]) in group)
    tails = [value for path, value in leaves if len(own) > 1 and _joined(path[-1:]) == own[-1] != "id"]
    if len({str(value) for value in tails}) == 1:
        yield tails[0]


def _unported(value: Any, group: frozenset[str]) -> Any:
    """A machine's address without its port."""
    return re.sub(r"(?<=\w):\d+$", "", value) if "host" in group and isinstance(value, str) else value


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path:
        yield path, value
    if is_mapping(value):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif is_list(value):
        for inner in value if len(value) == 1 else ():  # of several, none is meant more than the others
            yield from _leaves(inner, path)


def _joined(path: Iterable[str]) -> str:
    return "".join(stem(word) for part in path for word in words(part))


# words of a text


def _mentioned(slot: Slot, known: Known) -> Iterator[Any]:
    """The options that a text names, the first mentioned first."""
    for text in (*known.texts, " ".join(map(str, _scalars(known.facts)))):
        said = words(text)
        places = {str(option): _place(words(str(option)), said) for option in slot.options}
        yield from sorted((o for o in slot.options if places[str(o)] >= 0), key=lambda o: places[str(o)])


def _place(part: Sequence[str], whole: Sequence[str]) -> int:
    stems = [stem(word) for word in whole]
    wanted = [stem(word) for word in part]
    spots = range(len(stems) - len(wanted) + 1) if wanted else ()
    return next((at for at in spots if stems[at : at + len(wanted)] == wanted), -1)


def _scalars(value: Any) -> Iterator[Any]:
    if is_mapping(value):
        for inner in value.values():
            yield from _scalars(inner)
    elif is_list(value):
        for inner in value:
            yield from _scalars(inner)
    else:
        yield value


def _strings(slot: Slot, search: _Search) -> Iterator[str]:
    if (_TITLES | _BODIES | _REASONS | _QUERIES) & set(slot.parts) and not slot.schema.get("format"):
        yield from _by_place(slot, search)
        yield from _free_text(slot, search)
        return
    found: Iterable[str] = (
        value for step in _STRING_STEPS for value in step(slot, search) if value and value not in search.taken
    )
    yield from found


def _by_form(slot: Slot, search: _Search) -> Iterator[str]:
    """By the schema's format or pattern, or a form that the name tells."""
    form = str(slot.schema.get("format") or "") or _form_of(slot)
    for text in search.known.texts:
        values = find_form(form, text) if form else []
        if form in ("date", "date-time") and _ENDS & set(slot.parts):
            values = values[1:] or values
        yield from values
        if is_telling(str(slot.schema.get("pattern", ""))):
            yield from (t.strip(".,;:!?()\"'") for t in text.split())
    if "currency" in slot.parts:
        codes = [code for text in search.known.texts for _, code in money(text) if code]
        yield from codes
        yield from (c for text in search.known.texts for c in re.findall(r"\b[A-Z]{3}\b", text))


def _form_of(slot: Slot) -> str:
    names = {*slot.parts, *words(slot.about)} if slot.required else {*slot.parts}
    hints = {"email": "email", "mail": "email", "url": "uri", "uri": "uri", "link": "uri", "phone": "phone"}
    hints |= {"date": "date", "day": "date", "uuid": "uuid", "ip": "ipv4", "path": "path"}
    hints |= dict.fromkeys(("host", "hostname", "server", "machine", "domain"), "hostname")
    own = next((hints[part] for part in slot.parts if part in hints), "")
    return own or next((hints[n] for n in ("email", "url", "date", "host", "hostname") if n in names), "")


def is_telling(pattern: str) -> bool:
    """Whether a regular expression tells values from ordinary words."""
    try:
        return bool(pattern) and not any(re.search(pattern, word) for word in ("Use", "order", "the-service"))
    except re.error:
        return False


def _by_noun(slot: Slot, search: _Search) -> Iterator[str]:
    """Beside the noun of its name; an identifier also from other agents' reports, or the only one there."""
    nouns = _nouns(slot)
    identifier = slot.is_identifier
    for text in (*search.known.texts, *(search.known.reports if identifier else ())):
        yield from phrases.beside_noun(nouns, text, identifier=identifier)
    if identifier and slot.required:
        for text in search.known.texts:
            tokens = phrases.identifiers(text)
            yield from tokens if len(tokens) == 1 else ()


def _by_direction(slot: Slot, search: _Search) -> Iterator[str]:
    """``from_…`` and ``to_…`` after their own preposition, whatever stands elsewhere."""
    ways = [part for part in slot.parts if part in _DIRECTIONS]
    for text in search.known.texts if ways else ():
        for found in phrases.after_preposition(_PLACES[ways[0]], text, _nouns(slot)):
            if not slot.is_identifier or re.search(r"\d", found):
                yield found


def _by_place(slot: Slot, search: _Search) -> Iterator[str]:
    """After the preposition that its name implies; people after "for" or by their capitals."""
    if slot.is_identifier:
        return
    prepositions = next((_PLACES[part] for part in slot.parts if part in _PLACES), ())
    for text in search.known.texts:
        yield from phrases.after_preposition(prepositions, text, _nouns(slot))
    if _PERSONAL & set(slot.parts) and slot.required:
        for text in search.known.texts:
            yield from phrases.proper_names(text)
            yield from phrases.after_preposition(("for",), text, _nouns(slot))


def _by_verb(slot: Slot, search: _Search) -> Iterator[str]:
    """The object of the verb, where the slot is what the tool acts on."""
    mine = {stem(part) for part in slot.parts}
    if not (mine & search.deed.objects or search.alone(slot, frozenset({"string"}))):
        return
    if slot.is_identifier or _form_of(slot):
        return
    for text in search.known.texts:
        yield from phrases.object_of(search.deed, text)


def _by_example(slot: Slot, search: _Search) -> Iterator[str]:
    """Tokens of the same shape as an example in the schema."""
    examples = [str(e) for e in slot.schema.get("examples", ())]
    examples += re.findall(r"(?:e\.g\.,?|for example|such as|like) [\"'`]?([\w@./-]*\d[\w@./-]*)", slot.about)
    shapes = {_shape(example) for example in examples}
    for text in search.known.texts:
        yield from (t for t in (t.strip(".,;:!?()\"'") for t in text.split()) if _shape(t) in shapes)


def _shape(token: str) -> str:
    return re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", re.sub(r"\d+", "9", token)))


_STRING_STEPS: Sequence[Callable[[Slot, _Search], Iterator[str]]] = (
    _by_form,
    _by_example,
    _by_direction,
    _by_noun,
    _by_place,
    _by_verb,
)


def _free_text(slot: Slot, search: _Search) -> Iterator[str]:
    """Prose: a title, a body, a reason, a query, cut to what fits."""
    known, names = search.known, set(slot.parts)
    limit = int(slot.schema.get("maxLength", 2_000))
    if slot.schema.get("pattern") or slot.schema.get("format"):
        return
    if names & _TITLES:
        yield phrases.headline(known.request, search.deed, min(limit, 100))
    elif names & _BODIES and not search.deed.reads:
        lines = [line for report in known.reports for line in report.splitlines()]
        yield phrases.cut("\n".join([known.request, "", *dict.fromkeys(lines)]).strip(), limit)
    elif names & _REASONS:
        yield phrases.headline(known.request, search.deed, min(limit, 300))
    elif names & _QUERIES:
        yield phrases.cut(known.request or known.goal, min(limit, 500))


def _figures(slot: Slot, search: _Search) -> Iterator[Any]:
    names = set(slot.parts)
    for text in search.known.texts:
        if names & {"amount", "price", "cost", "sum", "total", "budget", "cents", "value", "salary", "fee"}:
            scale = 100 if names & {"cents", "pence"} else 1
            yield from (float(amount * scale) for amount, _ in money(text))
        yield from _durations(slot, text)
        yield from _counted(slot, text)
        yield from (t for t in phrases.beside_noun(_nouns(slot), text, identifier=True))
        if search.alone(slot, frozenset({"integer", "number"})):
            plain = numbers(text)
            yield from plain if len(plain) == 1 else ()


def _nouns(slot: Slot) -> list[str]:
    """The words of the name that can be nouns of the text."""
    return [part for part in slot.parts if part not in IDENTIFYING | _NAMING | _DIRECTIONS and len(part) > 2]


def _counted(slot: Slot, text: str) -> Iterator[str]:
    """A number before its noun ("3 nights") or after it ("limit 5")."""
    for noun in _nouns(slot):
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


def _lists(slot: Slot, search: _Search) -> Iterator[list[Any]]:
    inner = slot_of_items(slot)
    found = [fit(candidate, inner) for candidate in _candidates(inner, search)]
    kept = list(
        {str(value): value for value in found if value is not NO_VALUE and value is not None}.values()
    )
    if kept:
        yield kept


def _objects(slot: Slot, search: _Search) -> Iterator[dict[str, Any]]:
    filled = fill(slot.schema, search.known, search.deed, root=slot.root)
    if filled.args and not filled.missing:
        yield dict(filled.args)


_FINDERS: Mapping[str, Callable[[Slot, _Search], Iterator[Any]]] = MappingProxyType(
    {"string": _strings, "integer": _figures, "number": _figures, "array": _lists, "object": _objects}
)
