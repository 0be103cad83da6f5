"""Texts for a tool's arguments: by form, example, noun, preposition or verb; prose from the request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from pilotman.agents import patterns
from pilotman.agents.rules import phrases
from pilotman.agents.rules.formats import find_form, money
from pilotman.agents.rules.known import Search
from pilotman.agents.rules.schemas import Slot
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import stem, words

_DIRECTIONS = word_set("from to")
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
        "new": ("to", "into", "as"),
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
    """name person user customer employee guest passenger who whom assignee owner manager member attendee
    participant invitee recipient"""
)
_ENDS = word_set("end until till to checkout return last stop finish")


def strings(slot: Slot, search: Search) -> Iterator[str]:
    """Candidates for a text, the surest first."""
    if (_TITLES | _BODIES | _REASONS | _QUERIES) & set(slot.parts) and not slot.schema.get("format"):
        yield from _by_place(slot, search)
        yield from _free_text(slot, search)
        return
    found: Iterable[str] = (
        value for step in _STRING_STEPS for value in step(slot, search) if value and value not in search.taken
    )
    yield from found


def _by_form(slot: Slot, search: Search) -> Iterator[str]:
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
    hints |= {"date": "date", "day": "date", "uuid": "uuid", "ip": "ipv4", "path": "path", "time": "time"}
    hints |= dict.fromkeys(("host", "hostname", "server", "machine", "domain"), "hostname")
    own = next((hints[part] for part in slot.parts if part in hints), "")
    return own or next((hints[n] for n in ("email", "url", "date", "host", "hostname") if n in names), "")


def is_telling(pattern: str) -> bool:
    """Whether a regular expression tells values from ordinary words."""
    words_of_any_text = ("Use", "order", "the-service")
    return bool(pattern) and all(patterns.search(pattern, word) is False for word in words_of_any_text)


def _by_noun(slot: Slot, search: Search) -> Iterator[str]:
    """Beside the noun of its name; an identifier also from other agents' reports, or the only one there."""
    nouns = slot.nouns
    identifier = slot.is_identifier
    for text in (*search.known.texts, *(search.known.reports if identifier else ())):
        yield from phrases.beside_noun(nouns, text, identifier=identifier)
        if not identifier:
            yield from phrases.named_after(nouns, text, search.deed)
    if identifier and slot.required:
        for text in search.known.texts:
            tokens = phrases.identifiers(text)
            yield from tokens if len(tokens) == 1 else ()


def _by_direction(slot: Slot, search: Search) -> Iterator[str]:
    """``from_…`` and ``to_…`` after their own preposition, whatever stands elsewhere."""
    ways = [part for part in slot.parts if part in _DIRECTIONS]
    for text in search.known.texts if ways else ():
        for found in phrases.after_preposition(_PLACES[ways[0]], text, slot.nouns):
            if not slot.is_identifier or re.search(r"\d", found):
                yield found


def _by_place(slot: Slot, search: Search) -> Iterator[str]:
    """After the preposition that its name implies; people after "for" or by their capitals."""
    if slot.is_identifier:
        return
    prepositions = next((_PLACES[part] for part in slot.parts if part in _PLACES), ())
    for text in search.known.texts:
        yield from phrases.after_preposition(prepositions, text, slot.nouns)
    if _PERSONAL & set(slot.parts) and slot.required:
        for text in search.known.texts:
            addresses = [] if "name" in slot.parts else find_form("email", text)
            if addresses:
                yield from addresses
                continue
            yield from phrases.proper_names(text)
            yield from phrases.after_preposition(("for",), text, slot.nouns)


def _by_verb(slot: Slot, search: Search) -> Iterator[str]:
    """The object of the verb, where the slot is what the tool acts on."""
    mine = {stem(part) for part in slot.parts}
    if not (mine & search.deed.objects or search.alone(slot, frozenset({"string"}))):
        return
    if slot.is_identifier or _form_of(slot):
        return
    for text in search.known.texts:
        yield from phrases.object_of(search.deed, text)


def _by_example(slot: Slot, search: Search) -> Iterator[str]:
    """Tokens of the same shape as an example in the schema."""
    examples = [str(e) for e in slot.schema.get("examples", ())]
    examples += re.findall(r"(?:e\.g\.,?|for example|such as|like) [\"'`]?([\w@./-]*\d[\w@./-]*)", slot.about)
    shapes = {_shape(example) for example in examples}
    for text in search.known.texts:
        yield from (t for t in (t.strip(".,;:!?()\"'") for t in text.split()) if _shape(t) in shapes)


def _by_quote(slot: Slot, search: Search) -> Iterator[str]:
    """The only thing that a person put in quotes."""
    if slot.required and not slot.is_identifier:
        for text in search.known.texts:
            quoted = phrases.quotes(text)
            yield from quoted if len(quoted) == 1 else ()


def _shape(token: str) -> str:
    return re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", re.sub(r"\d+", "9", token)))


_STRING_STEPS: Sequence[Callable[[Slot, Search], Iterator[str]]] = (
    _by_form,
    _by_example,
    _by_direction,
    _by_noun,
    _by_place,
    _by_verb,
    _by_quote,
)


def _spoken(search: Search) -> str:
    """The words in quotes that a text is to be; a read works on the only ones there."""
    quoted = phrases.quotes(search.known.request)
    only = quoted[0] if search.deed.reads and len(quoted) == 1 else ""
    return phrases.spoken(search.known.request, search.deed) or only


def _free_text(slot: Slot, search: Search) -> Iterator[str]:
    """Prose: a title, a body, a reason, a query, cut to what fits."""
    known, names = search.known, set(slot.parts)
    limit = int(slot.schema.get("maxLength", 2_000))
    if slot.schema.get("pattern") or slot.schema.get("format"):
        return
    if names & _TITLES:
        titles = phrases.quotes(known.request)
        if len(titles) == 1 and slot.required:
            yield phrases.cut(titles[0], limit)
        yield phrases.headline(known.request, search.deed, min(limit, 100))
    elif slot.nullable:
        return  # nothing is an answer too
    elif names & _BODIES and (quoted := _spoken(search)):
        yield phrases.cut(quoted, limit)
    elif names & _BODIES and not search.deed.reads:
        told = phrases.told(known.request, search.deed)
        yield phrases.cut(f"{told}\n\n{known.findings}".strip(), limit)
    elif names & _REASONS:
        yield phrases.headline(known.request, search.deed, min(limit, 300))
    elif names & _QUERIES:
        yield phrases.cut(known.request or known.goal, min(limit, 500))
