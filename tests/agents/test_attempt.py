"""What a tool returns is read under its time limit too, and off the event loop if reading it runs code."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.agents.test_tool import CTX, THREADS, call, error_of
from tests.patience import in_time

from pilotman.agents.output import runs_no_code
from pilotman.agents.tool import tool

pytestmark = pytest.mark.anyio


class Endless(list[int]):
    """Says that it is short, and takes a minute."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[int]:
        for _ in range(600):
            time.sleep(0.1)
            yield 1


class Lazy(Mapping[str, Any]):
    """Looks every value up somewhere else."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["size"])

    def __getitem__(self, key: str) -> Any:
        time.sleep(self._seconds)
        return 7


@pytest.mark.parametrize("value", [Endless(), [Endless()], Lazy(60), {"a": Lazy(60)}])
@pytest.mark.parametrize("effect", ["read", "write"])
async def test_a_value_that_takes_for_ever_to_read_is_left_in_time(effect: Any, value: Any) -> None:
    @tool(effect=effect)
    async def look() -> Any:
        return value

    ticked = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, ticked.set)  # due before the time limit is
    with in_time():
        error = await error_of(look, timeout=0.2)
    assert error.kind == ("timeout" if effect == "read" else "unknown_outcome")
    assert ticked.is_set(), "the event loop went on meanwhile"


async def test_a_value_that_has_to_be_looked_up_arrives() -> None:
    @tool(effect="read")
    async def look() -> Any:
        return Lazy(0)

    assert (await call(look)).value == {"size": 7}


async def test_a_precondition_is_read_in_time_too() -> None:
    @tool(effect="write")
    async def act() -> str:
        return "done"

    @act.precondition
    async def facts() -> Mapping[str, Any]:
        return Lazy(60)

    with in_time():
        found: Any = await act.facts({}, CTX, timeout=0.1, threads=THREADS)
    assert found.error.kind == "timeout"


@pytest.mark.parametrize(
    ("value", "inert"),
    [
        ("x" * 10**6, True),
        ({"a": [1, 2.0, None, True, ("x",)]}, True),
        (list(range(2_000)), False),
        (Endless(), False),
        ({"a": Lazy(0)}, False),
        ({Lazy: 1}, False),
        (b"x", False),
    ],
)
def test_only_small_plain_data_runs_no_code(value: Any, inert: bool) -> None:
    assert runs_no_code(value) is inert


def test_data_that_holds_itself_is_not_small() -> None:
    value: list[Any] = []
    value.append(value)
    assert not runs_no_code(value)


class Outside(BaseException):
    """What is no ``Exception``, as some libraries' own cancellations are."""

    def __str__(self) -> str:
        raise RuntimeError("not even its text")


@pytest.mark.parametrize("is_async", [True, False])
async def test_what_is_no_exception_is_a_failure_of_the_call(is_async: bool) -> None:
    async def later() -> str:
        raise Outside

    def at_once() -> str:
        raise Outside

    error = await error_of(tool(effect="read")(later if is_async else at_once))
    assert (error.kind, "Outside" in error.message) == ("permanent", True)
