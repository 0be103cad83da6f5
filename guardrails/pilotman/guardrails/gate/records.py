"""What a tool returned, taken apart into records of labelled fields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any

import orjson

from pilotman.guardrails.gate.literals import (
    canonical,
    canonical_account,
    canonical_number,
    canonical_url,
    dates,
    minute_of,
    times,
)
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.words import stem, stem_set, terms, words

_SHORT = 12  # words: what is longer tells something, it does not name a record
_INNER = 50  # records inside another that it can be called by
_DEEPEST = 12
_MOST = 5_000  # records of one result
_MOST_VALUES = 50_000  # of one result
_KEPT = 200  # characters
_TITLE = 40  # characters of a field that may call its record something
_SECRETS = stem_set("password secret passcode token credential passphrase key apikey")
_PRIVATE = tuple(
    map(
        stem_set,
        (
            "passport",
            "social security",
            "ssn",
            "national id",
            "identity number",
            "tax id",
            "driver license",
            "license number",
            "credit card",
            "debit card",
            "card number",
            "cvv",
            "cvc",
        ),
    )
)
"""What fields are called that tell the number of a person or of a card."""
_SECRET = re.compile(r"(?=\S*\d)(?=\S*[a-z])\S{6,200}")
_FIGURE = re.compile(r"(?<![\w.,:/-])\d(?=[ -]?(?:[a-z]{1,3}\b|\Z))(?![\w.,:/-]*\d)")
_NAME = re.compile(r"[a-z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Field:
    """One scalar: the name it stands under, its canonical text, and whether a trusted author wrote it.

    ``listed``: it is one of several in a list.
    """

    name: str
    text: str
    trusted: bool
    listed: bool = False


@dataclass(eq=False)
class Record:
    """An object, an item or a line that a tool returned. ``group``: its siblings and itself, in order.

    ``designated``: the request means this one. ``named``: by a name that is its own. ``ranked``:
    by a superlative. ``bound``: it was read
    for arguments that the request names. ``sought``: the stems of these. ``source``: the tool that gave it.
    ``parent``: the object that it stands in, by ``inner``.
    """

    fields: tuple[Field, ...]
    group: list[Record] = field(repr=False)
    designated: bool = False
    named: bool = False
    ranked: bool = False
    bound: bool = False
    sought: frozenset[str] = frozenset()
    source: str = ""
    parent: Record | None = field(default=None, repr=False)
    inner: list[Record] = field(default_factory=list["Record"], repr=False)

    @cached_property
    def terms(self) -> frozenset[str]:
        """What the record can be called by: the stems of its short fields, and ``date:2024-05-20``."""
        short = [f.text for f in self.fields if f.text.count(" ") < _SHORT]
        days = {f"date:{day}" for text in short for day in dates(text) if len(day) == 10}
        flags = [f.name for f in self.fields if f.text == "true"]
        inner = [record.terms for record in self.inner[:_INNER]]
        sizes = {digit for text in short for digit in figures_in(text)}
        return (terms(" ".join([*short, *flags])) | days | sizes).union(*inner)

    @cached_property
    def words(self) -> frozenset[str]:
        """The stems of everything that stands in it."""
        return terms(" ".join(f.text for f in self.fields))

    @cached_property
    def trusted_words(self) -> frozenset[str]:
        """The stems of what a trusted author wrote in it."""
        return terms(" ".join(f.text for f in self.fields if f.trusted))

    @cached_property
    def secrets(self) -> frozenset[str]:
        """What it keeps secret: letters with digits, in a record that is called a password or a key."""
        called = {stem(word) for f in self.fields for word in words(f"{f.name} {f.text[:_TITLE]}")}
        if called.isdisjoint(_SECRETS):
            return frozenset()
        return frozenset(
            f.text for f in self.fields if f.trusted and _SECRET.fullmatch(f.text) and not dates(f.text)
        )

    @cached_property
    def private(self) -> Mapping[str, frozenset[str]]:
        """The numbers of persons and of their cards in it, each with the stems of what it is called."""
        numbered = (f for f in self.fields if any(c.isdigit() for c in f.text))
        called = {f.text: frozenset(map(stem, words(f.name))) for f in numbered}
        return {text: stems for text, stems in called.items() if any(one <= stems for one in _PRIVATE)}

    @cached_property
    def orderables(self) -> Mapping[str, float | str]:
        """The trusted fields that put siblings in an order: numbers, and moments as text."""
        found: dict[str, float | str] = {}
        for one in self.fields:
            number, days = canonical_number(one.text), dates(one.text)
            if not one.trusted or one.name in ("id", "key"):
                continue
            if number is not None:
                found[one.name] = float(number)
            elif len(days) == 1:
                found[one.name] = f"{min(days)} {min(times(one.text), default='')}"
        moments = sorted(
            str(value) for value in found.values() if isinstance(value, str) and len(value) == 16
        )
        if len(moments) == 2 and moments[0][:10] == moments[1][:10]:
            found["length"] = float(minute_of(moments[1][11:]) - minute_of(moments[0][11:]))
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """Short fields that could name it: words, no bare number, date or flag."""
        return frozenset(
            f.text
            for f in self.fields
            if len(f.text) > 2
            and f.text.count(" ") < _SHORT
            and re.search(r"[^\W\d]{2}", f.text)
            and f.text not in ("true", "false", "none")
            and not dates(f.text)
        )


def groups(result: Any, *, third_party: bool | Sequence[str]) -> list[list[Record]]:
    """The records of a result, those of one list together.

    ``third_party``: whether others wrote it, or the names of the fields that they did. A text is a group of
    lines; JSON in a text is read as JSON.
    """
    content = _pruned(_decoded(result), [_MOST_VALUES])
    if isinstance(content, str):
        content = [line for line in content.splitlines() if line.strip()]
    reading = _Reading(third_party)
    reading.read(content, 0, "", None)
    return reading.found


def figures_in(text: str) -> list[str]:
    """Single digits beside words: what tells "rope 5 m" from "rope 8 m"."""
    return _FIGURE.findall(text) if " " in text else []


def scalars(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each scalar in a JSON-able value with its path, ``owner.name``: the first 50,000."""
    return islice(_scalars(value, path, 0), _MOST_VALUES)


