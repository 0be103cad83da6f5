"""Circuits: a call that was given up says nothing, a probe is one call, and late ends are not believed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.agents.circuits import Admission, Circuits, SharedCircuits
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.errors import Unavailable

BREAKER = Breaker(min_calls=2, cool_down=10.0, window=60.0)


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def opened() -> tuple[Circuits, Time]:
    time = Time()
    circuits = Circuits(time)
    for _ in range(2):
        admitted = circuits.admit("db", BREAKER)
        assert admitted is not None
        admitted.record(ok=False)
    assert circuits.admit("db", BREAKER) is None
    return circuits, time


def test_names_do_not_share_a_circuit() -> None:
    circuits, _ = opened()
    assert circuits.admit("other", BREAKER) is not None


def test_one_probe_after_the_rest_and_its_end_decides() -> None:
    circuits, time = opened()
    time.now = 11.0
    probe = circuits.admit("db", BREAKER)
    assert probe is not None
    assert circuits.admit("db", BREAKER) is None
    probe.record(ok=True)
    assert circuits.admit("db", BREAKER) is not None


def test_a_released_probe_lets_the_next_call_probe() -> None:
    circuits, time = opened()
    time.now = 11.0
    probe = circuits.admit("db", BREAKER)
    assert probe is not None
    probe.release()
    again = circuits.admit("db", BREAKER)
    assert again is not None
    again.record(ok=True)
    again.release()
    assert circuits.admit("db", BREAKER) is not None


def test_a_call_from_before_does_not_answer_for_the_probe() -> None:
    time = Time()
    circuits = Circuits(time)
    late = circuits.admit("db", BREAKER)
    for _ in range(2):
        failing = circuits.admit("db", BREAKER)
        assert failing is not None
        failing.record(ok=False)
    time.now = 11.0
    probe = circuits.admit("db", BREAKER)
    assert probe is not None
    assert late is not None
    late.record(ok=True)
    assert circuits.admit("db", BREAKER) is None, "only the probe can close it"
    probe.record(ok=False)
    assert circuits.admit("db", BREAKER) is None


def test_only_the_first_word_about_a_call_counts() -> None:
    circuits = Circuits(Time())
    admitted = circuits.admit("db", Breaker(min_calls=1))
    assert admitted is not None
    admitted.record(ok=True)
    admitted.record(ok=False)
    assert circuits.admit("db", Breaker(min_calls=1)) is not None


def test_what_one_budget_saw_counts_for_the_settings_of_another() -> None:
    circuits = Circuits(Time())
    chat, workflow = Breaker(consecutive_failures=3), Breaker(min_calls=5, failure_rate=1.0)
    for breaker in (workflow, chat, workflow, chat):
        admitted = circuits.admit("db", breaker)
        assert admitted is not None
        admitted.record(ok=False)
    assert circuits.admit("db", workflow) is None


@given(st.lists(st.tuples(st.sampled_from(["admit", "ok", "failed", "release", "wait"]), st.integers(0, 3))))
def test_a_circuit_never_stays_shut_for_ever(script: list[tuple[str, int]]) -> None:
    """Whatever calls do and however they are given up: after a rest some call is let through."""
    time = Time()
    circuits = Circuits(time)
    held: list[Admission] = []
    for what, at in script:
        if what == "admit":
            admitted = circuits.admit("db", BREAKER)
            held += [] if admitted is None else [admitted]
        elif what == "wait":
            time.now += 11.0
        elif held:
            call = held.pop(at % len(held))
            call.release() if what == "release" else call.record(ok=what == "ok")
    for call in held:
        call.release()
    time.now += 11.0
    assert circuits.admit("db", BREAKER) is not None


class Board:
    """Open circuits as a store keeps them, for workers that share it. ``gone``: it cannot be reached."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.open: dict[str, float] = {}
        self.probes: dict[str, tuple[str, float]] = {}
        self.reads = 0
        self.gone = False

    async def open_circuits(self, supervisor: str) -> Mapping[str, float]:
        self.reads += 1
        self._reach()
        return {name: self.time() - at for name, at in self.open.items()}

    async def open_circuit(self, supervisor: str, name: str) -> None:
        self._reach()
        self.open.setdefault(name, self.time())

    async def probe_circuit(self, supervisor: str, name: str, *, owner: str, cool_down: float) -> bool:
        await asyncio.sleep(0)
        self._reach()
        latest = max(self.open.get(name, inf), self.probes.get(name, ("", -inf))[1])
        if self.time() < latest + cool_down:
            return False
        self.probes[name] = owner, self.time()
        return True

    async def end_probe(self, supervisor: str, name: str, *, owner: str, ok: bool | None) -> None:
        self._reach()
        if self.probes.get(name, ("", 0))[0] == owner:
            del self.probes[name]
            if ok is not None:
                self.open.pop(name)
            if ok is False:
                self.open[name] = self.time()

    def _reach(self) -> None:
        if self.gone:
            raise Unavailable("the store is gone")


