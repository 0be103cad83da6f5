from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import orjson
import pytest

from pilotman.memory import Event


def test_an_event_is_frozen_and_one_line_of_json() -> None:
    event = Event(
        seq=3, run_id="run_1", at=datetime(2026, 1, 2, tzinfo=UTC), kind="k", actor="a", data={"text": "x\ny"}
    )
    line = event.to_json()
    assert "\n" not in line
    assert orjson.loads(line) == {
        "seq": 3,
        "run_id": "run_1",
        "at": "2026-01-02T00:00:00+00:00",
        "kind": "k",
        "actor": "a",
        "data": {"text": "x\ny"},
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.seq = 4  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
