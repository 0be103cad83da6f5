from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from pilotman.memory.audit.payload_check import check, redaction, referenced
from pilotman.memory.storage.codec import dump

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
    finding = check("run_1", row, told)
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
    assert redaction(data) == ("None", None)
