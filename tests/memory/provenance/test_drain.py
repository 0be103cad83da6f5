"""The outbox: nothing is lost or doubled, whoever tells it and whatever is gone meanwhile."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import Connection, text
from tests.memory.conftest import Clock
from tests.memory.provenance.told import Faulty, lived, story
from tests.patience import PATIENCE, PROCESS_PATIENCE, pass_time, until

from pilotman.guardrails.errors import Unavailable
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.outbox import Lag
from pilotman.memory.provenance.drain import LONGEST, Drain
from pilotman.memory.provenance.graph import Graph
from pilotman.memory.provenance.prov import fold_all
from pilotman.memory.provenance.sheet import Origin
from pilotman.memory.provenance.sql_graph import SqlGraph

pytestmark = pytest.mark.anyio
LENGTH = len(story())


async def size(journal: Journal, *run_ids: str) -> tuple[int, int]:
    """How many nodes and edges the runs' events tell."""
    runs = [await journal.run(run_id, tenant="acme") for run_id in run_ids]
    told = fold_all(
        [(Origin.of(run, journal.seal), await journal.events(run.run_id, tenant="acme")) for run in runs]
    )
    ids = {node.id for node in told.nodes} | {end for e in told.edges for end in (e.source, e.target)}
    return len(ids), len(told.edges)


async def test_what_was_written_is_told_once_and_then_there_is_no_lag(journal: Journal) -> None:
    graph = Faulty()
    drain = Drain(journal, graph, name="g")
    assert await drain.lag() == Lag()
    await lived(journal, "run_a", "run_b")
    assert (await drain.lag()).events == 2 * LENGTH
    assert await drain.drain()
    assert await graph.count() == await size(journal, "run_a", "run_b")
    assert await drain.lag() == Lag()
    merges = graph.merges
    assert await drain.drain()
    assert graph.merges == merges
    await drain.aclose()


async def test_a_question_and_the_feed_open_the_graph_once(journal: Journal) -> None:
    """Two who create constraints at the same time would wait for each other in Neo4j."""

    class Slow(SqlGraph):
        starts = 0

        async def start(self) -> None:
            self.starts += 1
            for _ in range(5):
                await asyncio.sleep(0)
            await super().start()

    graph = Slow("sqlite://")
    drain = Drain(journal, graph, name="g")
    await lived(journal, "run_a")
    await asyncio.gather(drain.opened(), drain.drain(), drain.opened())
    assert graph.starts == 1
    assert await graph.count() == await size(journal, "run_a")
    await drain.aclose()


async def test_lag_tells_the_age_of_the_oldest_event(journal: Journal, clock: Clock) -> None:
    clock.forward(minutes=1)
    drain = Drain(journal, Faulty(), name="g")
    await lived(journal, "run_a")
    first, _, *_ = story()
    lag = await drain.lag()
    assert lag.seconds == pytest.approx((clock() - first.at).total_seconds())


async def test_a_graph_that_breaks_and_comes_back_has_everything(journal: Journal) -> None:
    graph = Faulty()
    graph.breaks_after = 1
    drain = Drain(journal, graph, name="g")
    await lived(journal, *(f"run_{n}" for n in range(30)))
    with pytest.raises(Unavailable):
        await drain.drain()
    assert (await drain.lag()).error == "the graph is gone"
    await lived(journal, "run_later")
    graph.down = False
    assert await drain.drain()
    runs = [*(f"run_{n}" for n in range(30)), "run_later"]
    assert await graph.count() == await size(journal, *runs)
    assert await drain.lag() == Lag()
    await drain.aclose()


async def test_it_tries_again_by_itself_and_closing_does_not_wait_for_what_is_gone(journal: Journal) -> None:
    graph = Faulty()
    graph.down = True
    drain = Drain(journal, graph, name="g", linger=0.01)
    drain.start()
    await lived(journal, "run_a")

    async def noticed() -> bool:
        return (await drain.lag()).error is not None

    await until(noticed)
    graph.down = False
    pass_time(LONGEST)

    async def told() -> bool:
        return await drain.lag() == Lag()

    await until(told)
    assert await graph.count() == await size(journal, "run_a")
    graph.down = True
    await lived(journal, "run_b")
    async with asyncio.timeout(PATIENCE):
        await drain.aclose()
    assert (await journal.feed_lag("g")).events == LENGTH


