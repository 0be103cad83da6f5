from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.patience import until

from pilotman.guardrails.errors import Conflict, NotFound, Unavailable
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.writer import Writer
from pilotman.memory.storage.database import SqliteDatabase

pytestmark = pytest.mark.anyio
LINGER = 0.05


class Counting(SqliteDatabase):
    """A database that notes what its transactions were for."""

    def __init__(self, path: Path | None = None, *, busy_timeout: float = 1.0) -> None:
        super().__init__(path, busy_timeout=busy_timeout)
        self.modes: list[str] = []

    def transaction(self, mode: Any) -> Any:
        self.modes.append(mode)
        return super().transaction(mode)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
async def writer(counting: Counting) -> AsyncIterator[Writer]:
    writer = Writer(counting, linger=LINGER)
    writer.launch()
    await writer.ready()
    await writer.submit(lambda c: c.execute(text("CREATE TABLE t (x INTEGER UNIQUE)")), mode="write")
    counting.modes.clear()
    yield writer
    await writer.close()


def put(number: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        return connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": number}).rowcount

    return work


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT x FROM t ORDER BY x")).scalars())


async def test_what_comes_together_is_committed_together(writer: Writer, counting: Counting) -> None:
    await asyncio.gather(*(writer.submit(put(i), mode="write") for i in range(50)))
    assert len(counting.modes) < 10
    assert await writer.submit(numbers, mode="read") == list(range(50))


async def test_one_bad_operation_harms_no_other(writer: Writer) -> None:
    def half_done(connection: Connection) -> None:
        put(100)(connection)
        raise ZeroDivisionError

    works = [put(1), half_done, put(2), put(1), put(3)]
    outcomes = await asyncio.gather(*(writer.submit(w, mode="write") for w in works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, ZeroDivisionError, int, Conflict, int]
    assert await writer.submit(numbers, mode="read") == [1, 2, 3]


async def test_a_reader_that_finds_nothing_takes_nothing_back(writer: Writer, counting: Counting) -> None:
    def missing(_: Connection) -> None:
        raise NotFound("nothing")

    outcomes = await asyncio.gather(
        writer.submit(put(1), mode="write"), writer.submit(missing, mode="read"), return_exceptions=True
    )
    assert isinstance(outcomes[1], NotFound)
    assert counting.modes in (["write"], ["write", "read"])
    assert await writer.submit(numbers, mode="read") == [1]


async def test_the_strongest_wish_decides_for_the_batch(writer: Writer, counting: Counting) -> None:
    await asyncio.gather(
        writer.submit(numbers, mode="read"),
        writer.submit(put(1), mode="full"),
        writer.submit(put(2), mode="write"),
    )
    assert "full" in counting.modes


async def test_an_operation_whose_task_is_gone_is_done_all_the_same(writer: Writer) -> None:
    task = asyncio.create_task(writer.submit(put(7), mode="write"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await writer.submit(numbers, mode="read") == [7]


async def test_appended_events_are_stored_after_the_linger(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "j.db"
    journal = Journal(f"sqlite:///{path}", linger=LINGER)
    await journal.start()
    await journal.create_run(make.run(), events=[])
    journal.append("run_1", [make.event()])
    with closing(sqlite3.connect(path)) as other:
        await until(lambda: other.execute("SELECT count(*) FROM events").fetchone() == (1,))
    await journal.aclose()


async def test_closing_stores_what_lingers(url: str, make: Any) -> None:
    journal = Journal(url, linger=60)
    await journal.start()
    await journal.create_run(make.run(), events=[])
    journal.append("run_1", [make.event()])
    await journal.aclose()
    await journal.start()
    assert len(await journal.events("run_1", tenant="acme")) == 1
    await journal.aclose()


async def test_a_lost_event_is_told_once_by_its_runs_next_step(owned: Journal, make: Any) -> None:
    owned.append("run_9", [make.event()])  # there is no such run
    owned.append("run_1", [make.event("kept")])
    await asyncio.sleep(0.1)
    assert len(await owned.events("run_1", tenant="acme")) == 2
    with pytest.raises(Conflict):
        await owned.move("run_9", owner="me", transition=make.move(1, "A", "B", "run_9"), events=[])
    with pytest.raises(NotFound):
        await owned.move("run_9", owner="me", transition=make.move(1, "A", "B", "run_9"), events=[])
    await owned.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "PLANNED"), events=[])


async def test_after_a_loss_the_rest_is_dropped_until_somebody_knows(owned: Journal, make: Any) -> None:
    owned.append("run_2", [make.event("lost")])
    await owned.events("run_1", tenant="acme")  # after it, and none of its business
    await owned.create_run(make.run("run_2"), events=[])
    owned.append("run_2", [make.event("after the gap")])
    with pytest.raises(Conflict):
        await owned.flush()
    owned.append("run_2", [make.event("told")])
    await owned.flush()
    assert len(await owned.events("run_2", tenant="acme")) == 1


async def test_a_loss_in_the_same_batch_is_told_too(owned: Journal, make: Any) -> None:
    owned.append("run_9", [make.event()])
    with pytest.raises(Conflict):
        await owned.flush()
    await owned.flush()


async def test_a_loss_that_nobody_heard_of_is_told_at_the_close(url: str, make: Any) -> None:
    journal = Journal(url)
    await journal.start()
    journal.append("run_9", [make.event()])
    with pytest.raises(Conflict):
        await journal.aclose()
    await journal.aclose()


async def test_a_closed_writer_takes_nothing(counting: Counting) -> None:
    writer = Writer(counting, linger=LINGER)
    writer.launch()
    await writer.close()
    with pytest.raises(Unavailable, match="closed"):
        await writer.submit(numbers, mode="read")


async def test_listeners_hear_of_runs_with_new_events_and_of_no_others(owned: Journal, make: Any) -> None:
    heard: list[str] = []
    stop = owned.add_listener(heard.append)
    await owned.create_run(make.run("run_2"), events=[])
    assert heard == []
    owned.append("run_2", [make.event()])
    await owned.flush()
    await owned.move(
        "run_1", owner="me", transition=make.move(1, "RECEIVED", "PLANNED"), events=[make.event("m")]
    )
    await asyncio.sleep(0)
    assert heard == ["run_2", "run_1"]
    stop()
    owned.append("run_2", [make.event("more")])
    await owned.flush()
    await asyncio.sleep(0)
    assert len(heard) == 2


async def test_a_listener_on_a_closed_loop_disturbs_nobody(owned: Journal, make: Any) -> None:
    heard: list[str] = []

    async def elsewhere() -> None:
        owned.add_listener(heard.append)

    await asyncio.to_thread(asyncio.run, elsewhere())
    for key in ("a", "b"):
        owned.append("run_1", [make.event(key)])
        await owned.flush()
    assert heard == []


async def test_an_operation_from_a_loop_that_closed_disturbs_nobody(owned: Journal) -> None:
    async def elsewhere() -> None:
        task = asyncio.ensure_future(owned.flush())
        await asyncio.sleep(0)
        task.cancel()

    for _ in range(5):
        await asyncio.to_thread(asyncio.run, elsewhere())
    await owned.flush()


async def test_many_threads_append_at_once(owned: Journal, make: Any) -> None:
    def work(name: int) -> None:
        for i in range(50):
            owned.append("run_1", [make.event(f"{name}-{i}", name=name, i=i)])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = (await owned.events("run_1", tenant="acme"))[1:]
    assert [event.seq for event in events] == list(range(2, 202))
    for name in range(4):
        assert [e.data["i"] for e in events if e.data["name"] == name] == list(range(50))
