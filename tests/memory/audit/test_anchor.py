from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory.audit.anchor import Anchor
from pilotman.memory.audit.anchor_check import AnchorCheck
from pilotman.memory.audit.keys import SecretKey
from pilotman.memory.journal.chain import EMPTY, Head

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIP = EMPTY.follow([Head("a", 1, 3, "h")])


@pytest.fixture
def key(tmp_path: Path) -> SecretKey:
    return SecretKey.open(tmp_path / "audit.key")


@given(st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=5)))))
def test_an_anchor_comes_back_from_its_line(at: datetime) -> None:
    anchor = Anchor.of(TIP, at=at, key=None)
    assert Anchor.from_json(anchor.to_json()) == anchor
    assert (anchor.blocks, anchor.events, anchor.runs, anchor.head) == (1, 3, 1, TIP.hash)
    assert "\n" not in anchor.to_json()


def test_a_signature_binds_every_field(key: SecretKey) -> None:
    said = json.loads(Anchor.of(TIP, at=AT, key=key).to_json())
    assert Anchor.from_json(json.dumps(said)).signed_by(key.public)
    others: dict[str, Any] = {
        "at": "2026-01-02T03:04:06+00:00",
        "blocks": 2,
        "events": 4,
        "runs": 2,
        "head": EMPTY.hash,
        "key": "0" * 16,
        "signature": "",
    }
    assert others.keys() | {"format"} == said.keys()
    for name, value in others.items():
        assert not Anchor.from_json(json.dumps({**said, name: value})).signed_by(key.public), name


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        "{}",
        "[]",
        "null",
        '{"format":"pilotman-anchor-2"}',
        Anchor.of(TIP, at=AT, key=None).to_json().replace(":1,", ':"1",'),
        Anchor.of(TIP, at=AT, key=None).to_json().replace(":1,", ":-1,"),
        Anchor.of(TIP, at=AT, key=None).to_json().replace('"key"', '"more":1,"key"'),
        Anchor.of(TIP, at=AT, key=None).to_json().replace(TIP.hash, "xyz"),
    ],
)
def test_what_is_no_anchor_is_told(line: str) -> None:
    with pytest.raises(InvalidRequest):
        Anchor.from_json(line)


class TestCheck:
    """Which of the anchors that were kept may be relied on."""

    def test_with_a_key_only_what_it_has_signed_counts(self, key: SecretKey, tmp_path: Path) -> None:
        other = SecretKey.open(tmp_path / "other.key")
        good = Anchor.of(TIP, at=AT, key=key).to_json()
        lines = [
            good,
            Anchor.of(TIP, at=AT, key=None).to_json(),
            Anchor.of(TIP, at=AT, key=other).to_json(),
            good.replace('"events":3', '"events":4'),
            "nonsense",
            "  \n",
            good + "\n",
        ]
        check = AnchorCheck(key.public)
        findings = list(check.findings("here", lines))
        assert [(f.kind, f.what, f.first) for f in findings] == [
            ("forged", "anchor", n) for n in (2, 3, 4, 5)
        ]
        assert [finding.note.split(";")[0] for finding in findings] == [
            "it is not signed",
            "it is signed with another key",
            "its signature is wrong",
            "it cannot be read",
        ]
        assert [(mark.number, mark.hash) for mark in check.marks] == [(1, TIP.hash)] * 2
        assert check.remarks() == []

    def test_without_a_key_what_was_not_checked_is_said(self, key: SecretKey) -> None:
        signed, bare = (Anchor.of(TIP, at=AT, key=by).to_json() for by in (key, None))
        for lines, remarks in (
            ([signed], ["signatures were not checked: no key was given"]),
            ([bare, bare], ["2 of 2 anchors are not signed"]),
            (
                [bare, signed],
                ["1 of 2 anchors are not signed", "signatures were not checked: no key was given"],
            ),
            ([], []),
        ):
            check = AnchorCheck(None)
            assert list(check.findings("here", lines)) == []
            assert check.remarks() == remarks
