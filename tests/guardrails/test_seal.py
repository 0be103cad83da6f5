"""What is sealed opens for its subject, in its place, as long as its key lives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.seal import Forgotten, KeysInMemory, Seal, Subject, Tampered

ALICE, BOB = Subject("acme", "alice"), Subject("acme", "bob")


@given(value=st.binary(max_size=2000) | st.text(max_size=900).map(lambda text: (text * 3).encode()))
def test_what_is_sealed_opens_again(value: bytes) -> None:
    for seal, subject in ((Seal(KeysInMemory()), ALICE), (Seal(KeysInMemory()), None), (Seal(), ALICE)):
        assert seal.open(subject, seal.seal(subject, value, b"here"), b"here") == value


@given(text=st.text())
def test_text_that_was_never_sealed_opens_as_it_is(text: str) -> None:
    assert Seal(KeysInMemory()).open(ALICE, text.encode()) == text.encode()


def test_owned_content_is_not_there_to_read() -> None:
    secret = b"my account is 4711 " * 60
    sealed = Seal(KeysInMemory()).seal(ALICE, secret)
    assert b"4711" not in sealed
    assert len(sealed) < len(secret) / 4, "it is packed before it is encrypted"


def test_the_same_value_is_never_sealed_to_the_same_bytes() -> None:
    seal = Seal(KeysInMemory())
    assert seal.seal(ALICE, b"yes") != seal.seal(ALICE, b"yes")


def test_without_its_key_nothing_opens() -> None:
    keys = KeysInMemory()
    seal = Seal(keys)
    old = seal.seal(ALICE, b"4711")
    assert keys.destroy(ALICE)
    assert not keys.destroy(ALICE)
    with pytest.raises(Forgotten):
        seal.open(ALICE, old)
    new = seal.seal(ALICE, b"4712")
    assert seal.open(ALICE, new) == b"4712"
    with pytest.raises(Forgotten):
        seal.open(ALICE, old)


def test_nobody_opens_what_is_anothers_or_was_moved_or_changed() -> None:
    seal = Seal(KeysInMemory())
    sealed = seal.seal(ALICE, b"4711", b"facts/1")
    seal.seal(BOB, b"x")
    with pytest.raises(Forgotten):
        seal.open(BOB, sealed, b"facts/1")
    with pytest.raises(Tampered):
        seal.open(ALICE, sealed, b"facts/2")
    with pytest.raises(Tampered):
        seal.open(ALICE, sealed[:-1] + bytes((sealed[-1] ^ 1,)), b"facts/1")
    with pytest.raises(Tampered):
        seal.open(ALICE, bytes((sealed[0] ^ 1,)) + sealed[1:], b"facts/1")


@given(value=st.binary(max_size=50), other=st.binary(max_size=50))
def test_a_blind_name_is_the_values_and_the_subjects_own(value: bytes, other: bytes) -> None:
    keys = KeysInMemory()
    name = Seal(keys).blind(ALICE, value)
    assert name == Seal(keys).blind(ALICE, value)
    assert (name == Seal(keys).blind(ALICE, other)) is (value == other)
    assert name not in (Seal(keys).blind(BOB, value), Seal(KeysInMemory()).blind(ALICE, value))
    keys.destroy(ALICE)
    assert name != Seal(keys).blind(ALICE, value), "nobody can look for it any more"


def test_what_is_looked_up_makes_no_key_and_finds_nothing_where_there_is_none() -> None:
    keys = KeysInMemory()
    seal = Seal(keys)
    assert seal.sought(ALICE, b"x") != seal.sought(ALICE, b"x")
    assert seal.blinder(ALICE)(b"x") != seal.blinder(ALICE)(b"x")
    assert seal.pseudonym(ALICE, "x", seek=True).startswith("~")
    assert keys.find(ALICE) is None
    assert seal.blind(ALICE, b"x") == seal.sought(ALICE, b"x") == seal.blinder(ALICE)(b"x")
    assert (
        seal.pseudonym(ALICE, "x")
        == seal.pseudonym(ALICE, "x", seek=True)
        == f"~{seal.blind(ALICE, b'x').hex()[:48]}"
    )
    assert Seal().pseudonym(ALICE, "x") == "x"


def test_a_value_knows_whether_its_key_is_still_there() -> None:
    keys = KeysInMemory()
    sealed, packed = Seal(keys).seal(ALICE, b"x"), Seal(keys).seal(None, b"x")
    assert Seal(keys).opens(ALICE, sealed)
    keys.destroy(ALICE)
    assert not Seal(keys).opens(ALICE, sealed)
    keys.current(ALICE)
    assert not Seal(keys).opens(ALICE, sealed), "another key"
    assert Seal(keys).opens(ALICE, packed)
    assert not Seal().opens(ALICE, sealed)
