"""How content stands in its column, as far as one can see without keys. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

ERASED: Final = b"\x84"
"""Content that was erased. Of an event's data, the SHA-256 of what stood there follows."""
_HEADED: Final = 0x85
"""A number (two bytes), so many SHA-256 digests of bodies, then the sealed value. Like the bytes with which
sealed values begin, both are none with which UTF-8 text could begin."""
_KEY_ID: Final = slice(1, 9)
_SEALED: Final = (0x82, 0x83)


def headed(refers: Sequence[bytes], sealed: bytes) -> bytes:
    """A sealed value with the digests of the bodies that it refers to."""
    return sealed if not refers else b"".join((_head(len(refers)), *refers, sealed))


def _head(number: int) -> bytes:
    return bytes((_HEADED,)) + number.to_bytes(2, "big")


def without_head(stored: bytes) -> bytes:
    """The sealed value alone."""
    if stored[:1] != bytes((_HEADED,)):
        return stored
    return stored[3 + 32 * int.from_bytes(stored[1:3], "big") :]


def referred(stored: bytes) -> list[str]:
    """The digests in the head, 64 hexadecimal digits each."""
    if stored[:1] != bytes((_HEADED,)):
        return []
    end = min(len(stored), 3 + 32 * int.from_bytes(stored[1:3], "big"))
    return [stored[at : at + 32].hex() for at in range(3, end, 32)]


def key_id(stored: bytes) -> bytes | None:
    """What names the key that a sealed value needs; None: it needs none."""
    value = without_head(stored)
    return value[_KEY_ID] if value[:1] and value[0] in _SEALED else None


def is_text(stored: bytes) -> bool:
    """Whether this is text of a version that did not seal."""
    return not 0x80 <= (stored[0] if stored else 0) <= _HEADED


def erased(stored: bytes | str) -> bytes:
    """What stays of an event's data when it is erased. Erasing it again changes nothing."""
    body = stored.encode() if isinstance(stored, str) else stored
    if body[:1] == ERASED:
        return body
    # text was hashed itself: its digest says nothing to the chain
    return ERASED if is_text(body) else ERASED + sha256(body).digest()


def is_erased(stored: object) -> bool:
    """Whether nothing but a digest is left."""
    return isinstance(stored, bytes) and stored[:1] == ERASED
