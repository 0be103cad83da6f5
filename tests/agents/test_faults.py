"""A faulty tool fails on cue, with the real function behind it."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.patience import PATIENCE, PROCESS_PATIENCE, in_time

from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.faults import Fault, faulty
from pilotman.agents.result import ToolResult
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError

pytestmark = pytest.mark.anyio

CTX = ToolContext(
    run_id="run_1",
    principal=Principal(tenant="acme", user="alice"),
    idempotency_key="k",
    deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
    credentials={},
    attempt=1,
)


async def call(known: Tool[..., Any], *, timeout: float = PATIENCE) -> ToolResult:
    return await known.call({"title": "a"}, CTX, timeout=timeout, threads=Threads())


def desk() -> tuple[Tool[..., str], Tool[..., str], list[str]]:
    """The same tool, synchronous and not."""
    titles: list[str] = []

    @tool(effect="write", idempotency_key="{title}")
    def open_ticket(title: str) -> str:
        titles.append(title)
        return f"T-{len(titles)}"

    @tool(effect="write", idempotency_key="{title}")
    async def open_later(title: str) -> str:
        titles.append(title)
        return f"T-{len(titles)}"

    @open_later.lookup
    async def find(title: str) -> str | None:
        return "T-1" if title in titles else None

    assert callable(find)
    return open_ticket, open_later, titles


@pytest.mark.parametrize("which", [0, 1], ids=["synchronous", "asynchronous"])
async def test_faults_come_in_order_and_then_all_is_well(which: int) -> None:
    known = desk()[which]
    titles = desk()[2]
    faults: list[Fault] = ["timeout", "ok", "garbage", "hang"]
    bad = faulty(known, faults=faults)  # type: ignore[arg-type]  # pyright: ignore
    results = [await call(bad, timeout=0.1 if n == faults.index("hang") else PATIENCE) for n in range(6)]
    kinds = [result.error.kind if result.error else result.status for result in results]
    assert kinds == ["unknown_outcome", "ok", "unknown_outcome", "unknown_outcome", "ok", "ok"]
    assert [result.value for result in results] == [None, "T-1", None, None, "T-3", "T-4"]
    assert titles == []  # another desk's


async def test_a_faulty_tool_is_the_same_tool_otherwise() -> None:
    _, known, titles = desk()
    bad = faulty(known, faults=["hang"])
    assert (bad.name, bad.version, bad.identity, bad.fn) == (
        known.name,
        known.version,
        known.identity,
        known.fn,
    )
    assert bad.has_lookup
    with in_time():
        assert (await call(bad, timeout=0.1)).error is not None
    assert await bad.find({"title": "a"}, CTX, timeout=PATIENCE, threads=Threads()) is None
    assert (await call(known)).value == "T-1"
    assert titles == ["a"]


def test_an_unknown_fault_is_refused() -> None:
    wrong: Any = ["explode"]
    with pytest.raises(ConfigurationError, match="explode"):
        faulty(desk()[0], faults=wrong)


SCRIPT = """
import asyncio, sys
from datetime import UTC, datetime
from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.faults import faulty
from pilotman.agents.tool import tool
from pilotman.guardrails import Principal

@tool(effect="write")
def act(title: str) -> str:
    print("applied", flush=True)
    return ""
ctx = ToolContext(run_id="r", principal=Principal(tenant="t", user="u"), idempotency_key="", attempt=1,
                  deadline_at=datetime(2030, 1, 1, tzinfo=UTC), credentials={})
bad = faulty(act, faults=[sys.argv[1]])
asyncio.run(bad.call({"title": "a"}, ctx, timeout=60.0, threads=Threads()))
print("survived")
"""


@pytest.mark.parametrize(("fault", "said"), [("crash_before", ""), ("crash_after", "applied\n")])
def test_a_crash_kills_the_process_before_or_after_the_call(fault: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, fault],
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == said
