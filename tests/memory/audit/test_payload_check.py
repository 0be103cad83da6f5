from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from pilotman.guardrails.seal import Forgotten, KeysInMemory, Seal, Subject
from pilotman.memory.audit.payload_check import Told, check, redactions, referenced
from pilotman.memory.storage.codec import dump
from pilotman.memory.storage.stored import headed, key_id

DIGEST = sha256(b"body").hexdigest()
OTHER = "0" * 64


@pytest.mark.parametrize(
    ("row", "told", "kind"),
    [
        ((DIGEST, b"body", None), {}, None),
        ((DIGEST, b"forged", None), {}, "edited"),
        ((DIGEST, "body", None), {}, "edited"),
        ((DIGEST, 7, None), {}, "edited"),
        ((OTHER, b"body", None), {}, "edited"),
        ((b"x", b"body", None), {}, "edited"),
        ((DIGEST, None, "why"), {DIGEST: "why"}, None),
        ((DIGEST, None, "why"), {DIGEST: "because"}, "edited"),
        ((DIGEST, None, "why"), {}, "dropped"),
        ((DIGEST, None, None), {OTHER: "why"}, "dropped"),
    ],
)
def test_a_body_is_what_its_digest_says_or_was_redacted_openly(
    row: tuple[Any, ...], told: dict[str, object], kind: str | None
) -> None:
    finding = check("run_1", row, Told(redacted=told), lambda _, body: body)
    assert (None if finding is None else (finding.kind, finding.what, finding.run_id)) == (
        None if kind is None else (kind, "payload", "run_1")
    )


@pytest.mark.parametrize(
    ("data", "digests"),
    [
        ({"request": {"payload": DIGEST}, "result": {"payload": OTHER}, "n": 1}, [DIGEST, OTHER]),
        ({"result": None}, []),
        ({"text": '{"payload":"' + DIGEST + '"}'}, []),
        ({"answer": {"payload": DIGEST, "more": 1}}, []),
        ({"deep": {"er": {"payload": DIGEST}}}, []),
        ({"result": {"payload": "of the letter"}}, []),
        ([{"payload": DIGEST}], []),
    ],
)
def test_references_are_read_where_we_write_them(data: Any, digests: list[str]) -> None:
    assert referenced(dump(data)) == digests


@pytest.mark.parametrize("data", [None, 5, b'{"payload":"', '{"payload":"', '{"payload":"x"', ""])
def test_what_cannot_be_read_refers_to_nothing(data: object) -> None:
    assert referenced(data) == []
    assert redactions(data) == {"None": None}


def test_references_of_sealed_data_are_in_its_head() -> None:
    stored = headed([bytes.fromhex(DIGEST), bytes.fromhex(OTHER)], Seal(KeysInMemory()).seal(ALICE, b"{}"))
    assert referenced(stored) == [DIGEST, OTHER]
    assert redactions(stored) == {DIGEST: "", OTHER: ""}
    assert referenced(stored[:20]) == [stored[3:20].hex()], "what was cut off refers to what is not there"


ALICE = Subject("acme", "alice")


def test_a_sealed_body_is_opened_where_its_key_is_and_must_have_a_key_of_its_run() -> None:
    keys = KeysInMemory()
    seal = Seal(keys)
    body, forged = seal.seal(ALICE, b"body"), seal.seal(ALICE, b"forged")
    told = Told(key_ids={key_id(body) or b""})

    def kind(stored: bytes) -> str | None:
        finding = check("run_1", (DIGEST, stored, None), told, lambda _, body: seal.open(ALICE, body))
        return None if finding is None else finding.kind

    assert [kind(body), kind(forged), kind(body[:-1] + b"x")] == [None, "edited", "edited"]
    keys.destroy(ALICE)
    with pytest.raises(Forgotten):
        kind(body)
    assert kind(Seal(KeysInMemory()).seal(ALICE, b"body")) == "edited", "of a key that the run never had"
    assert kind(Seal().seal(ALICE, b"forged")) == "edited"
