"""The recorder: nothing twice, results by step and digest, also after a crash."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.office import Office, office

from pilotman.agents.recorder import MAX_PAYLOAD, Recorder, event_key
from pilotman.guardrails.purse import Spend

pytestmark = pytest.mark.anyio


async def reborn(place: Office, run_id: str = "run_1") -> Recorder:
    await place.journal.flush()
    events = await place.journal.events(run_id, tenant="acme")
    payloads = await place.journal.payloads(run_id)
    return Recorder(place.journal, run_id, clock=place.clock, history=events, payloads=payloads)


def call(stage: str, path: str = "task:t1/turn:0/call:0", **data: Any) -> dict[str, Any]:
    return {"kind": f"tool_call_{stage}", "path": path, "digest": "d", "tool": "probe", **data}


def emit(recorder: Recorder, event: dict[str, Any]) -> None:
    fields = dict(event)
    recorder.emit(fields.pop("kind"), actor="worker", **fields)


async def test_the_same_event_is_stored_once_in_all_lives() -> None:
    async with office() as place:
        recorder = (await place.run()).recorder
        for _ in range(2):
            emit(recorder, call("started", attempt=1))
        emit(await reborn(place), call("started", attempt=1))
        emit(await reborn(place), call("started", attempt=2))
        assert [e.data["attempt"] for e in await place.events()] == [1, 2]


async def test_what_was_recorded_is_known_to_the_next_life() -> None:
    async with office() as place:
        recorder = (await place.run()).recorder
        body = {"payload": recorder.keep({"value": 1})}
        emit(recorder, call("started", attempt=1))
        emit(recorder, call("completed", attempt=1, result=body))
        recorder.emit("task_completed", actor="w", path="task:t1", task_id="t1", report={"text": "x"})
        for one in (recorder, await reborn(place)):
            done = one.result("tool_call", "task:t1/turn:0/call:0", "d")
            assert one.body(done, "result") == {"value": 1}
            assert one.attempts("tool_call", "task:t1/turn:0/call:0", "d") == 1
            assert one.result("tool_call", "task:t1/turn:0/call:1", "d") is None
            assert one.result("tool_call", "task:t1/turn:0/call:0", "other") is None
        assert (await reborn(place)).report("task:t1") == {"text": "x"}


async def test_only_the_final_failure_ends_a_call() -> None:
    async with office() as place:
        recorder = (await place.run()).recorder
        emit(recorder, call("failed", attempt=1, final=False))
        assert recorder.result("tool_call", "task:t1/turn:0/call:0", "d") is None
        emit(recorder, call("failed", attempt=2, final=True))
        assert recorder.result("tool_call", "task:t1/turn:0/call:0", "d") is not None


async def test_the_outcome_of_a_write_is_found_by_its_step() -> None:
    async with office() as place:
        recorder = (await place.run()).recorder
        facts = {"path": "p", "digest": "d", "effect_id": "eff_1"}
        recorder.emit("effect_intended", actor="w", attempt=1, **facts)
        assert recorder.attempts("effect", "p", "d") == 1
        assert recorder.result("effect", "p", "d") is None
        recorder.emit("effect_not_applied", actor="w", attempt=1, result=None, **facts)
        recorder.emit(
            "effect_applied", actor="w", attempt=2, result={"payload": recorder.keep("yes")}, **facts
        )
        for one in (recorder, await reborn(place)):
            assert one.body(one.result("effect", "p", "d"), "result") == "yes"


async def test_what_was_spent_is_summed_by_step() -> None:
    async with office() as place:
        recorder = (await place.run()).recorder
        used = {"input_tokens": 10, "output_tokens": 3, "cost_nusd": 7}
        turn = {"path": "task:t1/turn:0", "digest": "d", "model": "m"}
        recorder.emit("model_call_failed", actor="w", attempt=1, input_tokens=4, **turn)
        recorder.emit("model_call_completed", actor="w", attempt=2, **turn, **used)
        recorder.emit(
            "model_call_completed", actor="w", path="task:t10/turn:0", digest="d", model="m", **used
        )
        unpriced = {**used, "cost_nusd": None}
        recorder.emit("model_call_completed", actor="w", path="answer:0", digest="d", model="m", **unpriced)
        emit(recorder, call("started", attempt=1))
        assert recorder.spent("") == Spend(), "this life's own spending is in the purse"
        later = await reborn(place)
        own = Spend(steps=2, tool_calls=1, input_tokens=14, output_tokens=3, cost_nusd=7)
        assert later.spent("task:t1") == own, "and not what task:t10 has spent"
        assert later.spent("").input_tokens == 34
        assert later.spent("").cost_nusd == 14


async def test_a_body_that_is_too_large_is_cut_and_not_taken_for_the_body() -> None:
    async with office() as place:
        recorder = (await place.run()).recorder
        name = recorder.keep({"text": "é" * MAX_PAYLOAD})
        small = recorder.keep({"truncated": 1})
        assert recorder.fetch(name) is None
        assert recorder.fetch(small) == {"truncated": 1}
        stored = await place.journal.payload("run_1", name, tenant="acme")
        assert len(stored) < MAX_PAYLOAD // 8
        assert (await reborn(place)).fetch(name) is None


async def test_what_cannot_be_stored_is_said_at_once() -> None:
    async with office() as place:
        with pytest.raises(TypeError):
            (await place.run()).recorder.keep({"x": object()})


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.text(max_size=300), st.integers(0, 3)), max_size=8))
def test_keys_tell_events_apart_and_repeat_themselves(items: list[tuple[str, str, int]]) -> None:
    facts = [
        {"path": path, "digest": digest, "attempt": n, "message": str(i)}
        for i, (path, digest, n) in enumerate(items)
    ]
    keys = [event_key("tool_call_started", fact) for fact in facts]
    assert all(len(key) <= 200 for key in keys)
    for i, one in enumerate(items):
        for j, other in enumerate(items):
            if ":" not in one[1] + other[1]:
                assert (keys[i] == keys[j]) == (one == other)


def test_each_caveat_and_each_exceeded_limit_is_an_event_of_its_own() -> None:
    async def scenario() -> None:
        async with office() as place:
            run = await place.run()
            for text in ("one", "two", "one"):
                run.caveat(text)
            assert run.caveats == ["one", "two"]
            for limit in ("max_steps", "timeout", "timeout"):
                run.recorder.emit("budget_exceeded", actor="s", path="p", limit=limit, message="")
            assert len(await place.events("run_1", "caveat")) == 2
            assert len(await place.events("run_1", "budget_exceeded")) == 2

    asyncio.run(scenario())
