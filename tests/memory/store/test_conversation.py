"""What of a conversation fits into so many tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.conftest import START, Clock
from tests.memory.store.conftest import Open

from pilotman.memory.store.conversation import Turn, earlier, keep, summary
from pilotman.memory.store.store import MemoryStore

pytestmark = pytest.mark.anyio


def turn(number: int, request: str = "What is on web-1?", answer: str = "A disk. It is full.") -> Turn:
    return Turn(run_id=f"run_{number}", at=START + timedelta(minutes=number), request=request, answer=answer)


def cost(value: Any) -> int:
    return len(str(value))


@given(
    texts=st.lists(st.text(max_size=400), max_size=8),
    tokens=st.integers(0, 3000),
)
def test_a_summary_never_costs_more_and_is_of_the_last_turns_in_order(texts: list[str], tokens: int) -> None:
    turns = [turn(n, request=text, answer=text[::-1]) for n, text in enumerate(texts)]
    told = summary(turns, tokens=tokens, cost=cost)
    assert sum(cost(one.to_dict()) for one in told) <= tokens
    assert [one.run_id for one in told] == [one.run_id for one in turns[len(turns) - len(told) :]]
    for one in told:
        (whole,) = (t for t in turns if t.run_id == one.run_id)
        assert whole.request.strip().startswith(one.request.removesuffix(" …").strip())


def test_what_fits_is_told_whole_and_what_is_older_by_its_first_sentence() -> None:
    long = "The disk of web-1 is full. " + "It has been for days. " * 30
    turns = [turn(1, answer=long), turn(2, answer=long), turn(3)]
    assert summary(turns, tokens=10_000, cost=cost) == turns
    told = summary(turns, tokens=600, cost=cost)
    assert told == [turns[0].gist(), turns[1].gist(), turns[2]]
    assert told[0].answer == "The disk of web-1 is full. …"
    assert summary(turns, tokens=0, cost=cost) == []


async def test_turns_are_the_sessions_and_end_with_it(opened: Open, store: MemoryStore, clock: Clock) -> None:
    for number in (1, 2):
        clock.forward(minutes=1)
        await keep(store, turn(number))
    await keep(store, turn(2))
    assert await earlier(store) == [turn(1), turn(2)]
    assert await earlier(opened(thread_id="t2")) == []
    clock.forward(days=6)
    assert len(await earlier(store)) == 2, "it was used"
    clock.forward(days=6)
    assert len(await earlier(store)) == 2
    clock.forward(days=7)
    assert await earlier(store) == []
