"""What permits reserve of a cap: checked and taken at once, and given back by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.memory.conftest import START

from pilotman.guardrails.cap import UNITS, Cap, Reservation
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.reservations import CapExceeded

pytestmark = pytest.mark.anyio

TEN = Cap(name="ten", tools=frozenset({"pay"}), most=10)


def of(units: int, *, cap: Cap = TEN, **fields: Any) -> Reservation:
    values: dict[str, Any] = {"holder": "run:run_1", "since": None} | fields
    return Reservation(cap=cap, units=units * UNITS, **values)


async def issue(journal: Journal, make: Any, number: int, *wanted: Reservation) -> None:
    permit = make.permit(f"pmt_{number}", expires_at=START + timedelta(minutes=5))
    await journal.issue_permit(permit, owner="me", reserve=wanted)


async def test_no_more_than_the_cap_is_reserved(owned: Journal, make: Any) -> None:
    await issue(owned, make, 1, of(6))
    with pytest.raises(CapExceeded, match="ten"):
        await issue(owned, make, 2, of(5))
    assert await owned.permit("pmt_2") is None, "a refused call has no permit"
    await issue(owned, make, 3, of(4))
    assert await owned.is_over(of(1))
    assert not await owned.is_over(of(1, holder="run:run_2"))


async def test_the_same_permit_reserves_once(owned: Journal, make: Any) -> None:
    await issue(owned, make, 1, of(6))
    await issue(owned, make, 1, of(6))
    await issue(owned, make, 2, of(4))


async def test_of_many_at_once_only_those_that_fit_are_issued(owned: Journal, make: Any) -> None:
    tries = [issue(owned, make, number, of(3)) for number in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 3
    assert all(outcome is None or isinstance(outcome, CapExceeded) for outcome in outcomes)


async def test_a_permit_that_was_never_used_gives_back_when_it_expires(
    owned: Journal, make: Any, clock: Any
) -> None:
    await issue(owned, make, 1, of(10))
    assert await owned.is_over(of(1))
    clock.forward(minutes=6)
    assert not await owned.is_over(of(10))


@pytest.mark.parametrize(("state", "left"), [("applied", 0), ("unknown", 0), ("not_applied", 10)])
async def test_only_what_did_not_happen_is_given_back(
    owned: Journal, make: Any, clock: Any, state: Any, left: int
) -> None:
    await issue(owned, make, 1, of(10))
    await owned.intend(make.effect(), owner="me")
    await owned.settle("eff_1", state=state)
    clock.forward(minutes=6)
    assert await owned.is_over(of(left + 1))
    assert not await owned.is_over(of(left))


async def test_older_ones_than_the_window_do_not_count(owned: Journal, make: Any) -> None:
    await issue(owned, make, 1, of(10))
    assert await owned.is_over(of(1, since=START - timedelta(seconds=1)))
    assert not await owned.is_over(of(10, since=START + timedelta(seconds=1)))


async def test_a_person_may_let_one_go_over(owned: Journal, make: Any) -> None:
    await issue(owned, make, 1, of(10))
    await issue(owned, make, 2, of(5, force=True))
    assert await owned.is_over(of(0))


async def test_several_caps_are_all_or_nothing(owned: Journal, make: Any) -> None:
    tight = Cap(name="tight", tools=frozenset({"pay"}), most=1)
    with pytest.raises(CapExceeded, match="tight"):
        await issue(owned, make, 1, of(10), of(2, cap=tight))
    await issue(owned, make, 2, of(10))
