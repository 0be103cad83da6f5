"""What the tests of forgetting share: who asks, and stores that fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import Unavailable
from pilotman.memory import Memory
from pilotman.memory.forgetting.order import Order, Store
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.journal.records import RunRow

alice = Principal(tenant="acme", user="alice")
bob = Principal(tenant="acme", user="bob")
olga = Principal(tenant="acme", user="olga", roles=frozenset({"operator"}))
eve = Principal(tenant="evil", user="alice", roles=frozenset({"operator"}))
MARK = "xyzzy"


class Crash(BaseException):
    """The process dies: nobody handles this."""


class Fails:
    """A store of its own that fails while ``error`` is set, before or after it has erased."""

    def __init__(self, name: str, error: BaseException | None, *, after: Store | None = None) -> None:
        self.name = name if after is None else after.name
        self.error = error
        self.asked = 0
        self._after = after

    async def find(self, order: Order) -> Erased:
        return Erased() if self._after is None else await self._after.find(order)

    async def erase(self, order: Order) -> Erased:
        self.asked += 1
        done = Erased() if self._after is None else await self._after.erase(order)
        if self.error is not None:
            raise self.error
        return done


def unreachable() -> Unavailable:
    return Unavailable("the store does not answer", hint="try again")


async def has_run(
    memory: Memory, run_id: str, who: Principal, *, state: str = "COMPLETED", **more: Any
) -> None:
    """A run that says ``MARK`` in its request, and in a body."""
    at = more.pop("at", memory._clock())  # pyright: ignore[reportPrivateUsage]
    row = RunRow(
        run_id=run_id,
        tenant=who.tenant,
        user=who.user,
        principal=who.to_dict(),
        supervisor="desk",
        thread_id=run_id,
        request={"text": MARK},
        state=state,
        created_at=at,
        updated_at=at,
        budget={},
        versions={},
        **more,
    )
    await memory.journal.create_run(row, events=[])
    memory.journal.put_payload(run_id, f"{MARK} {run_id}".encode())
    await memory.journal.flush()


async def has_read(memory: Memory, run_id: str, *documents: tuple[str, str]) -> None:
    """The run was shown documents, each by source and id."""
    from pilotman.memory.event import NewEvent

    shown = [
        {"source": f"{source}/{document}", "origin": source, "document_id": document, "version": "v1"}
        for source, document in documents
    ]
    event = NewEvent(
        kind="retrieval_completed",
        actor="supervisor",
        data={"path": "recall:0", "snapshot_id": "s", "documents": shown},
        key="read",
        at=memory._clock(),  # pyright: ignore[reportPrivateUsage]
    )
    memory.journal.append(run_id, [event])
    await memory.journal.flush()


async def was_told(memory: Memory, run_id: str, fact_id: str) -> None:
    """The run was told a fact."""
    from pilotman.memory.event import NewEvent

    data = {
        "path": "remembered",
        "documents": [{"source": f"fact:{fact_id}", "version": "v", "fact_id": fact_id}],
    }
    at = memory._clock()  # pyright: ignore[reportPrivateUsage]
    event = NewEvent(kind="facts_recalled", actor="memory", data=data, key="told", at=at)
    memory.journal.append(run_id, [event])
    await memory.journal.flush()


async def has_said(memory: Memory, run_id: str, text: str, *cited: tuple[str, str]) -> None:
    """The run has answered, and cited documents of sources, each by source and id."""
    from pilotman.memory.event import NewEvent

    told = [{"source": "/".join(one), "version": "v1", "quote": MARK} for one in cited]
    data = {"path": "answer", "answer": text, "citations": told, "confidence": 1.0}
    at = memory._clock()  # pyright: ignore[reportPrivateUsage]
    event = NewEvent(kind="answer_validated", actor="validation", data=data, key="answer", at=at)
    memory.journal.append(run_id, [event])
    await memory.journal.flush()


async def fact(memory: Memory, text: str, who: Principal = alice, **more: Any) -> str:
    values: dict[str, Any] = {"source": "user", "reason": "asked", **more}
    return (await memory.remember(text, principal=who, **values)).fact_id


async def facts(memory: Memory, who: Principal = alice) -> list[str]:
    return sorted(one.text for one in await memory.recall(principal=who))


async def item(memory: Memory, who: Principal, name: str = "it", space: str = "session") -> None:
    store = memory.as_store(principal=who, thread_id="t1")
    await store.aput((space, "notes"), name, {"text": MARK})


async def items(memory: Memory, who: Principal, space: str = "session") -> int:
    return len(await memory.as_store(principal=who, thread_id="t1").asearch((space,)))


def bytes_below(folder: Path, *marks: str) -> list[str]:
    files: Sequence[Path] = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if any(one.encode() in file.read_bytes() for one in marks)]
