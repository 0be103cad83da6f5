"""What was said before in a run's conversation: told to the run, on its record, and kept when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pilotman.agents.flow import Observation, memories
from pilotman.agents.scope import RunScope
from pilotman.agents.tokens import estimate_tokens
from pilotman.guardrails.errors import PilotmanError
from pilotman.guardrails.incoming.cleaner import clean
from pilotman.guardrails.principal import Principal
from pilotman.memory.event import Event
from pilotman.memory.facts.grounds import grounds
from pilotman.memory.facts.origin import CONVERSATION as RECALLED
from pilotman.memory.facts.origin import RECALL
from pilotman.memory.journal.records import RunRow
from pilotman.memory.memory import Memory
from pilotman.memory.store.conversation import Turn, earlier, keep, summary
from pilotman.memory.store.store import MemoryStore

TOKENS = 1_000
"""At most so many for earlier turns, and at most a tenth of the context."""


class Conversations:
    """The conversations of runs that name one (``thread_id``); others keep nothing."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def _store(self, run: RunScope) -> MemoryStore | None:
        if run.thread_id == run.run_id:
            return None
        return self._memory.conversation(principal=run.principal, thread_id=run.thread_id)

    async def recall(
        self, run: RunScope, history: Sequence[Event], *, context: int, writes: bool
    ) -> tuple[Mapping[str, Any], ...]:
        """Earlier turns as a prompt tells them; a run that goes on is told what it was told before.

        Answers may hold what third parties wrote: a team that can write is told the user's own words alone.
        """
        known = [event.data for event in history if event.kind == RECALLED]
        if known:
            told = await self._again(run, run.recorder.body(known[-1], "turns") or ())
        else:
            told = await self._recalled(run, context=context, writes=writes) if run.fresh else ()
        for turn in told:
            run.flow.observe(Observation(tool=memories(trusted=True), args={}, value=[turn["request"]]))
            if "answer" in turn:
                run.flow.observe(Observation(tool=memories(trusted=False), args={}, value=[turn["answer"]]))
        return tuple(told)

    async def _again(self, run: RunScope, told: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """What was told before, without the answers whose grounds are gone meanwhile."""
        store = self._store(run)
        try:
            now = [] if store is None else await self._standing(store, run.principal)
        except PilotmanError as error:
            run.caveat(f"what was said before could not be read: {error}")
            return ()
        fallen = {turn.run_id for turn in now if not turn.answer}
        return [
            {name: said for name, said in turn.items() if name != "answer" or turn["run_id"] not in fallen}
            for turn in told
        ]

    async def _recalled(self, run: RunScope, *, context: int, writes: bool) -> Sequence[Mapping[str, Any]]:
        store = self._store(run)
        if store is None:
            return ()
        try:
            found = await self._standing(store, run.principal)
        except PilotmanError as error:
            run.caveat(f"what was said before could not be read: {error}")
            return ()
        turns = [
            _seen(replace(turn, answer="") if writes else turn) for turn in found if turn.run_id != run.run_id
        ]
        limit = min(TOKENS, context // 10)
        told = [turn.to_dict() for turn in summary(turns, tokens=limit, cost=estimate_tokens)]
        if told:
            facts = {"runs": [turn["run_id"] for turn in told], "left_out": len(turns) - len(told)}
            facts["answers"] = any("answer" in turn for turn in told)
            body = {"payload": run.recorder.keep(told)}
            run.recorder.emit(RECALLED, actor="memory", path="conversation", turns=body, **facts)
        return told

    async def _standing(self, store: MemoryStore, principal: Principal) -> list[Turn]:
        """The last turns; of those whose grounds are gone or have changed the user's own words alone."""
        found = await earlier(store)
        stand = await self._memory.facts.stand([turn.grounds for turn in found], principal)
        return [
            turn if stands else replace(turn, answer="") for turn, stands in zip(found, stand, strict=True)
        ]

    async def keep(self, run: RunScope, row: RunRow, answer: str) -> None:
        """Let the conversation's next run know what this one was asked and answered."""
        store = self._store(run)
        if store is None:
            return
        turn = Turn(run_id=row.run_id, at=run.clock(), request=str(row.request["text"]), answer=answer)
        journal = self._memory.journal
        try:
            await journal.run(row.run_id, tenant=row.tenant)  # else it was forgotten meanwhile
            if run.passages or RECALL in run.tools_used:
                turn = replace(turn, grounds=await grounds(journal, row.run_id, row.tenant))
            await keep(store, turn)
        except PilotmanError as error:
            run.caveat(f"this turn is not remembered in the conversation: {error}")


def _seen(turn: Turn) -> Turn:
    """As a model may see it."""
    return replace(turn, request=str(clean(turn.request).value), answer=str(clean(turn.answer).value))
