"""A master key wraps the secrets of all others: who has the files alone can open nothing.

AES-256 in Galois/Counter mode (NIST SP 800-38D), a fresh nonce for each wrapping, bound to whose key it is.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.seal import Key, Subject

VARIABLE: Final = "PILOTMAN_MASTER_KEY"
_SIZE: Final = 32
_PLAIN, _WRAPPED = b"pilotman key 1\n", b"pilotman key 2\n"
_KEY_ID, _NONCE = 8, 12
_FORM = "32 bytes, as 64 hexadecimal digits or as base64"


class Master:
    """32 secret bytes that wrap keys. ``secret`` None: keys are kept as they are."""

    def __init__(self, secret: bytes | None = None) -> None:
        """
        Raises:
            ConfigurationError: not 32 bytes.
        """
        if secret is not None and len(secret) != _SIZE:
            raise ConfigurationError(f"a master key has 32 bytes, not {len(secret)}", hint=f"give {_FORM}")
        self._secret = secret

    @classmethod
    def load(cls, path: Path) -> Master:
        """From a file: 32 bytes as they are, or as text.

        Raises:
            ConfigurationError: it cannot be read, or holds none.
        """
        try:
            body = path.read_bytes()
        except OSError as error:
            hint = f"name a file with {_FORM}"
            raise ConfigurationError(f"no master key at {path}: {error.strerror}", hint=hint) from error
        return (
            cls(body) if len(body) == _SIZE else cls.parse(body.decode(errors="replace"), f"the file {path}")
        )

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Master:
        """What ``PILOTMAN_MASTER_KEY`` says; without it, none.

        Raises:
            ConfigurationError: it says something else.
        """
        said = (os.environ if environment is None else environment).get(VARIABLE, "")
        return cls.parse(said, VARIABLE) if said.strip() else cls()

    @classmethod
    def parse(cls, said: str, where: str) -> Master:
        """From hexadecimal digits or base64.

        Raises:
            ConfigurationError: it is neither, or not 32 bytes.
        """
        said = "".join(said.split())
        try:
            secret = bytes.fromhex(said) if len(said) == 2 * _SIZE else base64.b64decode(said, validate=True)
        except (ValueError, binascii.Error) as error:
            raise ConfigurationError(f"{where} holds no master key", hint=f"give {_FORM}") from error
        return cls(secret)

    def wrap(self, subject: Subject, key: Key) -> bytes:
        """The key as it may be stored."""
        if self._secret is None:
            return _PLAIN + key.key_id + key.secret
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # it takes time to load

        nonce = os.urandom(_NONCE)
        wrapped = AESGCM(self._secret).encrypt(nonce, key.secret, _bound(subject, key.key_id))
        return _WRAPPED + key.key_id + nonce + wrapped

    def unwrap(self, subject: Subject, stored: bytes) -> Key | None:
        """The key; None: this is none (any more).

        Raises:
            ConfigurationError: it is wrapped by another master key, or by one and there is none.
        """
        start = len(_PLAIN)
        key_id, rest = stored[start : start + _KEY_ID], stored[start + _KEY_ID :]
        if stored.startswith(_PLAIN):
            return Key(key_id, rest) if len(rest) == _SIZE else None
        if not stored.startswith(_WRAPPED) or len(rest) != _NONCE + _SIZE + 16:
            return None
        if self._secret is None:
            hint = f"set {VARIABLE} as it was when the keys were made"
            raise ConfigurationError("the keys are wrapped by a master key, and none was given", hint=hint)
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            secret = AESGCM(self._secret).decrypt(rest[:_NONCE], rest[_NONCE:], _bound(subject, key_id))
        except InvalidTag:
            hint = "give the master key that the keys were made with; nothing was changed"
            raise ConfigurationError("the keys are wrapped by another master key", hint=hint) from None
        return Key(key_id, secret)


def name(subject: Subject) -> str:
    """A subject's name where keys are kept, 64 hexadecimal digits: its digest, so that any id will do."""
    return sha256(_said(subject)).hexdigest()


def _bound(subject: Subject, key_id: bytes) -> bytes:
    return key_id + _said(subject)


def _said(subject: Subject) -> bytes:
    tenant = subject.tenant.encode("utf-8", "surrogatepass")
    return len(tenant).to_bytes(4, "big") + tenant + subject.user.encode("utf-8", "surrogatepass")
