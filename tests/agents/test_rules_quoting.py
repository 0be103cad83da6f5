"""What must not break: quotes are literal, values are told without new words, numbers or citations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.report import Passage
from pilotman.agents.rules.quoting import humanly, pieces, quotes, value_text

BOOK = """\
---
title: Disk
---
# Disk almost full

A file system that is full stops
every service that writes to it.

```
df -h | sort
```

- Remove old images and packages first.
- [A link](https://x.example) to follow.
- He said "buy disks" to everybody there.
"""


def passage(text: str, number: int = 1, *, trusted: bool = True) -> Passage:
    return Passage(
        number=number, source="a.md", version="v", heading="", text=text, trusted=trusted, fetched_at=""
    )


def test_only_prose_is_quoted() -> None:
    assert list(pieces(BOOK)) == [
        "A file system that is full stops every service that writes to it.",
        "Remove old images and packages first.",
    ]


def test_the_nearest_first_and_an_instruction_of_the_best_document() -> None:
    found = [q.text for q in quotes([passage(BOOK)], "the file system is full")]
    assert found[0].startswith("A file system")
    assert "Remove old images and packages first." in found
    assert quotes([passage(BOOK)], "payroll is late") == []


def test_a_source_that_is_not_trusted_is_named_so() -> None:
    line = quotes([passage(BOOK, 4, trusted=False)], "full file system")[0].line()
    assert line.endswith('" [4], not a trusted source')


@given(st.text(max_size=400))
def test_every_piece_stands_in_the_text_white_space_aside(text: str) -> None:
    whole = " ".join(text.split())
    assert all(piece in whole for piece in pieces(text))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\n  b \n", "a; b"),
        ({"state": "ok", "free_gib": 1.5}, "state: ok, free gib: 1.5"),
        ({"summary": "all is well", "x": 1}, "all is well"),
        ([{"a": 1}, {"a": True}], "a: 1; a: yes"),
        ({"a": {"b": [1, 2]}}, "a: (b: (1; 2))"),
        ("see [3]", "see (3)"),
        (None, "nothing"),
        ({"a": None}, "a: nothing"),
        ([], "nothing"),
        (2**70, str(2**70)),
        (list(range(20)), "0; 1; 2; 3; 4; 5; 6; 7; 8; 9; 10; 11; 12; 13; …"),
    ],
)
def test_values_on_one_line(value: Any, said: str) -> None:
    assert value_text(value) == said


def test_a_deep_value_is_cut_off() -> None:
    value: Any = "deep"
    for _ in range(500):
        value = {"a": value}
    assert "(…)" in value_text(value)


def test_names_for_people() -> None:
    assert [humanly(n) for n in ("get_refund_status", "disk_usage", "get")] == [
        "Refund status",
        "Disk usage",
        "Get",
    ]
