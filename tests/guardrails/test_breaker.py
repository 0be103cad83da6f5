"""A circuit opens on failures, lets one probe through after a while, and never stays shut for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pilotman.guardrails import Breaker
from pilotman.guardrails.breaker import Circuit
from pilotman.guardrails.errors import ConfigurationError

BREAKER = Breaker(failure_rate=0.5, min_calls=4, window=60, cool_down=30)


def after(*outcomes: bool, start: Circuit | None = None, at: float = 0.0) -> Circuit:
    circuit = start or Circuit(breaker=BREAKER)
    for n, ok in enumerate(outcomes):
        circuit = circuit.record(ok=ok, now=at + n)
    return circuit


def test_it_opens_at_the_failure_rate_and_not_before_enough_calls() -> None:
    assert after(False, False, False).state(3) == "closed"
    assert after(True, True, False, False).state(4) == "open"
    assert after(True, True, True, False).state(4) == "closed"


def test_old_calls_are_forgotten() -> None:
    circuit = after(False, False, False)
    assert after(False, True, True, True, start=circuit, at=100.0).state(104) == "closed"


def test_an_open_circuit_lets_nothing_through_until_it_has_cooled_down() -> None:
    circuit = after(False, False, False, False)
    assert circuit.admit(3.1) is None
    assert circuit.admit(32.9) is None
    assert circuit.state(33) == "half_open"


def test_half_open_lets_one_probe_through_and_its_end_decides() -> None:
    probing = after(False, False, False, False).admit(40)
    assert probing is not None
    assert probing.admit(41) is None
    assert probing.record(ok=True, now=42).state(42) == "closed"
    again = probing.record(ok=False, now=42)
    assert again.state(43) == "open"
    assert again.state(72) == "half_open"


def test_a_probe_that_never_reports_does_not_shut_the_circuit_for_ever() -> None:
    probing = after(False, False, False, False).admit(40)
    assert probing is not None
    assert probing.admit(69) is None
    assert probing.admit(70) is not None


def test_the_late_end_of_a_call_from_before_changes_nothing() -> None:
    circuit = after(False, False, False, False)
    assert circuit.record(ok=True, now=5) == circuit
    assert circuit.record(ok=False, now=5) == circuit


def test_a_closed_circuit_starts_with_a_clean_slate() -> None:
    probing = after(False, False, False, False).admit(40)
    assert probing is not None
    closed = probing.record(ok=True, now=41)
    assert after(False, False, False, start=closed, at=42).state(45) == "closed"


class AnyHistory(RuleBasedStateMachine):
    """Calls begin and end as they please while time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.circuit = Circuit(breaker=BREAKER)

    @rule(seconds=st.floats(0, 50))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        admitted = self.circuit.admit(self.now)
        if self.circuit.state(self.now) == "closed":
            assert admitted == self.circuit
        if self.circuit.state(self.now) == "open":
            assert admitted is None
        self.circuit = admitted or self.circuit

    @rule(ok=st.booleans())
    def end(self, ok: bool) -> None:
        self.circuit = self.circuit.record(ok=ok, now=self.now)

    @invariant()
    def it_lets_somebody_through_sooner_or_later(self) -> None:
        assert self.circuit.admit(self.now + BREAKER.cool_down) is not None

    @invariant()
    def it_remembers_only_its_window(self) -> None:
        calls = list(self.circuit.calls)
        assert len(calls) <= 13
        assert all(since > calls[-1][0] - BREAKER.window for since, _, _ in calls)


TestAnyHistory = AnyHistory.TestCase


class InARow(RuleBasedStateMachine):
    """A breaker that counts failures in a row, beside the plainest model of what it must do."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.circuit = Circuit(breaker=Breaker(consecutive_failures=3, min_calls=10_000, cool_down=30))
        self.row = 0
        self.opened_at: float | None = None
        self.probing = False

    @rule(seconds=st.sampled_from([0.0, 1.0, 29.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(ok=st.booleans())
    def call(self, ok: bool) -> None:
        admitted = self.circuit.admit(self.now)
        rests = self.opened_at is not None and self.now < self.opened_at + 30
        assert (admitted is None) == rests
        if admitted is None:
            return
        self.circuit = admitted.record(ok=ok, now=self.now)
        self.row = 0 if ok else self.row + 1
        if self.opened_at is not None:  # it was the probe
            self.opened_at, self.row = (None, 0) if ok else (self.now, 0)
        elif self.row == 3:
            self.opened_at, self.row = self.now, 0

    @invariant()
    def it_is_where_the_model_says(self) -> None:
        assert (self.circuit.state(self.now) == "closed") == (self.opened_at is None)


TestInARow = InARow.TestCase


@given(st.integers(1, 9), st.lists(st.booleans(), max_size=40))
def test_so_many_failures_in_a_row_open_it_whatever_the_rate_says(most: int, outcomes: list[bool]) -> None:
    circuit = Circuit(breaker=Breaker(consecutive_failures=most, min_calls=10_000))
    row = 0
    for n, ok in enumerate(outcomes):
        circuit = circuit.record(ok=ok, now=float(n))
        row = 0 if ok else row + 1
        assert (circuit.state(n) == "open") == (row >= most)
        if row >= most:
            return


@given(
    *[st.builds(Breaker, consecutive_failures=st.none() | st.integers(1, 5), min_calls=st.integers(1, 9))] * 2
)
def test_the_narrower_of_two_opens_whenever_one_of_them_does(one: Breaker, other: Breaker) -> None:
    both = one.narrow(other)
    assert both == other.narrow(one)
    for breaker in (one, other):
        mine, narrow = Circuit(breaker=breaker), Circuit(breaker=both)
        for n in range(10):
            mine, narrow = (c.record(ok=False, now=float(n)) for c in (mine, narrow))
            assert narrow.state(n) == "open" or mine.state(n) == "closed"


@given(st.lists(st.booleans(), max_size=60))
def test_success_alone_never_opens_it(outcomes: list[bool]) -> None:
    assert after(*[True for _ in outcomes]).state(len(outcomes)) == "closed"


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate": 0},
        {"failure_rate": 1.1},
        {"min_calls": 0},
        {"window": 0},
        {"consecutive_failures": 0},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Breaker(**wrong)
