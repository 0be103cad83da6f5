"""The texts in a JSON value: to look at them, or to put others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pilotman.guardrails.shape import is_list, is_mapping


def leaves(value: Any) -> Iterator[str]:
    """Every text in a value; whole numbers and the keys of objects are texts too."""
    if is_mapping(value):
        for key, inner in value.items():
            yield str(key)
            yield from leaves(inner)
    elif is_list(value):
        for inner in value:
            yield from leaves(inner)
    elif (text := _text(value)) is not None:
        yield text


def replaced(value: Any, change: Callable[[str], str]) -> Any:
    """The value with another text in the place of each; what a change leaves as it is stays what it was."""
    if is_mapping(value):
        return {change(str(key)): replaced(inner, change) for key, inner in value.items()}
    if is_list(value):
        return [replaced(inner, change) for inner in value]
    text = _text(value)
    if text is None:
        return value
    changed = change(text)
    return value if changed == text else changed


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int) else None
