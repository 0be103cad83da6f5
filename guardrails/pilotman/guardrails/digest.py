"""Canonical form and digest of JSON-able values: what permits, approvals and keys are bound to."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def canonical(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no blanks (in the spirit of RFC 8785).

    Raises:
        TypeError: the value cannot be written as JSON.
    """
    return orjson.dumps(value, option=_OPTIONS)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, 64 hexadecimal digits."""
    return digest_of(canonical(value))


def digest_of(raw: bytes) -> str:
    """The same of a value whose canonical form is at hand."""
    return hashlib.sha256(raw).hexdigest()


def short_id(prefix: str, *parts: Any) -> str:
    """A deterministic identifier such as ``apr_1f0c…``: the same parts give the same one."""
    return f"{prefix}_{digest(parts)[:20]}"
