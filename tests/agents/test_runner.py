"""Attempts of tool calls: retried where that is safe, within the time and the purse, and all written down."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.office import QUICK, Office, office, proposed
from tests.patience import in_time

from pilotman.agents.failure import ToolFailure
from pilotman.agents.result import ToolError, ToolResult
from pilotman.agents.runner import ToolRunner
from pilotman.agents.scope import NoActivity
from pilotman.agents.testing import faulty
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.purse import limits
from pilotman.guardrails.retry import FailureKind, Retry

pytestmark = pytest.mark.anyio
ANY_KIND: Retry = Retry(
    max_attempts=3,
    backoff_ms=(1,),
    retry_on=frozenset({"timeout", "rate_limit", "transient", "unknown_outcome"}),
)


class Scripted:
    """A tool whose n-th call has the n-th end: a value, or a failure that is raised."""

    def __init__(self, *ends: Any, effect: Effect = "read", **settings: Any) -> None:
        self.calls = 0
        self.ends = ends
        settings.setdefault("retry", QUICK)

        @tool(effect=effect, **settings)
        async def probe(host: str = "web-1") -> Any:
            """Look at a host."""
            self.calls += 1
            end = ends[min(self.calls, len(ends)) - 1]
            if isinstance(end, BaseException):
                raise end
            return await end() if inspect.iscoroutinefunction(end) else end

        self.tool: Tool[..., Any] = probe


def fails(kind: FailureKind, retry_after: float | None = None) -> ToolFailure:
    return ToolFailure(f"it is {kind}", kind=kind, retry_after=retry_after)


async def runner(place: Office, **fields: Any) -> ToolRunner:
    timeout = fields.pop("timeout", 60.0)
    return ToolRunner(place.task(await place.run(timeout=timeout), **fields))


async def test_every_attempt_is_in_the_journal() -> None:
    async with office() as place:
        probe = Scripted(fails("transient"), fails("rate_limit"), "fine")
        run = await runner(place)
        result = await run.run(proposed("probe"), probe.tool)
        assert (result.value, probe.calls) == ("fine", 3)
        events = await place.events()
        assert [(e.kind, e.data.get("attempt")) for e in events] == [
            ("tool_call_started", 1),
            ("tool_call_failed", 1),
            ("retry_scheduled", 1),
            ("tool_call_started", 2),
            ("tool_call_failed", 2),
            ("retry_scheduled", 2),
            ("tool_call_started", 3),
            ("tool_call_completed", 3),
        ]
        assert [e.data["final"] for e in events if e.kind == "tool_call_failed"] == [False, False]
        assert run.task.run.caveats == []


async def test_the_last_failure_is_final_and_replayed() -> None:
    async with office() as place:
        probe = Scripted(fails("transient"))
        run = await runner(place)
        first = await run.run(proposed("probe"), probe.tool)
        assert probe.calls == 3
        failed = await place.events("run_1", "tool_call_failed")
        assert [e.data["final"] for e in failed] == [False, False, True]
        again = ToolRunner(place.task(await place.run(new=False)))
        assert again.recorded(proposed("probe")) == first
        assert again.recorded(proposed("probe", host="web-2")) is None
        assert "probe failed: it is transient" in run.task.run.caveats


@settings(max_examples=25)
@given(
    effect=st.sampled_from(["read", "egress", "write", "irreversible"]),
    kinds=st.lists(
        st.sampled_from(
            ["timeout", "rate_limit", "transient", "validation", "conflict", "unknown_outcome", "permanent"]
        ),
        min_size=1,
        max_size=4,
    ),
    as_value=st.booleans(),
)
def test_a_write_is_tried_again_only_if_nothing_was_applied(effect: Any, kinds: Any, as_value: bool) -> None:
    """Whatever its settings say, and whether it raises its failure or returns it as a value."""

    def end(kind: FailureKind) -> Any:
        error = ToolError(kind=kind, message="no", retryable=True)
        return ToolResult.failed(error) if as_value else fails(kind)

    async def scenario() -> None:
        async with office() as place:
            probe = Scripted(*map(end, kinds), "fine", effect=effect, retry=ANY_KIND)
            run = await runner(place)
            result = await run.run(proposed("probe"), probe.tool)
            safe = {"rate_limit", "transient"}
            if effect == "read":
                safe |= {"timeout", "unknown_outcome"} if as_value else {"timeout"}
            expected = next((n for n, kind in enumerate(kinds, 1) if kind not in safe), len(kinds) + 1)
            assert probe.calls == min(expected, 3)
            assert (result.error is None) == (probe.calls == len(kinds) + 1)

    asyncio.run(scenario())


async def test_what_is_not_retryable_is_not_tried_again() -> None:
    async with office() as place:
        error = ToolError(kind="transient", message="its own word", retryable=False)
        probe = Scripted(ToolResult.failed(error))
        result = await (await runner(place)).run(proposed("probe"), probe.tool)
        assert (result.error, probe.calls) == (error, 1)


async def test_retry_after_is_honoured_and_never_beyond_the_time_left() -> None:
    async with office() as place:
        probe = Scripted(fails("rate_limit", 0.1), "fine")
        run = await runner(place)
        began = time.monotonic()
        assert (await run.run(proposed("probe"), probe.tool)).value == "fine"
        assert time.monotonic() - began >= 0.1
        (waited,) = await place.events("run_1", "retry_scheduled")
        assert waited.data["delay_ms"] == 100
    async with office() as place:
        probe = Scripted(fails("rate_limit", 30.0), "fine")
        run = await runner(place, timeout=25.0)
        with in_time():
            result = await run.run(proposed("probe"), probe.tool)
        assert result.error is not None
        assert result.error.kind == "rate_limit"
        (failed,) = await place.events("run_1", "tool_call_failed")
        assert failed.data["final"], "nothing follows, so it is the last"


@pytest.mark.parametrize(("own", "budget", "left"), [(0.1, 30.0, 60.0), (30.0, 0.1, 60.0), (30.0, 30.0, 0.1)])
async def test_a_call_takes_no_longer_than_the_shortest_limit(own: float, budget: float, left: float) -> None:
    async with office() as place:

        async def hang() -> Any:
            await asyncio.sleep(60)

        place.clock.stop()
        probe = Scripted(hang, timeout=own, retry=Retry(max_attempts=1))
        run = await runner(place, budget=Budget(tool_timeout=budget), timeout=left)
        with in_time():
            result = await run.run(proposed("probe"), probe.tool)
        assert result.error is not None
        assert result.error.kind == "timeout"


async def test_a_synchronous_tool_that_never_returns_is_left() -> None:
    async with office() as place:

        @tool(effect="read", timeout=0.1, retry=Retry(max_attempts=1))
        def stuck() -> str:
            """Never returns."""
            return ""

        run = await runner(place)
        with in_time():
            result = await run.run(proposed("stuck"), faulty(stuck, faults=["hang"]))
        assert result.error is not None
        assert result.error.kind == "timeout"


async def test_the_purse_ends_in_an_error_value() -> None:
    async with office() as place:
        probe = Scripted("fine")
        run = await runner(place, budget=Budget(max_tool_calls=1))
        assert (await run.run(proposed("probe"), probe.tool)).value == "fine"
        result = await run.run(proposed("probe", "task:t1/turn:1/call:0"), probe.tool)
        assert probe.calls == 1
        assert result.error is not None
        assert "not started" in result.error.message
        assert not result.error.retryable
        (exceeded,) = await place.events("run_1", "budget_exceeded")
        assert exceeded.data["limit"] == "max_tool_calls"
        assert len(await place.events("run_1", "tool_call_started")) == 1
        (failed,) = await place.events("run_1", "tool_call_failed")
        assert failed.data.get("attempt") is None, "it never began"
        assert any("not started" in caveat for caveat in run.task.run.caveats)


async def test_a_retry_that_cannot_be_paid_for_keeps_the_first_failure() -> None:
    async with office() as place:
        probe = Scripted(fails("transient"))
        run = await runner(place, budget=Budget(max_tool_calls=1))
        result = await run.run(proposed("probe"), probe.tool)
        assert result.error is not None
        assert result.error.message.startswith("it is transient; not tried again: tool calls")
        again = ToolRunner(place.task(await place.run(new=False)))
        assert again.recorded(proposed("probe")) == result


async def test_no_call_starts_when_the_time_is_up() -> None:
    async with office() as place:
        probe = Scripted("fine")
        run = await runner(place, timeout=0.0)
        result = await run.run(proposed("probe"), probe.tool)
        assert result.error is not None
        assert "time is used up" in result.error.message
        assert probe.calls == 0


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["fine", "transient", "hang", "cancel"]), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_the_purse_holds_under_parallel_calls(ends: list[str], calls: int) -> None:
    async def hang() -> Any:
        await asyncio.sleep(60)

    async def scenario() -> None:
        async with office() as place:
            script = [{"fine": "fine", "transient": fails("transient")}.get(end, hang) for end in ends]
            probe = Scripted(*script, timeout=0.01)
            run = await runner(place, budget=Budget(max_tool_calls=calls))
            work = [
                asyncio.create_task(run.run(proposed("probe", f"task:t1/turn:{n}/call:0"), probe.tool))
                for n in range(len(ends))
            ]
            await asyncio.sleep(0.005)
            for one, end in zip(work, ends, strict=True):
                if end == "cancel":
                    one.cancel()
            await asyncio.wait(work)
            purse = run.task.wallet.purse
            assert not purse.reserved
            assert purse.settled.tool_calls <= limits(run.task.wallet.budget).tool_calls
            assert probe.calls <= calls

    asyncio.run(scenario())


async def test_an_open_circuit_is_an_answer() -> None:
    async with office() as place:
        probe = Scripted(
            fails("transient"), retry=Retry(max_attempts=1), breaker=Breaker(min_calls=2, cool_down=10.0)
        )
        run = await runner(place)
        for n in range(2):
            await run.run(proposed("probe", f"p{n}"), probe.tool)
        result = await run.run(proposed("probe", "p2"), probe.tool)
        assert probe.calls == 2
        assert result.error is not None
        said = "could not check probe: it failed too often lately and is given a rest"
        assert result.error.message == said
        assert said in run.task.run.caveats
        assert not run.task.wallet.purse.reserved
        assert run.task.wallet.purse.settled.tool_calls == 2, "it was not called"


async def test_a_cancelled_probe_does_not_keep_a_circuit_open() -> None:
    async with office() as place:
        began = asyncio.Event()

        async def slow() -> Any:
            began.set()
            await asyncio.sleep(60)

        probe = Scripted(
            fails("transient"),
            slow,
            "fine",
            retry=Retry(max_attempts=1),
            breaker=Breaker(min_calls=1, cool_down=10.0),
        )
        run = await runner(place)
        await run.run(proposed("probe", "p0"), probe.tool)
        place.now[0] += 11.0
        call = asyncio.create_task(run.run(proposed("probe", "p1"), probe.tool))
        await began.wait()
        call.cancel()
        await asyncio.wait([call])
        assert (await run.run(proposed("probe", "p2"), probe.tool)).value == "fine"


async def test_a_refusal_of_the_service_says_nothing_about_its_health() -> None:
    async with office() as place:
        probe = Scripted(fails("validation"), breaker=Breaker(min_calls=1))
        run = await runner(place)
        for n in range(3):
            await run.run(proposed("probe", f"p{n}"), probe.tool)
        assert probe.calls == 3


async def test_attempts_go_on_counting_after_a_crash() -> None:
    async with office() as place:
        began = asyncio.Event()

        async def slow() -> Any:
            began.set()
            await asyncio.sleep(60)

        probe = Scripted(fails("transient"), slow, "fine")
        run = await runner(place)
        work = asyncio.create_task(run.run(proposed("probe"), probe.tool))
        await began.wait()
        work.cancel()
        await asyncio.wait([work])
        again = ToolRunner(place.task(await place.run(new=False)))
        assert (await again.run(proposed("probe"), probe.tool)).value == "fine"
        started = await place.events("run_1", "tool_call_started")
        assert [e.data["attempt"] for e in started] == [1, 2, 3]
        assert again.task.run.recorder.spent("").tool_calls == 2, "what the first life has started"


async def test_the_run_is_told_while_a_tool_is_waited_for() -> None:
    class Seen(NoActivity):
        def __init__(self) -> None:
            self.deltas: list[int] = []

        def waiting(self, path: str, delta: int) -> None:
            self.deltas.append(delta)

    async with office() as place:
        run = await runner(place)
        run.task.run.activity = seen = Seen()
        await run.run(proposed("probe"), Scripted(RuntimeError("x")).tool)
        assert sum(seen.deltas) == 0
        assert seen.deltas
