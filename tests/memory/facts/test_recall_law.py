"""Recall as of two times, against a list that keeps everything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.memory.conftest import START, Clock

from pilotman.guardrails import Principal
from pilotman.memory import Memory

USERS = [Principal(tenant=t, user=u) for t in ("acme", "evil") for u in ("alice", "bob")]
DAYS = st.integers(-3, 12)


@dataclass
class Known:
    """A fact as the model keeps it."""

    text: str
    who: Principal
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    expires_at: datetime | None
    retracted_at: datetime | None = None
    quarantined: bool = False

    def told(self, who: Principal, *, valid: datetime, recorded: datetime, now: datetime) -> bool:
        return (
            who == self.who
            and not self.quarantined
            and self.recorded_at <= recorded
            and (self.retracted_at is None or recorded < self.retracted_at)
            and self.valid_from <= valid
            and (self.valid_to is None or valid < self.valid_to)
            and (self.expires_at is None or now < self.expires_at)
        )


def day(number: int) -> datetime:
    return START + timedelta(days=number)


STEPS = st.one_of(
    st.tuples(
        st.just("remember"),
        st.sampled_from(USERS),
        DAYS,
        st.none() | st.integers(1, 6),
        st.none() | st.integers(1, 6),
    ),
    st.tuples(st.just("retract"), st.integers(0, 20)),
    st.tuples(st.just("quarantine"), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.integers(1, 3)),
    st.tuples(st.just("look"), DAYS, DAYS),
)


class Machine:
    """Does each step in the memory and in the list."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self.memory = memory
        self.clock = clock
        self.known: dict[str, Known] = {}

    async def step(self, what: str, *args: Any) -> None:
        if what == "wait":
            self.clock.forward(days=args[0])
        elif what == "look":  # what was read then must not be told later
            await self.check(*args)
        elif what == "remember":
            await self.remember(*args)
        elif self.known:
            fact_id: str = list(self.known)[int(args[0]) % len(self.known)]
            fact = self.known[fact_id]
            if what == "quarantine":
                await self.memory.quarantine(fact_id, principal=fact.who, reason="odd")
                fact.quarantined = True
            elif fact.retracted_at is None:
                await self.memory.retract(fact_id, principal=fact.who, reason="wrong")
                fact.retracted_at = self.clock()

    async def remember(self, who: Principal, since: int, length: int | None, kept: int | None) -> None:
        now, text = self.clock(), f"fact number {len(self.known)}"
        until = None if length is None else day(since + length)
        retention = None if kept is None else timedelta(days=kept)
        fact = await self.memory.remember(
            text,
            principal=who,
            source="user",
            reason="law",
            valid_from=day(since),
            valid_to=until,
            retention=retention,
        )
        ends = None if retention is None else now + retention
        self.known[fact.fact_id] = Known(text, who, day(since), until, now, ends)

    async def check(self, valid: int, recorded: int) -> None:
        moments = {"valid": day(valid), "recorded": day(recorded)}
        for who in USERS:
            found = await self.memory.recall(
                principal=who, limit=99, valid_at=moments["valid"], recorded_at=moments["recorded"]
            )
            expected = {f.text for f in self.known.values() if f.told(who, **moments, now=self.clock())}
            assert {fact.text for fact in found} == expected
            asked = await self.memory.recall("fact", principal=who, limit=99)
            times = dict.fromkeys(("valid", "recorded", "now"), self.clock())
            assert {fact.text for fact in asked} == {
                f.text for f in self.known.values() if f.told(who, **times)
            }


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=14), st.lists(st.tuples(DAYS, DAYS), min_size=1, max_size=4))
def test_recall_tells_what_was_believed_then_of_what_held_then(
    steps: list[tuple[Any, ...]], looks: list[tuple[int, int]]
) -> None:
    async def law() -> None:
        clock = Clock()
        async with Memory(clock=clock) as memory:
            machine = Machine(memory, clock)
            for step in steps:
                await machine.step(*step)
            for valid, recorded in looks:
                await machine.check(valid, recorded)

    asyncio.run(law())
