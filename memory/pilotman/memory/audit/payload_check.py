"""Whether bodies are what their digests say, and whether all that events refer to is there. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

import orjson

from pilotman.memory.audit.finding import Finding, Kind

_SHA256 = re.compile(r"[0-9a-f]{64}")


def check(run_id: str, row: tuple[Any, ...], told: Mapping[str, object]) -> Finding | None:
    """What is wrong with a row: digest, body, and why it was redacted. ``told``: the redactions in events."""
    digest, body, redacted = row
    name = str(digest)
    if body is not None:
        whole = isinstance(body, bytes) and sha256(body).hexdigest() == digest
        return None if whole else found("edited", run_id, name)
    if name not in told:
        return found("dropped", run_id, name, note="no event says that it was redacted")
    return None if redacted == told[name] else found("edited", run_id, name, note="why it was redacted")


def found(kind: Kind, run_id: str, digest: str, *, note: str = "") -> Finding:
    """A finding about a payload."""
    return Finding(kind=kind, what="payload", run_id=run_id, digest=digest, note=note)


def referenced(data: object) -> list[str]:
    """Digests of the bodies that an event's ``data`` (JSON text) refers to."""
    if not isinstance(data, str) or '{"payload":"' not in data:
        return []
    values = map(_fields, _fields(_read(data)).values())
    bodies = [value["payload"] for value in values if value.keys() == {"payload"}]
    return [body for body in bodies if isinstance(body, str) and _SHA256.fullmatch(body)]


def redaction(data: object) -> tuple[str, object]:
    """The digest and the reason in an event ``payload_redacted``."""
    fields = _fields(_read(data))
    return str(fields.get("digest")), fields.get("reason")


def _read(data: object) -> object:
    try:
        return orjson.loads(data)  # type: ignore[arg-type]  # anything may stand there
    except (TypeError, ValueError):
        return None


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
