"""Small records as JSON, with a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def summed(body: Mapping[str, Any]) -> str:
    """A record and its SHA-256, as JSON."""
    return json.dumps({"body": body, "sha256": _sum(body)}, indent=1)


def intact(raw: bytes) -> Mapping[str, Any] | None:
    """The record, or None where the bytes are damaged or something else."""
    try:
        told = json.loads(raw)
        body: Mapping[str, Any] = told["body"]
        whole = isinstance(body, dict) and told["sha256"] == _sum(body)
    except (ValueError, KeyError, TypeError):
        return None
    return body if whole else None


def _sum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