async def test_closing_tells_the_rest(journal: Journal) -> None:
    graph = Faulty(SqlGraph("sqlite://"))
    drain = Drain(journal, graph, name="g", linger=3_600)
    drain.start()
    await lived(journal, "run_a")
    await drain.aclose()
    assert (await journal.feed_lag("g")).events == 0


async def test_a_graph_that_was_lost_is_told_everything_again(journal: Journal) -> None:
    first = Drain(journal, Faulty(), name="g")
    await lived(journal, "run_a")
    assert await first.drain()
    await first.aclose()
    fresh = Faulty()
    second = Drain(journal, fresh, name="g")
    await second.opened()
    assert await second.drain()
    assert await fresh.count() == await size(journal, "run_a")
    await second.aclose()


async def test_what_nobody_needs_is_not_opened(journal: Journal) -> None:
    graph = Faulty()
    graph.down = True
    drain = Drain(journal, graph, name="g")
    assert await drain.drain()
    await drain.aclose()


async def test_graphs_are_told_apart_by_name(journal: Journal) -> None:
    await lived(journal, "run_a")
    one, other = Drain(journal, Faulty(), name="one"), Drain(journal, Faulty(), name="other")
    assert await one.drain()
    assert (await other.lag()).events == LENGTH
    assert await other.drain()
    await one.aclose()
    await other.aclose()


async def test_while_one_tells_another_waits_and_who_is_dead_is_not_waited_for(journal: Journal) -> None:
    await lived(journal, "run_a")
    drain = Drain(journal, Faulty(), name="g")
    await drain.opened()
    await _claimed_by(journal, "somebody alive, elsewhere")
    assert not await drain.drain()
    dead = await asyncio.to_thread(_dead_owner)
    await _claimed_by(journal, dead)
    assert await drain.drain()
    await drain.aclose()


async def _claimed_by(journal: Journal, owner: str) -> None:
    def work(connection: Connection) -> None:
        far = 2**62
        connection.execute(text("DELETE FROM outbox"))
        values = {"owner": owner, "until": far}
        connection.execute(text("INSERT INTO outbox VALUES ('g', -1, :owner, :until)"), values)

    await journal._write(work)  # pyright: ignore[reportPrivateUsage]


def _dead_owner() -> str:
    code = "from pilotman.memory.journal.owner import owner_name; print(owner_name())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


async def test_a_run_that_is_gone_is_passed_over(journal: Journal) -> None:
    await lived(journal, "run_a", "run_b")
    await journal._write(lambda c: c.execute(text("DELETE FROM runs WHERE run_id = 'run_a'")))  # pyright: ignore[reportPrivateUsage]
    graph = Faulty()
    drain = Drain(journal, graph, name="g")
    assert await drain.drain()
    assert await graph.count() == await size(journal, "run_b")
    await drain.aclose()


async def test_a_run_that_is_forgotten_before_it_is_told_keeps_nothing_back(journal: Journal) -> None:
    await lived(journal, "run_a", "run_b")
    await journal.erase_run("run_a", tenant="acme")
    graph = Faulty()
    drain = Drain(journal, graph, name="g")
    assert await drain.drain()
    assert await graph.count() == await size(journal, "run_b")
    assert await drain.lag() == Lag()
    await drain.aclose()


async def test_events_from_before_there_were_hashes_are_told_too(journal: Journal) -> None:
    await lived(journal, "run_a")

    def as_of_old(connection: Connection) -> None:
        connection.execute(text("UPDATE events SET hash = NULL"))
        for table in ("blocks", "unsealed"):
            connection.execute(text(f"DELETE FROM {table}"))
        from pilotman.memory.journal import blocks

        blocks.begin(connection)

    await journal._write(as_of_old)  # pyright: ignore[reportPrivateUsage]
    graph = Faulty()
    drain = Drain(journal, graph, name="g")
    assert (await drain.lag()).events == LENGTH
    assert await drain.drain()
    assert await graph.count() == await size(journal, "run_a")
    await drain.aclose()


