from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.memory.event import NewEvent
from pilotman.memory.journal.events import append, prepare, read
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow
from pilotman.memory.journal.runs import create
from pilotman.memory.storage.database import database

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def test_numbers_have_no_gaps_and_known_keys_are_passed_over(owned: Journal, make: Any) -> None:
    owned.append("run_1", [make.event("a", n=1), make.event("a", n=2), make.event("b")])
    owned.append("run_1", [make.event("b"), make.event("run_started"), make.event("c")])
    events = await owned.events("run_1", tenant="acme")
    assert [event.seq for event in events] == [1, 2, 3, 4]
    assert events[1].data == {"n": 1}
    assert (await owned.run("run_1", tenant="acme")).next_seq == 5


async def test_a_reader_goes_on_after_what_it_has(owned: Journal, make: Any) -> None:
    owned.append("run_1", [make.event(f"e{i}") for i in range(5)])
    assert [e.seq for e in await owned.events("run_1", tenant="acme", after=4)] == [5, 6]
    assert await owned.events("run_1", tenant="acme", after=6) == []


async def test_a_reader_of_some_kinds_is_given_no_others(owned: Journal, make: Any) -> None:
    owned.append("run_1", [make.event(f"e{i}", kind=f"kind {i % 3}") for i in range(6)])
    found = await owned.events("run_1", tenant="acme", after=2, kinds=("kind 1", "kind 2", "none"))
    assert [(event.seq, event.kind) for event in found] == [
        (3, "kind 1"),
        (4, "kind 2"),
        (6, "kind 1"),
        (7, "kind 2"),
    ]


async def test_appends_keep_their_order_among_awaited_operations(owned: Journal, make: Any) -> None:
    owned.append("run_1", [make.event("b", kind="before")])
    move = make.move(1, "RECEIVED", "PLANNED")
    moved = asyncio.ensure_future(
        owned.move("run_1", owner="me", transition=move, events=[make.event("m", kind="at")])
    )
    await asyncio.sleep(0)
    owned.append("run_1", [make.event("a", kind="after")])
    await moved
    assert [event.kind for event in await owned.events("run_1", tenant="acme")] == [
        "run_started",
        "before",
        "at",
        "after",
    ]


async def test_an_event_comes_back_as_it_was(owned: Journal, make: Any) -> None:
    data = {"path": "plan:0", "nested": {"a": [1, None, {"b": "ü\u0000\u202e"}]}, "f": 0.1}
    owned.append("run_1", [make.event("x", kind="plan_made", **data)])
    event = (await owned.events("run_1", tenant="acme"))[-1]
    assert (event.kind, event.actor, event.data, event.run_id) == ("plan_made", "desk", data, "run_1")
    assert event.at.utcoffset() is not None
    assert '"kind":"plan_made"' in event.to_json()


async def test_what_json_cannot_hold_fails_with_its_caller_and_harms_nobody(
    owned: Journal, make: Any
) -> None:
    with pytest.raises(TypeError):
        owned.append("run_1", [make.event("bad", thing=object())])
    owned.append("run_1", [make.event("lone", text="a\ud800b")])
    assert (await owned.events("run_1", tenant="acme"))[-1].data == {"text": "a\ufffdb"}


async def test_calls_of_a_conversation_are_counted_over_its_runs(journal: Journal, make: Any) -> None:
    for run_id, tenant, thread in (
        ("run_1", "acme", "t"),
        ("run_2", "acme", "t"),
        ("run_3", "acme", "u"),
        ("run_4", "other", "t"),
    ):
        row = make.run(run_id, tenant=tenant, thread_id=thread)
        await journal.create_run(row, events=[], queued=True)
        for i in range(2):
            journal.append(
                run_id,
                [
                    make.event(f"s{i}", kind="tool_call_started", tool="look_up"),
                    make.event(f"c{i}", kind="tool_call_completed", tool="look_up"),
                ],
            )
    attempts = [make.event(f"w{n}", kind="tool_call_started", tool="open", path="p") for n in range(3)]
    journal.append("run_2", attempts)
    counted = {}
    for run_id in ("run_1", "run_4"):
        claimed = await journal.claim(run_id, owner="me", lease=timedelta(hours=1), is_dead=lambda _: False)
        assert claimed is not None
        counted[run_id] = claimed.conversation_calls
    assert counted == {"run_1": {"look_up": 4, "open": 1}, "run_4": {"look_up": 2}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {
                "path": "p",
                "model": "m",
                "input_tokens": 7,
                "output_tokens": 8,
                "cost_nusd": 9,
                "status": "ok",
            },
            ("p", "m", None, None, 7, 8, 9, "ok"),
        ),
        (
            {"tool": "t", "latency_ms": 1.5, "status": "partial"},
            (None, None, "t", 1.5, None, None, None, "partial"),
        ),
        ({"tool": "t", "result": {"payload": "d"}}, (None, None, "t", None, None, None, None, None)),
        ({"failure": "timeout", "latency_ms": 3}, (None, None, None, 3.0, None, None, None, "timeout")),
        ({"verdict": "deny", "input_tokens": 2**63}, (None, None, None, None, None, None, None, "deny")),
        ({"tool": "t", "result": "what somebody said"}, (None, None, "t", *(None,) * 5)),
        ({"tool": "t", "state": "what somebody said"}, (None, None, "t", *(None,) * 5)),
        ({"tool": ["x"], "latency_ms": True, "cost_nusd": None}, (None,) * 8),
    ],
)
def test_columns_are_filled_from_what_is_present(data: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = prepare("run_1", NewEvent(kind="k", actor="a", data=data, key="k", at=NOW))
    names = ("step_id", "model", "tool", "latency_ms", "input_tokens", "output_tokens", "cost_nusd", "result")
    assert tuple(row[name] for name in names) == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=8), max_size=6))
def test_any_batches_give_each_run_its_first_keys_in_order(batches: list[list[tuple[int, int]]]) -> None:
    store = database("sqlite://", busy_timeout=1)
    store.open()
    expected: dict[int, list[int]] = {run: [] for run in range(3)}
    try:
        with store.transaction("write") as connection:
            for run in expected:
                create(connection, a_run(str(run)), queued=True)
        for batch in batches:
            rows = [
                prepare(str(run), NewEvent(kind=str(key), actor="a", data={}, key=str(key), at=NOW))
                for run, key in batch
            ]
            with store.transaction("write") as connection:
                append(connection, rows)
            for run, key in batch:
                if key not in expected[run]:
                    expected[run].append(key)
        with store.transaction("read") as connection:
            for run, keys in expected.items():
                stored = [(event.seq, int(event.kind)) for event in read(connection, str(run), 0)]
                assert stored == list(enumerate(keys, start=1))
    finally:
        store.close()


def a_run(run_id: str) -> RunRow:
    return RunRow(
        run_id=run_id,
        tenant="acme",
        user="alice",
        principal={},
        supervisor="desk",
        thread_id=run_id,
        request={},
        state="RECEIVED",
        created_at=NOW,
        updated_at=NOW,
        budget={},
        versions={},
    )
