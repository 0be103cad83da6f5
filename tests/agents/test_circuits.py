"""Circuits: a call that was given up says nothing, a probe is one call, and late ends are not believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.circuits import Admission, Circuits
from pilotman.guardrails.breaker import Breaker

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
