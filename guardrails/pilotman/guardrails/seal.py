"""Content that somebody owns, unreadable without the key of its owner: forgetting is destroying that key.

AES-256 in Galois/Counter mode (NIST SP 800-38D) with a fresh random nonce of 96 bits for each value. What is
sealed is bound to its place by the associated data: a value copied to another place does not open there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from pilotman.guardrails.errors import NotFound, PilotmanError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PLAIN, _PACKED, _SEALED = 0x80, 0x01, 0x02
"""The first byte says how the rest is kept; it is no byte with which UTF-8 text could begin."""
_KEY_ID, _NONCE = 8, 12
_WORTH_PACKING = 512
"""Bytes from which on a value is compressed, if that makes it smaller."""
_MOST_CIPHERS = 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose content it is: a user of a tenant."""

    tenant: str
    user: str


@dataclass(frozen=True, slots=True)
class Key:
    """32 secret bytes, and the 8 bytes by which what they sealed names them."""

    key_id: bytes
    secret: bytes


class Keys(Protocol):
    """Where keys are kept; each subject has at most one at a time. Any thread may call.

    What is destroyed is gone for good and for every process, from the next call on. All methods raise
    ``Unavailable`` if the place cannot be reached.
    """

    def current(self, subject: Subject) -> Key:
        """The subject's key, made at its first use and durable before it is returned."""
        ...

    def find(self, subject: Subject) -> Key | None:
        """The subject's key; None: it never had one, or that was destroyed."""
        ...

    def destroy(self, subject: Subject) -> bool:
        """Make the subject's key unrecoverable; False: there was none. A new one may follow later."""
        ...


class Forgotten(NotFound):
    """The content is still there as bytes, but the key that opens it was destroyed on purpose."""

    code = "forgotten"


class Tampered(PilotmanError):
    """What was sealed is not what is there, or it stands in another place."""

    code = "tampered"


class KeysInMemory:
    """Keys that are gone with this object."""

    def __init__(self) -> None:
        self._keys: dict[Subject, Key] = {}

    def current(self, subject: Subject) -> Key:
        return self._keys.setdefault(subject, new_key())

    def find(self, subject: Subject) -> Key | None:
        return self._keys.get(subject)

    def destroy(self, subject: Subject) -> bool:
        return self._keys.pop(subject, None) is not None


class Seal:
    """Seals and opens values. Without ``keys`` they are packed, not encrypted: for what lives in memory."""

    def __init__(self, keys: Keys | None = None) -> None:
        self._keys = keys
        self._ciphers: dict[bytes, AESGCM] = {}

    @property
    def keys(self) -> Keys | None:
        return self._keys

    def seal(self, subject: Subject | None, value: bytes, place: bytes = b"") -> bytes:
        """The value as it may lie on a disk. ``subject`` None: nobody owns it, it is packed only.

        ``place`` says where it will stand (a column and a row's key, say); ``open`` has to be told the same.
        """
        packed = zlib.compress(value, 1) if len(value) >= _WORTH_PACKING else value
        kind = _PLAIN
        if len(packed) < len(value):
            kind, value = kind | _PACKED, packed
        if self._keys is None or subject is None:
            return bytes((kind,)) + value
        head = bytes((kind | _SEALED,))
        key = self._keys.current(subject)
        nonce = os.urandom(_NONCE)
        return head + key.key_id + nonce + self._cipher(key).encrypt(nonce, value, head + place)

    def open(self, subject: Subject | None, sealed: bytes, place: bytes = b"") -> bytes:
        """The value. Bytes that were never sealed (UTF-8 text of an older version) come back as they are.

        Raises:
            Forgotten: the key was destroyed.
            Tampered: this is not what was sealed for this subject and place.
        """
        kind, value = _kind(sealed), sealed[1:]
        if kind is None:
            return sealed
        if kind & _SEALED:
            value = self._opened(subject, sealed, place)
        return zlib.decompress(value) if kind & _PACKED else value

    def opens(self, subject: Subject, sealed: bytes) -> bool:
        """Whether the key by which a value was sealed is there; also of what needs none."""
        if not (_kind(sealed) or 0) & _SEALED:
            return True
        key = None if self._keys is None else self._keys.find(subject)
        return key is not None and key.key_id == sealed[1 : 1 + _KEY_ID]

    def blind(self, subject: Subject, value: bytes) -> bytes:
        """32 bytes that name a value: always the same for this subject, and telling nothing without its key.

        A keyed digest (HMAC-SHA-256, RFC 2104). Without ``keys`` it is a plain one. Where there is no key it
        makes one: it is for what is written.
        """
        return self._blinded(None if self._keys is None else self._keys.current(subject), value)

    def sought(self, subject: Subject, value: bytes) -> bytes:
        """The same for what is looked up, which makes no key. Where there is none, nothing was ever blinded
        with it: the bytes are then others each time, and name nothing."""
        if self._keys is None:
            return self._blinded(None, value)
        key = self._keys.find(subject)
        return os.urandom(32) if key is None else self._blinded(key, value)

    def blinder(self, subject: Subject) -> Callable[[bytes], bytes]:
        """``sought``, with the key looked up once, here."""
        key = None if self._keys is None else self._keys.find(subject)
        if self._keys is not None and key is None:
            return partial(self.sought, subject)
        return partial(self._blinded, key)

    def pseudonym(self, subject: Subject, name: str, *, seek: bool = False) -> str:
        """What stands for a name where that must not: ``~`` and 48 hexadecimal digits of its blind digest;
        without ``keys`` the name itself. ``seek``: it is looked up."""
        if self._keys is None:
            return name
        blind = self.sought if seek else self.blind
        return f"~{blind(subject, name.encode('utf-8', 'surrogatepass')).hex()[:48]}"

    def _blinded(self, key: Key | None, value: bytes) -> bytes:
        if key is None:
            return hashlib.sha256(value).digest()
        return hmac.digest(hmac.digest(key.secret, b"blind", "sha256"), value, "sha256")

    def _opened(self, subject: Subject | None, sealed: bytes, place: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        key = None if self._keys is None or subject is None else self._keys.find(subject)
        if key is None or key.key_id != sealed[1 : 1 + _KEY_ID]:
            raise Forgotten("this was forgotten: its key was destroyed", hint="nobody can read it any more")
        start = 1 + _KEY_ID + _NONCE
        try:
            return self._cipher(key).decrypt(sealed[1 + _KEY_ID : start], sealed[start:], sealed[:1] + place)
        except InvalidTag:
            what = "something stored was changed, or moved from its place"
            raise Tampered(what, hint="restore it from a backup") from None

    def _cipher(self, key: Key) -> AESGCM:
        cipher = self._ciphers.get(key.key_id)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # it takes time to load

            if len(self._ciphers) >= _MOST_CIPHERS:
                self._ciphers.clear()
            cipher = self._ciphers[key.key_id] = AESGCM(key.secret)
        return cipher


def new_key() -> Key:
    """A key that nobody had before."""
    return Key(os.urandom(_KEY_ID), os.urandom(32))


def _kind(stored: bytes) -> int | None:
    """How it is kept; None: it was never sealed or packed."""
    return stored[0] if stored and _PLAIN <= stored[0] <= _PLAIN | _PACKED | _SEALED else None
