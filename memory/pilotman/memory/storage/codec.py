"""How values stand in the database: times as integers, structures as JSON text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exact.

    Raises:
        TypeError: the time has no time zone.
    """
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The time back, in UTC."""
    return _EPOCH + timedelta(microseconds=value)


def dump(value: Any) -> str:
    """JSON text. Lone surrogates, which UTF-8 cannot hold, become U+FFFD.

    Raises:
        TypeError: the value cannot be written as JSON.
    """
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return orjson.dumps(_clean(value), default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def load(text: str | bytes) -> Any:
    """The structure back from its JSON text."""
    return orjson.loads(text)


def encode(value: Any) -> Any:
    """A field as its column holds it: times in microseconds, structures as JSON, text without NUL."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, Mapping | tuple | list):
        return dump(value)
    return value


def maybe_moment(value: int | None) -> datetime | None:
    """The time back, where there is one."""
    return None if value is None else moment(value)


def text(value: str) -> str:
    """Text that every database can hold: no NUL (PostgreSQL refuses it), no lone surrogates."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
