"""The turns of a conversation, kept in its session, and what of them fits into so many tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pilotman.memory.store.store import MemoryStore

SPACE = ("session", "conversation")
"""Where a session that stands apart keeps its turns, one an item, by the id of the run."""
MOST_TURNS = 20
_LONGEST = 8_000
"""Characters of a request or an answer that are kept."""
_SENTENCE = re.compile(r".{1,160}?[.!?\u3002](?=\s|$)|.{1,160}(?=\s|$)|.{1,160}", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What was asked and answered in one run; ``answer`` is empty where it must not be told. ``grounds`` are
    the ids of what the answer stands on."""

    run_id: str
    at: datetime
    request: str
    answer: str
    grounds: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """As a model is told it: a memory, no order and no source."""
        told = {"run_id": self.run_id, "at": self.at.isoformat(), "author": "memory", "request": self.request}
        return told | ({"answer": self.answer} if self.answer else {})

    def gist(self) -> Turn:
        """Its first sentences."""
        return replace(self, request=_first(self.request), answer=_first(self.answer))


def _first(text: str) -> str:
    found = _SENTENCE.match(text.strip())
    return "" if found is None else found[0] if found.end() == len(text.strip()) else f"{found[0]} …"


async def keep(store: MemoryStore, turn: Turn) -> None:
    """Keep a turn as long as the session lasts; the same run's again takes its place."""
    said = {"request": turn.request[:_LONGEST], "answer": turn.answer[:_LONGEST]}
    value = {"at": turn.at.isoformat(), **said, "grounds": sorted(turn.grounds)}
    await store.aput(SPACE, turn.run_id, value)


async def earlier(store: MemoryStore) -> list[Turn]:
    """The last turns of the conversation, the oldest first. They were used: the session lives on."""
    found = await store.asearch(SPACE, limit=MOST_TURNS)
    turns = [
        Turn(
            run_id=item.key,
            at=datetime.fromisoformat(item.value["at"]),
            request=item.value["request"],
            answer=item.value["answer"],
            grounds=frozenset(item.value.get("grounds", ())),
        )
        for item in found
    ]
    return sorted(turns, key=lambda turn: (turn.at, turn.run_id))


def summary(turns: Sequence[Turn], *, tokens: int, cost: Callable[[Any], int]) -> list[Turn]:
    """What of the turns costs at most so many tokens, the oldest first: extracts, never new words.

    The last ones whole, as far as half of the tokens reach; those before by their first sentences, as far as
    the rest does. It depends on nothing but its arguments.
    """
    told: list[Turn] = []
    left, whole = tokens, True
    for turn in reversed(turns):
        price = cost(turn.to_dict())
        whole = whole and price <= left - tokens // 2
        if not whole:
            turn = turn.gist()
            price = cost(turn.to_dict())
            if price > left:
                break
        told.append(turn)
        left -= price
    return told[::-1]