def workers(count: int) -> tuple[list[SharedCircuits], Board, Time]:
    time = Time()
    board = Board(time)
    made = [SharedCircuits(time, board, supervisor="t", owner=f"w{n}") for n in range(count)]
    return made, board, time


async def end(circuits: SharedCircuits, *, ok: bool) -> None:
    admitted = await circuits.enter("db", BREAKER)
    assert admitted is not None
    admitted.record(ok=ok)
    await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.anyio
async def test_what_one_worker_opens_is_open_for_all_within_a_second() -> None:
    (one, other), _, time = workers(2)
    await end(other, ok=True)
    for _ in range(2):
        await end(one, ok=False)
    assert await one.enter("db", BREAKER) is None
    time.now += 1.0
    assert await other.enter("db", BREAKER) is None
    assert await other.enter("else", BREAKER) is not None


@pytest.mark.anyio
async def test_of_all_workers_one_probes_and_its_end_counts_for_all() -> None:
    made, board, time = workers(4)
    for _ in range(2):
        await end(made[0], ok=False)
    for rounds in (False, True):
        time.now += 11.0
        calls = await asyncio.gather(*(w.enter("db", BREAKER) for w in made for _ in range(3)))
        [probe] = [call for call in calls if call is not None]
        probe.record(ok=rounds)
        await settled()
        assert ("db" in board.open) != rounds
    time.now += 1.0
    assert all([await worker.enter("db", BREAKER) for worker in made])


@pytest.mark.anyio
async def test_a_probe_that_was_given_up_is_anothers_to_make() -> None:
    (one, other), _, time = workers(2)
    for _ in range(2):
        await end(one, ok=False)
    time.now += 11.0
    probe = await one.enter("db", BREAKER)
    assert probe is not None
    probe.release()
    await settled()
    assert await other.enter("db", BREAKER) is not None


@pytest.mark.anyio
async def test_a_probe_that_lasted_too_long_ends_in_peace_after_anothers_has_closed_the_circuit() -> None:
    (one, other), _, time = workers(2)
    for _ in range(2):
        await end(one, ok=False)
    time.now += 11.0
    slow = await one.enter("db", BREAKER)
    assert slow is not None
    time.now += 11.0
    await end(other, ok=True)
    time.now += 1.0
    await one.enter("else", BREAKER)  # it hears of it
    slow.release()
    assert await one.enter("db", BREAKER) is not None


@pytest.mark.anyio
async def test_the_store_is_read_once_a_second_at_most_and_can_be_gone() -> None:
    (one, _), board, time = workers(2)
    for _ in range(50):
        await end(one, ok=True)
        time.now += 0.1
    assert board.reads <= 6
    board.gone = True
    for _ in range(20):
        await end(one, ok=True)
        time.now += 1.0
    for _ in range(20):
        (await one.enter("db", Breaker(consecutive_failures=1)) or pytest.fail("it is closed")).record(
            ok=False
        )
        await settled()
        assert await one.enter("db", BREAKER) is None
        time.now += 11.0
        await end(one, ok=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["enter", "ok", "failed", "release", "wait", "gone"]),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_workers_never_probe_together_and_never_rest_for_ever(script: list[tuple[int, str, int]]) -> None:
    async def scenario() -> None:
        made, board, time = workers(3)
        held: list[tuple[Admission, float]] = []
        for who, what, at in script:
            if what == "enter":
                admitted = await made[who].enter("db", BREAKER)
                held += [] if admitted is None else [(admitted, time.now)]
                probing = [since for call, since in held if call.is_probe and since > time.now - 10.0]
                assert len(probing) <= 1 or board.gone
            elif what == "wait":
                time.now += 11.0
            elif what == "gone":
                board.gone = True
            elif held:
                call, _ = held.pop(at % len(held))
                call.release() if what == "release" else call.record(ok=what == "ok")
            await settled()
        for call, _ in held:
            call.release()
        board.gone = False
        await settled()
        time.now += 11.0
        calls = [await worker.enter("db", BREAKER) for worker in made]
        assert any(calls)

    asyncio.run(scenario())