async def test_lag_is_a_metric(journal: Journal, clock: Clock) -> None:
    clock.forward(minutes=1)
    reader = InMemoryMetricReader()
    graph = Faulty()
    graph.down = True
    drain = Drain(journal, graph, name="g", linger=0.01, provider=MeterProvider([reader]))
    await lived(journal, "run_a")
    drain.start()
    await until(lambda: _gauges(reader).get("pilotman.provenance.lag.events") == LENGTH)
    assert _gauges(reader)["pilotman.provenance.lag.time"] > 0
    graph.down = False
    pass_time(LONGEST)
    await until(lambda: _gauges(reader).get("pilotman.provenance.lag.events") == 0)
    await drain.aclose()


def _gauges(reader: InMemoryMetricReader) -> dict[str, float]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: point.value  # type: ignore[union-attr]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


CHILD = """
import asyncio, sys
from pilotman.memory.journal.journal import Journal
from pilotman.memory.provenance.drain import Drain
from pilotman.memory.provenance.sql_graph import SqlGraph
from tests.memory.provenance.told import lived

async def main():
    journal = Journal(sys.argv[1], busy_timeout=60)
    await journal.start()
    drain = Drain(journal, SqlGraph(sys.argv[2], busy_timeout=60), name="g", linger=0.01)
    drain.start()
    print("begun", flush=True)
    for n in range(int(sys.argv[4])):
        await lived(journal, f"run_{sys.argv[3]}_{n}")
    print("done", flush=True)
    if sys.argv[5] == "stay":
        await asyncio.sleep(3600)
    await drain.aclose()
    await journal.aclose()

asyncio.run(main())
"""


def begin(url: str, graph: str, name: str, count: int, *, stay: bool = False) -> subprocess.Popen[str]:
    args = [sys.executable, "-c", CHILD, url, graph, name, str(count), "stay" if stay else "go"]
    return subprocess.Popen(args, stdout=subprocess.PIPE, text=True)


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


async def _whole(url: str, graph: Graph, runs: int) -> None:
    """What no process has told yet this one tells; then the graph is as if one had told it all at once."""
    async with asyncio.timeout(PROCESS_PATIENCE):
        journal = Journal(url, busy_timeout=60)
        await journal.start()
        drain = Drain(journal, graph, name="g")
        while not await drain.drain():
            await asyncio.sleep(0.1)
        await drain.opened()  # if there was nothing to tell it, it is not
        rows = await journal.runs(tenant="acme", limit=100_000)
        names = [row.run_id for row in rows]
        assert await graph.count() == await size(journal, *names)
        assert len(names) == runs or runs == 0
        await drain.aclose()
        await journal.aclose()


@pytest.mark.slow
async def test_two_processes_tell_one_graph_each_other_s_runs(shared_url: str, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'graph.db'}"
    children = [begin(shared_url, place, name, 40) for name in "ab"]
    for child in children:
        await asyncio.to_thread(child.wait, PROCESS_PATIENCE)
        assert child.returncode == 0
        if child.stdout is not None:
            child.stdout.close()
    await _whole(shared_url, SqlGraph(place, busy_timeout=60), 80)


@pytest.mark.slow
async def test_processes_killed_while_they_tell_lose_nothing(shared_url: str, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'graph.db'}"
    for life in range(5):
        child = begin(shared_url, place, str(life), 1_000, stay=True)
        assert await asyncio.to_thread(line, child) == "begun"
        graph = SqlGraph(place, busy_timeout=60)
        await graph.start()
        before, _ = await graph.count()

        async def grown(graph: SqlGraph = graph, before: int = before) -> bool:
            return (await graph.count())[0] > before

        await until(grown)  # it is telling just now
        child.send_signal(signal.SIGKILL)
        await asyncio.to_thread(child.wait)
        if child.stdout is not None:
            child.stdout.close()
        await graph.aclose()
    await _whole(shared_url, SqlGraph(place, busy_timeout=60), 0)
