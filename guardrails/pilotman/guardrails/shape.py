"""The shapes of JSON values, told to type checkers, and what of them can be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard


def is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """A JSON object."""
    return isinstance(value, Mapping)


def is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    """A JSON array."""
    return isinstance(value, list | tuple)


def is_storable(value: str) -> bool:
    """Whether every database keeps a text as it is: it has no NUL and no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
