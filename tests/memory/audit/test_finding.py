from __future__ import annotations

import pytest

from pilotman.memory.audit.finding import Finding, merged


def event(kind: str, first: int, last: int | None = None, run_id: str = "run_1", **more: object) -> Finding:
    fields = {"kind": kind, "what": "event", "run_id": run_id, "first": first, "last": last or first}
    return Finding(**{**fields, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (event("edited", 7), "edited: event 7 of run_1"),
        (event("edited", 7, since=5), "edited: event 7 of run_1 (perhaps from 5 on)"),
        (event("dropped", 7, 9), "dropped: events 7 to 9 of run_1"),
        (
            Finding(kind="dropped", what="run", run_id="run_1", note="with its events 1 to 4"),
            "dropped: run run_1: with its events 1 to 4",
        ),
        (Finding(kind="truncated", what="block", first=3, last=4), "truncated: blocks 3 to 4"),
        (Finding(kind="forged", what="anchor", first=3, last=3, note="why"), "forged: anchor 3: why"),
        (
            Finding(kind="edited", what="payload", run_id="run_1", digest="abc"),
            "edited: payload abc of run_1",
        ),
        (Finding(kind="inserted", what="event", note="2 too many"), "inserted: event: 2 too many"),
    ],
)
def test_a_finding_says_what_and_where(finding: Finding, text: str) -> None:
    assert str(finding) == text
    assert finding.to_dict()["text"] == text
    assert None not in finding.to_dict().values()


def test_neighbours_of_one_kind_are_one_finding() -> None:
    found = [
        event("edited", 1),
        event("edited", 2),
        event("edited", 3, 5),
        event("edited", 7),
        event("dropped", 8),
        event("dropped", 9, run_id="run_2"),
        event("dropped", 10, run_id="run_2", note="why"),
    ]
    assert list(merged(found)) == [event("edited", 1, 5), *found[3:]]
    assert list(merged([])) == []


def test_anchors_stay_apart() -> None:
    anchors = [Finding(kind="forged", what="anchor", first=n, last=n) for n in (1, 2)]
    assert list(merged(anchors)) == anchors
