from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory.audit.keys import PublicKey, SecretKey


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "audit.key"


def test_a_key_is_made_on_first_use_and_is_its_owners_alone(path: Path) -> None:
    first, second = SecretKey.open(path), SecretKey.open(path)
    assert first.public.key_id == second.public.key_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in path.parent.iterdir()} == {"audit.key", "audit.pub"}


def test_only_its_own_signature_of_the_same_message_verifies(path: Path) -> None:
    key = SecretKey.open(path)
    other = SecretKey.open(path.with_name("other.key"))
    signature = key.sign(b"message")
    assert PublicKey.load(path.with_suffix(".pub")).verifies(b"message", signature)
    assert PublicKey.load(path).verifies(b"message", signature)
    assert not key.public.verifies(b"massage", signature)
    assert not other.public.verifies(b"message", signature)
    assert other.public.key_id != key.public.key_id


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "ü", "A" * 88])
def test_nonsense_is_no_signature(path: Path, signature: str) -> None:
    assert not SecretKey.open(path).public.verifies(b"message", signature)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read_signs_nothing(path: Path, mode: int) -> None:
    SecretKey.open(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        SecretKey.open(path)


def test_of_many_at_once_one_makes_the_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(SecretKey.open, [path] * 16))
    public = PublicKey.load(path)
    assert {key.public.key_id for key in keys} == {public.key_id}
    assert path.with_suffix(".pub").read_bytes() == public.pem


def contents(kind: str, path: Path) -> bytes:
    secret = load_pem_private_key(path.read_bytes(), None)
    if kind == "password":
        return secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    if kind == "other kind":
        curve = ec.generate_private_key(ec.SECP256R1())
        return curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if kind == "other public kind":
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"empty": b"", "text": b"hello", "cut": path.read_bytes()[:60]}[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "password", "other kind", "other public kind"])
def test_what_holds_no_such_key_is_told(path: Path, kind: str) -> None:
    SecretKey.open(path)
    path.write_bytes(contents(kind, path))
    for use in (SecretKey.open, PublicKey.load):
        with pytest.raises(ConfigurationError, match="no Ed25519 key"):
            use(path)


def test_a_key_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        PublicKey.load(path)


def test_a_place_where_no_key_can_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be created"):
        SecretKey.open(tmp_path / "file" / "audit.key")
    assert os.listdir(tmp_path) == ["file"]
