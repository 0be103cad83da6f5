"""Conditions on metadata, as LangChain's stores take them. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import orjson

from pilotman.guardrails.errors import InvalidRequest

Condition: TypeAlias = Callable[[Mapping[str, Any]], bool]


def _in(value: Any, choices: Any) -> bool:
    return value in choices


def _not_in(value: Any, choices: Any) -> bool:
    return value not in choices


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": _in,
    "$nin": _not_in,
}


def key_of(filter: Mapping[str, Any]) -> bytes:
    """The same for equal filters.

    Raises:
        InvalidRequest: it holds what JSON cannot.
    """
    try:
        return orjson.dumps(filter, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError) as error:
        hint = "write {key: value}, or pass a function of a Document"
        raise InvalidRequest(f"this filter cannot be understood: {error}", hint=hint) from error


def keys_of(filter: Mapping[str, Any]) -> set[str]:
    """The keys of metadata that a filter names; also those that it has inside."""
    lists = (cast("Any", value) if isinstance(value, list) else [value] for value in filter.values())
    nested = (cast("Any", one) for inside in lists for one in inside if isinstance(one, Mapping))
    return set(filter).union(*(keys_of(one) for one in nested))


def condition_of(filter: Mapping[str, Any]) -> Condition:
    """``{"topic": "disk"}``: equal; ``{"year": {"$gte": 2020}}``: compared; all of several keys must hold.

    Comparisons: ``$eq $ne $gt $gte $lt $lte $in $nin``; ``$and`` and ``$or`` take lists of filters, ``$not``
    one. A key that is missing equals None; what cannot be compared does not match.

    Raises:
        InvalidRequest: an operator that is not known, or with an operand that it cannot take.
    """
    given: Any = filter
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"a filter is a dictionary, not {given!r}")
    parts = [_part(key, wanted) for key, wanted in filter.items()]
    return _joined(all, parts)


def _joined(every: Callable[[Iterable[bool]], bool], parts: Sequence[Condition]) -> Condition:
    """All of the parts, or any of them; it is asked of each row, so that one part stays one call."""
    return parts[0] if len(parts) == 1 else lambda metadata: every(part(metadata) for part in parts)


def _part(key: str, wanted: Any) -> Condition:
    if key in ("$and", "$or"):
        if not isinstance(wanted, list):
            raise InvalidRequest(f"{key} takes a list of filters, not {wanted!r}")
        parts = [condition_of(one) for one in cast("list[Mapping[str, Any]]", wanted)]
        return _joined(all if key == "$and" else any, parts)
    if key == "$not":
        part = condition_of(wanted)
        return lambda metadata: not part(metadata)
    if key.startswith("$"):
        raise InvalidRequest(f"the filter's operator {key} is not known", hint="take $and, $or or $not")
    compared = cast("dict[str, Any]", wanted) if isinstance(wanted, dict) else {}
    if any(name.startswith("$") for name in compared):
        tests = [_compared(key, name, operand) for name, operand in compared.items()]
        return _joined(all, tests)
    return lambda metadata: bool(metadata.get(key) == wanted)


def _compared(key: str, name: str, operand: Any) -> Condition:
    if name not in _COMPARE:
        raise InvalidRequest(f"the filter's operator {name} is not known", hint=f"take {' '.join(_COMPARE)}")
    if name in ("$in", "$nin") and not isinstance(operand, list | tuple):
        raise InvalidRequest(f"{name} takes a list, not {operand!r}")
    compare = _COMPARE[name]

    def holds(metadata: Mapping[str, Any]) -> bool:
        try:
            return bool(compare(metadata.get(key), operand))
        except TypeError:
            return False

    return holds
