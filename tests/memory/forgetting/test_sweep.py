"""What is over goes by the rules of its kind, tenant and purpose; what is held stays; it can be stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.memory.forgetting.desk import alice, bob, bytes_below, eve, fact, has_run, item, olga

from pilotman.guardrails.errors import NotFound
from pilotman.memory import Memory, Retention, Selector
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.retention import Rule

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


RULES = Retention(
    session_ttl=2 * DAY,
    fact_ttl=10 * DAY,
    run_ttl=10 * DAY,
    rules=(
        Rule(kind="run", ttl=None, tenant="evil"),
        Rule(kind="run", ttl=DAY, purpose="chat"),
        Rule(kind="run", ttl=3 * DAY, tenant="acme", purpose="chat"),
        Rule(kind="fact", ttl=DAY, purpose="ads"),
    ),
)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'desk.db'}"


async def left(memory: Memory, *runs: str) -> list[str]:
    found: list[str] = []
    for run_id in runs:
        for tenant in ("acme", "evil"):
            try:
                found.append((await memory.journal.run(run_id, tenant=tenant)).run_id)
            except NotFound:
                continue
    return found


async def test_each_kind_goes_by_the_rule_that_names_most(tmp_path: Path, clock: Clock) -> None:
    async with Memory(url(tmp_path), retention=RULES, clock=clock) as memory:
        await has_run(memory, "run_chat", alice, task_type="chat")
        await has_run(memory, "run_other", alice, task_type="other")
        await has_run(memory, "run_evil", eve, task_type="chat")
        await has_run(memory, "run_open", alice, task_type="chat", state="ESCALATED")
        names = ("run_chat", "run_other", "run_evil", "run_open")
        await fact(memory, "for ads", purpose="ads")
        await fact(memory, "for all")
        await item(memory, alice)
        await item(memory, alice, space="durable")
        assert await memory.sweep() == {"runs": 0, "facts": 0, "items": 0}
        clock.now = START + 2 * DAY
        assert await memory.sweep() == {"runs": 0, "facts": 1, "items": 1}
        assert await left(memory, *names) == list(names)
        clock.now = START + 4 * DAY
        assert await memory.sweep() == {"runs": 1, "facts": 0, "items": 0}
        assert await left(memory, *names) == ["run_other", "run_evil", "run_open"]
        clock.now = START + 11 * DAY
        assert await memory.sweep() == {"runs": 1, "facts": 1, "items": 0}
        assert await left(memory, *names) == ["run_evil", "run_open"], "what is not over stays"
        assert await memory.sweep() == {"runs": 0, "facts": 0, "items": 0}
        assert (await memory.verify()).sound


async def test_what_is_held_stays_until_it_is_lifted(tmp_path: Path, clock: Clock) -> None:
    async with Memory(url(tmp_path), retention=RULES, clock=clock) as memory:
        for who in (alice, bob):
            await has_run(memory, f"run_{who.user}", who, task_type="chat")
            await fact(memory, "for ads", who, purpose="ads")
            await item(memory, who)
        hold = await memory.hold(Selector(user="alice"), principal=olga, reason="a court asks")
        clock.now = START + 5 * DAY
        assert await memory.sweep() == {"runs": 1, "facts": 1, "items": 1}
        assert await left(memory, "run_alice", "run_bob") == ["run_alice"]
        await memory.lift(hold.hold_id, principal=olga, reason="done")
        assert await memory.sweep() == {"runs": 1, "facts": 1, "items": 1}


async def test_more_than_are_looked_up_at_once_go_and_a_stopped_sweep_goes_on(
    tmp_path: Path, clock: Clock
) -> None:
    async with Memory(url(tmp_path), retention=RULES, clock=clock) as memory:
        for n in range(130):
            await fact(memory, f"for ads {n}", purpose="ads")
        clock.now = START + 2 * DAY
        of_facts = memory._sweep._of_facts  # pyright: ignore[reportPrivateUsage]
        erase, asked = of_facts.erase, 0

        async def dies(order: Order) -> Erased:
            nonlocal asked
            asked += 1
            if asked > 20:
                raise KeyboardInterrupt
            return await erase(order)

        of_facts.erase = dies  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            await memory.sweep()
        del of_facts.erase
        assert (await memory.sweep())["facts"] == 110


async def test_what_was_swept_stands_nowhere_in_clear_not_even_in_the_graph(
    tmp_path: Path, clock: Clock
) -> None:
    async with Memory(url(tmp_path), retention=RULES, clock=clock) as memory:
        one = await fact(memory, "xyzzy for everybody", olga, shared=True, purpose="ads")
        await memory.why(one, principal=olga)  # the graph has it then
        graph = await memory.provenance.graph()
        assert "xyzzy" in str(await graph.node(f"fact:{one}", tenant="acme"))
        clock.now = START + 2 * DAY
        await memory.sweep()
        node = await graph.node(f"fact:{one}", tenant="acme")
        assert node is not None
        assert node.erased
    assert not bytes_below(tmp_path, "xyzzy")
