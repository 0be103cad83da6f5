"""Whether bodies are what their digests say, and whether all that events refer to is there. Pure.

A sealed body is opened where its key is at hand. Where it is not, its content cannot be told by anybody; but
it must be sealed with a key of its run, by which the run's chained events are sealed, too.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias, cast

import orjson

from pilotman.guardrails.seal import Forgotten, Tampered
from pilotman.memory.audit.finding import Finding, Kind
from pilotman.memory.journal.erasure import RUN_ERASED, SAID_ERASED
from pilotman.memory.storage.stored import is_erased, is_text, key_id, referred

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Told:
    """What a run's events say: why bodies were redacted, the keys that seal them, and how far it was erased.

    ``redacted`` holds reasons by digest, empty where they are sealed. ``erased`` is the number of the last
    event of which only a digest is left, ``until`` that of the event that says so; 0: there is none.
    """

    redacted: dict[str, object] = field(default_factory=dict[str, object])
    key_ids: set[bytes] = field(default_factory=set[bytes])
    erased: int = 0
    until: int = 0

    def see(self, seq: object, kind: object, data: object) -> None:
        """Note what an event says."""
        number = seq if isinstance(seq, int) else 0
        if is_erased(data):
            self.erased = max(self.erased, number)
        elif kind in (RUN_ERASED, SAID_ERASED):
            self.until = max(self.until, number)
        elif isinstance(data, bytes) and (name := key_id(data)) is not None:
            self.key_ids.add(name)
        if kind == "payload_redacted":
            self.redacted.update(redactions(data))


Opened: TypeAlias = Callable[[str, bytes], bytes]
"""Opens the stored body that has this digest."""
Blind: TypeAlias = Callable[[bytes], bytes]
"""Makes the digest of a body that its owner's key is needed for; older versions took its SHA-256."""


def _sha256(body: bytes) -> bytes:
    return sha256(body).digest()


def check(
    run_id: str, row: tuple[Any, ...], told: Told, opened: Opened, blind: Blind = _sha256
) -> Finding | None:
    """What is wrong with a row: digest, body, and why it was redacted.

    Raises:
        Forgotten: nothing that can be told: its key is not at hand.
    """
    digest, body, redacted = row
    name = str(digest)
    if body is not None:
        whole = isinstance(body, bytes) and digest in _digests(name, body, told, opened, blind)
        return None if whole else found("edited", run_id, name)
    if told.until and redacted == "":
        return None
    if name not in told.redacted:
        return found("dropped", run_id, name, note="no event says that it was redacted")
    why = redacted == told.redacted[name]
    return None if why else found("edited", run_id, name, note="why it was redacted")


def _digests(name: str, body: bytes, told: Told, opened: Opened, blind: Blind) -> tuple[str, ...]:
    """The digests of what was sealed; none: nothing opens."""
    try:
        said = opened(name, body)
    except (Tampered, zlib.error):
        return ()
    except Forgotten:
        if key_id(body) not in told.key_ids:
            return ()
        raise
    return blind(said).hex(), _sha256(said).hex()


def found(kind: Kind, run_id: str, digest: str, *, note: str = "") -> Finding:
    """A finding about a payload."""
    return Finding(kind=kind, what="payload", run_id=run_id, digest=digest, note=note)


def referenced(data: object) -> list[str]:
    """Digests of the bodies that an event's ``data`` (sealed, or JSON text) refers to."""
    if isinstance(data, bytes):
        if not is_text(data):
            return referred(data)
        data = data.decode(errors="replace")
    if not isinstance(data, str) or '{"payload":"' not in data:
        return []
    values = map(_fields, _fields(_read(data)).values())
    bodies = [value["payload"] for value in values if value.keys() == {"payload"}]
    return [body for body in bodies if isinstance(body, str) and _DIGEST.fullmatch(body)]


def redactions(data: object) -> dict[str, object]:
    """The digest and the reason in an event ``payload_redacted``; a sealed reason is empty."""
    if isinstance(data, bytes) and not is_text(data):
        return dict.fromkeys(referred(data), "")
    fields = _fields(_read(data))
    return {str(fields.get("digest")): fields.get("reason")}


def _read(data: object) -> object:
    try:
        return orjson.loads(data)  # type: ignore[arg-type]  # anything may stand there
    except (TypeError, ValueError):
        return None


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