def _scalars(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST or value is None:
        return
    if is_mapping(value):
        for name, item in value.items():
            yield from _scalars(item, _joined(path, str(name)), depth + 1)
    elif is_list(value):
        for item in value:
            yield from _scalars(item, path, depth + 1)
    else:
        yield path, value


def forms(value: Any) -> frozenset[str]:
    """The canonical spellings under which a value is looked up."""
    text = str(value)
    find = _short_forms if len(text) < _KEPT else _forms
    return find(text, isinstance(value, str))


def _forms(value: str, is_text: bool) -> frozenset[str]:
    text = canonical(value).strip("#@ ") if is_text else canonical(value)
    found = {text, canonical_number(text) or text}
    if "." in text and " " not in text:
        found.add(canonical_url(text))
    if len(text) <= 40 and sum(c.isdigit() for c in text) >= 6:
        found.add(canonical_account(text))
    return frozenset(form for form in found if form)


_short_forms = lru_cache(maxsize=4_096)(_forms)  # a pure function, asked again and again for the same values


def stands(form: str, text: str) -> bool:
    """Whether a canonical value stands in a canonical text by itself: in no longer word or number."""
    if len(form) < 2 and not form.isdigit():
        return False
    at = text.find(form)
    while at >= 0:
        if not _joins(text[max(0, at - 2) : at]) and not _goes_on(text[at + len(form) : at + len(form) + 2]):
            return True
        at = text.find(form, at + 1)
    return False


def _joins(before: str) -> bool:
    if before[-1:] == "@":  # a handle begins here, or the second half of an address
        return before[:1].isalnum()
    return before[-1:].isalnum() or before[-1:] in ("_", "-", ".", "+")


def _goes_on(after: str) -> bool:
    """A word or number goes on after this place; a full stop ends it only at its own end."""
    if after[:1] in (".", "-", "@", "'"):
        return after[:1] != "'" and after[1:].isalnum()
    return after[:1].isalnum() or after[:1] == "_"


def _decoded(result: Any) -> Any:
    if isinstance(result, str) and result.lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(result)
        except orjson.JSONDecodeError:
            return result
    return result


class _Reading:
    """Takes one result apart into ``found``: groups of records, an outer one before those inside it."""

    def __init__(self, third_party: bool | Sequence[str]) -> None:
        self.found: list[list[Record]] = []
        self._others = third_party is True
        self._foreign = frozenset[str]() if isinstance(third_party, bool) else frozenset(third_party)

    def read(self, content: Any, depth: int, path: str, parent: Record | None) -> None:
        """Lists of objects, each as its scalars by path; an object by itself is a list of one.

        A mapping by names that are no identifiers is a list of its entries, with the name as their ``key``.
        """
        if content is None:
            return
        if depth > _DEEPEST:  # nobody looks there, but somebody wrote it
            self._group([[(path, "nested too deep")]], parent)
        elif is_mapping(content) and any(not _NAME.fullmatch(str(name)) for name in content):
            key = _joined(path, "key")
            self._group(
                [[(key, str(name)), *scalars(value, path)] for name, value in content.items()], parent
            )
        elif is_mapping(content) or is_list(content):
            items = content if is_list(content) else [content]
            plain = [_alone(item, path) for item in items]
            made = iter(self._group([one for one in plain if one], parent))
            for item, one in zip(items, plain, strict=True):
                outer = next(made, None) if one else parent
                self._read_inner(item, depth, path, outer)
        else:
            self._group([[(path, content)]], parent)

    def _read_inner(self, item: Any, depth: int, path: str, outer: Record | None) -> None:
        for name, value in item.items() if is_mapping(item) else ():
            if _holds_objects(value):
                self.read(value, depth + 1, _joined(path, str(name)), outer)

    def _is_trusted(self, path: str) -> bool:
        return not (self._others or _is_in(path, self._foreign))

    def _group(self, objects: list[list[tuple[str, Any]]], parent: Record | None) -> list[Record]:
        group: list[Record] = []
        for scalars_of in objects[:_MOST]:
            places = Counter(path for path, _ in scalars_of)
            fields = tuple(
                Field(_last(path), canonical(str(value)), self._is_trusted(path), places[path] > 1)
                for path, value in scalars_of
            )
            group.append(Record(fields=fields, group=group, parent=parent))
        if parent is not None:
            parent.inner.extend(group)
        if group:
            self.found.append(group)
        return group


def _alone(item: Any, path: str) -> list[tuple[str, Any]]:
    if is_mapping(item):
        item = {name: value for name, value in item.items() if not _holds_objects(value)}
    return list(scalars(item, path))


def _holds_objects(value: Any) -> bool:
    return is_list(value) and any(is_mapping(item) for item in value)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _pruned(value: Any, left: list[int], depth: int = 0) -> Any:
    """A copy without what holds itself, lies too deep or is too much to look at: so is said in its place.

    ``left``: how many values may still be looked at, counted down.
    """
    left[0] -= 1
    if left[0] < 0 or depth > 2 * _DEEPEST:
        return "more than anybody looks at" if left[0] < 0 else "nested too deep"
    if is_mapping(value):
        some = islice(value.items(), left[0] + 1)
        return {str(name): _pruned(item, left, depth + 1) for name, item in some}
    if is_list(value):
        return [_pruned(item, left, depth + 1) for item in islice(value, left[0] + 1)]
    return value


def _last(path: str) -> str:
    return path.rsplit(".", 1)[-1]


def _is_in(path: str, named: frozenset[str]) -> bool:
    return bool(named) and (path in named or not named.isdisjoint(path.split(".")))
