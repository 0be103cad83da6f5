"""Which items a search means, by their values: as LangGraph's own stores without an index have it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any

from langgraph.store.base import MatchCondition

from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.outbound.leaves import leaves
from pilotman.guardrails.shape import is_list, is_mapping

_WORD = re.compile(r"\w+")
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


class UnknownOperator(InvalidRequest, ValueError):
    """A filter uses an operator that there is not. Nothing was searched."""

    code = "unknown_operator"


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether all fields are as wanted: equal, or as the operators ``$eq $ne $gt $gte $lt $lte`` say.

    Numbers are compared with numbers and texts with texts; nothing else comes before or after anything.

    Raises:
        UnknownOperator: there is no such one.
    """
    return all(_is(value.get(name), one) for name, one in wanted.items())


def _is(value: Any, wanted: Any) -> bool:
    if is_mapping(wanted):
        if any(str(name).startswith("$") for name in wanted):
            return all(_holds(value, str(name), other) for name, other in wanted.items())
        return is_mapping(value) and all(_is(value.get(name), one) for name, one in wanted.items())
    if is_list(wanted):
        return is_list(value) and len(value) == len(wanted) and all(map(_is, value, wanted))
    return bool(value == wanted)


def _holds(value: Any, operator: str, other: Any) -> bool:
    if operator == "$eq":
        return bool(value == other)
    if operator == "$ne":
        return bool(value != other)
    order = _ORDERS.get(operator)
    if order is None:
        known = ", ".join(("$eq", "$ne", *_ORDERS))
        raise UnknownOperator(f"Unsupported operator: {operator}", hint=f"one of {known}")
    numbers = isinstance(value, int | float) and isinstance(other, int | float)
    return (numbers or (isinstance(value, str) and isinstance(other, str))) and order(value, other)


def within(namespace: Sequence[str], conditions: Sequence[MatchCondition]) -> bool:
    """Whether a namespace begins and ends as all conditions say; ``*`` stands for any one label."""
    for condition in conditions:
        path = condition.path
        if len(path) > len(namespace):
            return False
        part = (
            namespace[: len(path)]
            if condition.match_type == "prefix"
            else namespace[len(namespace) - len(path) :]
        )
        if any(wanted not in ("*", label) for wanted, label in zip(path, part, strict=True)):
            return False
    return True


def words(text: str) -> frozenset[str]:
    """The words of a text, whatever their case."""
    return frozenset(_WORD.findall(text.casefold()))


def words_in(value: Mapping[str, Any]) -> frozenset[str]:
    """The words that stand in a value."""
    return frozenset[str]().union(*map(words, leaves(value)))


def score(asked: frozenset[str], there: frozenset[str]) -> float:
    """The share of the words asked for that are there, 0 to 1."""
    return len(asked & there) / len(asked) if asked else 0.0
