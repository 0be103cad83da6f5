"""Small records as JSON, with a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def sealed(body: Mapping[str, Any]) -> str:
    """A record and its SHA-256, as JSON."""
    return json.dumps({"body": body, "sha256": _sum(body)}, indent=1)


def unsealed(raw: bytes) -> Mapping[str, Any] | None:
    """The record, or None where the bytes are damaged or something else."""
    try:
        told = json.loads(raw)
        body: Mapping[str, Any] = told["body"]
        intact = isinstance(body, dict) and told["sha256"] == _sum(body)
    except (ValueError, KeyError, TypeError):
        return None
    return body if intact else None


def _sum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
