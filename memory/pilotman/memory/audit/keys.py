"""Ed25519 keys (RFC 8032) in PEM files: one that signs, kept secret, and one to verify with."""

from __future__ import annotations

import os
import tempfile
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pilotman.guardrails.errors import ConfigurationError, Unavailable


class PublicKey:
    """Tells whether a signature is the key's."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> Self:
        """The key in a PEM file; of a private key, its public half.

        Raises:
            ConfigurationError: there is no such file, or no such key in it.
        """
        raw = _read(path)
        try:
            if b"PRIVATE KEY" in raw:
                return cls(_private(raw, path).public_key())
            key = load_pem_public_key(raw)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _no_key(path) from error
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(path)
        return cls(key)

    @property
    def key_id(self) -> str:
        """A short name: the first 16 hexadecimal digits of the raw key's SHA-256."""
        return sha256(self._key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]

    @property
    def pem(self) -> bytes:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def verifies(self, message: bytes, signature: str) -> bool:
        """Whether ``signature`` (Base64) is this key's, of this message."""
        try:
            self._key.verify(b64decode(signature, validate=True), message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SecretKey:
    """Signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def open(cls, path: Path) -> Self:
        """The private key in a PEM file. Where there is no file yet: a new key, its public half in ``.pub``.

        Raises:
            ConfigurationError: there is no such key in it, or others can read it.
            Unavailable: it cannot be written.
        """
        if not path.exists():
            _create(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigurationError(
                f"the key {path} can be read by others; nothing was signed", hint=f"chmod 600 {path}"
            )
        try:
            return cls(_private(_read(path), path))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _no_key(path) from error

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key())

    def sign(self, message: bytes) -> str:
        """The signature, in Base64."""
        return b64encode(self._key.sign(message)).decode()


def _create(path: Path) -> None:
    """A new key. Of two processes at once, one makes it; nobody ever sees half of it."""
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent)  # only its owner can read it
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
        with suppress(FileExistsError):
            os.link(aside, path)
            path.with_suffix(".pub").write_bytes(PublicKey(key.public_key()).pem)
        Path(aside).unlink()
    except OSError as error:
        raise Unavailable(
            f"the key {path} cannot be created: {error.strerror}",
            hint="check path and rights, or name another",
        ) from error


def _private(raw: bytes, path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(raw, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path)
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the key {path} cannot be read: {error.strerror}", hint="name the file of a key"
        ) from error


def _no_key(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} holds no Ed25519 key in PEM without a password",
        hint="name another, or leave it to us to make one",
    )
