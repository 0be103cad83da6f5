"""A run's content on its way into rows and back: sealed for the user whose run it is.

A value in a column of content is what ``Seal`` made of it, or ``ERASED``, or text of an older version. An
event's data may have a clear head: the digests of the bodies that it refers to. What is erased of an event
leaves the digest of what stood there, which is what the run's chain binds.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, select

from pilotman.guardrails.seal import Forgotten, Seal, Subject
from pilotman.memory.storage.codec import dump, load
from pilotman.memory.storage.schema import runs
from pilotman.memory.storage.statement import Query
from pilotman.memory.storage.stored import ERASED, headed, without_head

SEAL = "pilotman_seal"
OWNERS = "pilotman_owners"
"""Where a connection's ``info`` keeps the seal, and what the present transaction knows of runs' owners."""
GONE: Mapping[str, Any] = {"forgotten": True}
"""What is read in place of data that was forgotten."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a run is, and whether it was forgotten: then no content is stored for it any more."""

    subject: Subject | None
    forgotten: bool = False


def owner(connection: Connection, run_id: str) -> Owner:
    """Whose content the run's is. A run that is not there is nobody's: the database will refuse its rows."""
    known: dict[str, Owner] = connection.info.setdefault(OWNERS, {})
    if run_id not in known:
        row = _OWNER.one(connection, {"run_id": run_id})
        if row is None:
            return Owner(None)
        known[run_id] = Owner(Subject(row["tenant"], row["user"]), row["forgotten_at"] is not None)
    return known[run_id]


_OWNER = Query(
    select(runs.c.tenant, runs.c.user, runs.c.forgotten_at).where(runs.c.run_id == bindparam("run_id"))
)


def close(connection: Connection, whose: Subject | None, place: str, value: str | bytes) -> bytes:
    """The value as it may be stored in this place, ``table.column/key``."""
    body = value.encode() if isinstance(value, str) else value
    return _seal(connection).seal(whose, body, place.encode())


def close_later(connection: Connection, run_id: str, place: str, value: str | bytes) -> bytes:
    """What is said of a run after it was stored; of a forgotten one nothing is kept."""
    whose = owner(connection, run_id)
    return ERASED if whose.forgotten else close(connection, whose.subject, place, value)


def close_data(
    connection: Connection, whose: Owner, place: str, data: str, refers: Sequence[bytes] = ()
) -> bytes:
    """An event's data; of a forgotten run nothing but that it is forgotten."""
    if whose.forgotten:
        return close(connection, None, place, dump(GONE))
    return headed(refers, close(connection, whose.subject, place, data))


def disclose(connection: Connection, whose: Subject | None, place: str, stored: bytes | str) -> bytes:
    """The value that stands in a place.

    Raises:
        Forgotten: it was erased, or its key was destroyed.
        Tampered: it is not what was stored there.
    """
    if isinstance(stored, str):  # of a version that did not seal
        return stored.encode()
    if stored[:1] == ERASED:
        raise Forgotten("this was forgotten: it was erased", hint="nobody can read it any more")
    return _seal(connection).open(whose, without_head(bytes(stored)), place.encode())


def words(connection: Connection, whose: Subject | None, place: str, stored: bytes | str | None) -> str:
    """Text that stands in a place; empty where it was forgotten, or nothing stands there."""
    if stored is None:
        return ""
    try:
        return disclose(connection, whose, place, stored).decode()
    except Forgotten:
        return ""


def data(connection: Connection, whose: Subject | None, place: str, stored: bytes | str) -> Any:
    """A structure that stands in a place; ``GONE`` where it was forgotten."""
    try:
        return load(disclose(connection, whose, place, stored))
    except Forgotten:
        return dict(GONE)


def close_word(connection: Connection, whose: Subject | None, place: str, word: str) -> str:
    """A word for a column of text, such as the digest of what could be guessed; see ``word``."""
    if whose is None or _seal(connection).keys is None:
        return word
    return f"~{b64encode(close(connection, whose, place, word)).decode()}"


def word(connection: Connection, whose: Subject | None, place: str, stored: str) -> str:
    """A word that stands in a place; empty where it was forgotten. In older versions it was as it is."""
    return words(connection, whose, place, b64decode(stored[1:])) if stored.startswith("~") else stored


def blinded(connection: Connection, whose: Subject | None, value: bytes) -> str:
    """The blind digest of what a user owns, 64 hexadecimal digits; it makes no key."""
    return (_seal(connection) if whose else _PACKING).sought(whose or Subject("", ""), value).hex()


def hidden(connection: Connection, whose: Subject | None, name: str) -> str:
    """A name by which something is looked for, as it is stored where it may say what a user owns: an event's
    key, or the digest of what could be guessed. It makes no key."""
    seal = _seal(connection)
    if seal.keys is None or whose is None:
        return name
    return seal.pseudonym(whose, name, seek=True)


def key_digest(connection: Connection, tenant: str, key: str) -> str:
    """An idempotency key as it is stored: what it was made of cannot be read. No key begins with ``#``."""
    return reblinded(connection, tenant, f"#{sha256(key.encode()).hexdigest()}")


def reblinded(connection: Connection, tenant: str, digest: str) -> str:
    """A key's digest, which cannot be guessed either without the tenant's key. The tenant's, as it must be
    known again whoever comes with it, also when the first was forgotten: what was done is not done again."""
    seal = _seal(connection)
    if seal.keys is None or digest.startswith("#~"):
        return digest
    return f"#{seal.pseudonym(Subject(tenant, ''), digest)}"


def key_forms(connection: Connection, tenant: str, key: str) -> dict[str, str]:
    """How an idempotency key may be stored, by versions of this program: to be looked for."""
    digest, seal = f"#{sha256(key.encode()).hexdigest()}", _seal(connection)
    blind = digest if seal.keys is None else f"#{seal.pseudonym(Subject(tenant, ''), digest, seek=True)}"
    return {"key": blind, "digest": digest, "old": key}


def _seal(connection: Connection) -> Seal:
    found: Seal | None = connection.info.get(SEAL)
    return _PACKING if found is None else found


_PACKING = Seal()
"""For connections of nobody who has keys: it has no state."""
