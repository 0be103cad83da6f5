"""Structured facts and results by name: the same name, an owner's thing, or a name that means the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.words import stem, words

_ALIASES = """
host hostname server machine node instance
email email_address mail
phone phone_number telephone mobile
url uri link endpoint
user username login user_id
name full_name
amount sum total
title summary subject headline
date day
"""
_DEEPEST = 8


def named(
    parts: Sequence[str], facts: Mapping[str, Any], results: Sequence[tuple[str, Any]]
) -> Iterator[Any]:
    """Values of the same name in the facts and in earlier results; then of a name that means the same.

    ``parts`` are the words of the name; each result comes with the words of what it is.
    """
    leaves = [*_leaves(facts, ())]
    for owner, result in results:
        leaves += _leaves(result, tuple(words(owner)))
    own = tuple(stem(part) for part in parts)
    yield from (value for path, value in leaves if _joined(path[-1:]) == "".join(own))
    yield from (value for path, value in leaves if _joined(path[-2:]) == "".join(own))
    group = _same_as("".join(own))
    yield from (_unported(value, group) for path, value in leaves if _joined(path[-1:]) in group)
    tails = [value for path, value in leaves if len(own) > 1 and _joined(path[-1:]) == own[-1] != "id"]
    if len({str(value) for value in tails}) == 1:
        yield tails[0]


def _same_as(name: str) -> frozenset[str]:
    """Names that mean the same, stems joined; none if we know of no other."""
    groups = (frozenset(_joined((alias,)) for alias in line.split()) for line in _ALIASES.splitlines())
    return next((group for group in groups if name in group), frozenset[str]())


def _unported(value: Any, group: frozenset[str]) -> Any:
    """A machine's address without its port."""
    return re.sub(r"(?<=\w):\d+$", "", value) if "host" in group and isinstance(value, str) else value


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if path:
        yield path, value
    if len(path) > _DEEPEST:
        return
    if is_mapping(value):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif is_list(value):
        for inner in value if len(value) == 1 else ():  # of several, none is meant more than the others
            yield from _leaves(inner, path)


def _joined(path: Iterable[str]) -> str:
    return "".join(stem(word) for part in path for word in words(part))


def scalars(value: Any) -> Iterator[Any]:
    """Every value that is neither an object nor an array."""
    if is_mapping(value):
        for inner in value.values():
            yield from scalars(inner)
    elif is_list(value):
        for inner in value:
            yield from scalars(inner)
    else:
        yield value
