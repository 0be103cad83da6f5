"""What a recall costs as facts grow, and what a search of a store: the first, the next, and after one write.

A file with keys. Each number is the median of some rounds, the first recall alone is one. Queries have three
words; a tenth of the facts hold one of them.

    python -m tests.bench.recall [FACTS …]
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from pilotman.guardrails import Principal
from pilotman.memory import Memory
from pilotman.memory.facts import rows

SIZES = (100, 1_000, 10_000)
ROUNDS = 9
ME = Principal(tenant="acme", user="alice", roles=frozenset({"operator"}))
QUERY = "which disk was replaced"
SPACE = ("notes",)


def texts(number: int) -> list[str]:
    """Sentences of twelve words out of two thousand; in a tenth of them one word of the query."""
    rng = random.Random(7)
    words = ["".join(rng.choices("abcdefghiklmnoprstuw", k=7)) for _ in range(2_000)]
    said = [rng.choices(words, k=12) for _ in range(number)]
    for sentence in said[::10]:
        sentence[3] = rng.choice(("disk", "replaced"))
    return [" ".join(sentence) for sentence in said]


async def fill(memory: Memory, said: list[str]) -> None:
    """Facts as ``remember`` would store them, a thousand in a transaction: it takes minutes one by one."""
    (first, *_) = [await memory.remember(said[0], principal=ME, source="user", reason="bench")]

    def work(connection: Connection, start: int) -> None:
        row = rows.get(connection, first.fact_id, tenant=ME.tenant)
        shelf: Any = vars(memory.facts)["_shelf"]
        for number in range(start, min(start + 1_000, len(said))):
            fact = replace(first, fact_id=f"fact_{number:020}", text=said[number])
            new = {"fact_id": fact.fact_id, "body": shelf.body(fact, ME.tenant), "digest": f"{number:064}"}
            rows.add(connection, row | new, ())

    for start in range(1, len(said), 1_000):
        await memory.journal.transact(lambda connection, since=start: work(connection, since))  # type: ignore[misc]
    store = memory.as_store(principal=ME)
    for start in range(0, len(said), 500):
        batch = said[start : start + 500]
        await asyncio.gather(
            *(store.aput(SPACE, f"{start + n}", {"text": text, "n": n}) for n, text in enumerate(batch))
        )


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    since = time.perf_counter()
    await work()
    return (time.perf_counter() - since) * 1e3


async def measured(
    ask: Callable[[], Awaitable[object]], write: Callable[[int], Awaitable[object]]
) -> tuple[float, float, float]:
    """The first, the next, and the one after a write."""
    gc.collect()
    first = await timed(ask)
    again = statistics.median([await timed(ask) for _ in range(ROUNDS)])
    after: list[float] = []
    for number in range(ROUNDS):
        await write(number)
        after.append(await timed(ask))
    return first, again, statistics.median(after)


async def taken(memory: Memory) -> tuple[int, int]:
    """Bytes of the process that a recall keeps, and what is reckoned."""
    gists: Any = vars(memory.facts)["_gists"]
    gists.drop(ME.tenant, ME.user)
    await memory.recall("x", principal=ME, valid_at=datetime.now(UTC))  # it keeps nothing
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await memory.recall(QUERY, principal=ME)
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return kept, gists.size


async def bench(size: int, folder: Path) -> list[list[str]]:
    url = f"sqlite:///{folder / f'{size}.db'}"
    async with Memory(url) as memory:
        await fill(memory, texts(size))
    async with Memory(url) as memory:
        store = memory.as_store(principal=ME)

        async def write(number: int) -> None:
            await memory.remember(f"the disk {number} is new", principal=ME, source="user", reason="bench")

        async def put(number: int) -> None:
            await store.aput(SPACE, f"new {number}", {"text": f"the disk {number} is new"})

        told = [
            ("recall", *await measured(lambda: memory.recall(QUERY, principal=ME), write)),
            ("recall, no query", *await measured(lambda: memory.recall(principal=ME), write)),
            ("search", *await measured(lambda: store.asearch(SPACE, query=QUERY), put)),
        ]
        kept, reckoned = await taken(memory)
        table = [[f"{size:,}", name, *(f"{one:.1f}" for one in took), ""] for name, *took in told]
        table[0][-1] = f"{kept / size:,.0f} ({reckoned / size:,.0f})"
        return table


def main() -> None:
    sizes = [int(one) for one in sys.argv[1:]] or SIZES
    table = Table(title="Recall and search, ms")
    for column in ("facts", "what", "first", "next", "after a write", "bytes a fact (reckoned)"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            for row in asyncio.run(bench(size, Path(folder))):
                table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
