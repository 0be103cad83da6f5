"""Quotas in the journal: exact whoever uses them at once, in one process or in several."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.memory.conftest import START
from tests.memory.test_processes import finish, reading, start

from pilotman.guardrails import Principal, Quota
from pilotman.guardrails.errors import QuotaExceeded
from pilotman.guardrails.purse import Spend
from pilotman.guardrails.quota import Usage, Window
from pilotman.memory.journal.journal import Journal

pytestmark = pytest.mark.anyio
TEN = Quota(per="tenant", window=60, max_runs=10, max_tokens=100)


def window(quota: Quota = TEN, *, tenant: str = "acme", user: str = "alice", clock: Any = None) -> Window:
    now = START if clock is None else clock.now
    return quota.window_of(Principal(tenant=tenant, user=user), "t", now)


def spend(tokens: int) -> Spend:
    return Spend(input_tokens=tokens)


async def reserved(journal: Journal, tokens: int, *windows: Window) -> bool:
    try:
        await journal.reserve_quota(windows or [window()], spend(tokens))
    except QuotaExceeded:
        return False
    return True


async def created(journal: Journal, make: Any, name: str, *windows: Window, **fields: Any) -> bool:
    try:
        _, new = await journal.create_run(make.run(name, **fields), events=[make.event()], quotas=windows)
    except QuotaExceeded:
        return False
    return new


async def test_of_many_calls_at_once_only_those_that_fit_are_made(journal: Journal) -> None:
    made = await asyncio.gather(*(reserved(journal, 30) for _ in range(8)))
    assert sum(made) == 3
    assert await journal.quota_usage(window()) == Usage(tokens_reserved=90)


async def test_what_was_reserved_is_settled_with_what_was_used(journal: Journal) -> None:
    assert await reserved(journal, 90)
    assert not await reserved(journal, 20)
    journal.settle_quota("run_1", [window()], reserved=spend(90), used=spend(15))
    assert await reserved(journal, 85)
    assert not await reserved(journal, 1)
    journal.settle_quota("run_1", [window()], reserved=spend(85), used=spend(500))
    await journal.flush()
    assert await journal.quota_usage(window()) == Usage(tokens=100), "booked as far as the limit goes"


async def test_runs_are_counted_when_they_are_stored(journal: Journal, make: Any) -> None:
    done = await asyncio.gather(*(created(journal, make, f"r{n}", window()) for n in range(14)))
    assert sum(done) == 10
    assert len(await journal.runs(tenant="acme")) == 10
    assert (await journal.quota_usage(window())).runs == 10
    with pytest.raises(QuotaExceeded, match="10 runs of this tenant in 60 s") as refused:
        await journal.create_run(make.run("more"), events=[], quotas=[window()])
    assert refused.value.retry_after == pytest.approx(54.3, abs=0.1)
    assert refused.value.limit == "max_runs"


async def test_the_same_request_counts_once(journal: Journal, make: Any) -> None:
    one = window(Quota(per="tenant", window=60, max_runs=1))
    assert await created(journal, make, "a", one, idempotency_key="k")
    assert not await created(journal, make, "b", one, idempotency_key="k")
    assert (await journal.run("a", tenant="acme")).run_id == "a"
    assert (await journal.quota_usage(one)).runs == 1


async def test_of_several_quotas_all_have_to_have_room(journal: Journal, make: Any) -> None:
    user = Quota(per="user", window=3600, max_runs=1)
    alice, bob = window(user), window(user, user="bob")
    assert await created(journal, make, "a", window(), alice)
    assert not await created(journal, make, "b", window(), alice)
    assert await created(journal, make, "c", window(), bob)
    assert (await journal.quota_usage(window())).runs == 2, "what was refused is counted nowhere"
    small = window(Quota(per="user", window=60, max_tokens=5))
    assert not await reserved(journal, 6, window(), small)
    assert (await journal.quota_usage(window())).tokens_reserved == 0


async def test_each_window_begins_with_nothing_used(journal: Journal, clock: Any) -> None:
    first = window()
    assert await reserved(journal, 100)
    clock.forward(seconds=60)
    second = window(clock=clock)
    assert await reserved(journal, 100, second)
    journal.settle_quota("run_1", [first], reserved=spend(100), used=spend(100))  # it ended after its window
    await journal.flush()
    assert await journal.quota_usage(first) == Usage(), "it is forgotten"
    assert await journal.quota_usage(second) == Usage(tokens_reserved=100)


async def test_tenants_have_quotas_of_their_own(journal: Journal) -> None:
    assert await reserved(journal, 100)
    assert await reserved(journal, 100, window(tenant="other"))


BODY = """
from pilotman.guardrails import Quota
from pilotman.guardrails.errors import QuotaExceeded
from pilotman.guardrails.purse import Spend
quota = Quota(per="tenant", window=10**9, max_runs=25, max_tokens=500)
window = quota.window_of(bob, "t", now)
for i in range(60):
    spend = Spend(input_tokens=20 + i % 7)
    try:
        await journal.reserve_quota([window], spend)
        journal.settle_quota("r", [window], reserved=spend, used=Spend(input_tokens=10))
        say("call", 1)
    except QuotaExceeded:
        say("call", 0)
    try:
        await journal.create_run(run(f"{name}-{i}"), events=[], quotas=[window])
        say("run", 1)
    except QuotaExceeded:
        say("run", 0)
await journal.flush()
"""


async def test_two_processes_never_use_more_than_there_is(shared_url: str) -> None:
    said = finish([start(shared_url, name, BODY) for name in ("a", "b")])
    calls = sum(number for what, number in said if what == "call")
    runs = sum(number for what, number in said if what == "run")
    journal = await reading(shared_url)
    quota = Quota(per="tenant", window=10**9, max_runs=25, max_tokens=500)
    usage = await journal.quota_usage(quota.window_of(Principal(tenant="acme", user="a"), "t", START))
    await journal.aclose()
    assert usage == Usage(runs=runs, tokens=10 * calls)
    assert runs == 25
    assert 470 < usage.tokens <= 500, "all of it was used, but for what a call would have reserved"
