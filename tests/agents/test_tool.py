"""A tool runs only what fits, answers in values, and declares what it does."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from langchain_core.runnables.config import var_child_runnable_config
from tests.patience import PATIENCE, in_time

from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import InvalidArguments, ToolFailure
from pilotman.agents.result import ToolError, ToolResult
from pilotman.agents.tool import Tool, tool
from pilotman.agents.undo import undone_by
from pilotman.guardrails import Breaker, Principal, Retry
from pilotman.guardrails.errors import ConfigurationError

pytestmark = pytest.mark.anyio

CTX = ToolContext(
    run_id="run_1",
    principal=Principal(tenant="acme", user="alice"),
    idempotency_key="run:run_1:refund:a",
    deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
    credentials={"payments": "secret"},
    attempt=1,
)
THREADS = Threads()


async def call(
    known: Tool[..., Any], *, timeout: float = PATIENCE, threads: Threads = THREADS, **args: Any
) -> ToolResult:
    return await known.call(args, CTX, timeout=timeout, threads=threads)


async def error_of(known: Tool[..., Any], *, timeout: float = PATIENCE, **args: Any) -> ToolError:
    result = await call(known, timeout=timeout, **args)
    assert result.error is not None, result
    return result.error


@dataclass(frozen=True)
class Refund:
    refund_id: str
    amount_cents: int


@tool(
    effect="write",
    scopes=["payments:refund"],
    timeout=3.0,
    idempotency_key="{order_id}:{amount_cents}",
    key_scope="tenant",
    retry=Retry(max_attempts=2),
    breaker=Breaker(cool_down=30.0),
    third_party=["refund_id"],
)
async def refund(order_id: str, amount_cents: int, ctx: ToolContext) -> Refund:
    """Refund an order."""
    return Refund(f"{order_id}/{ctx.idempotency_key}", amount_cents)


# --- declarations -----


def test_a_tool_says_what_it_is() -> None:
    assert (refund.name, refund.description) == ("refund", "Refund an order.")
    assert (refund.effect, refund.declared, refund.effective) == ("write", True, "write")
    assert (refund.timeout, refund.scopes, refund.third_party) == (3.0, ("payments:refund",), ("refund_id",))
    assert (refund.identity, refund.key_scope) == (("order_id", "amount_cents"), "tenant")
    assert (refund.retry.max_attempts, refund.breaker.cool_down) == (2, 30.0)
    assert list(refund.args_schema["properties"]) == ["order_id", "amount_cents"]
    assert repr(refund) == "Tool('refund', effect='write')"
    assert refund.is_async
    key = refund.key({"order_id": "a", "amount_cents": 5}, run_id="r", thread_id="t", tenant="acme")
    assert key == "tenant:acme:refund:a:=5"


def test_no_effect_declared_counts_as_a_write() -> None:
    @tool
    def bare(x: int) -> str:
        return str(x)

    @tool()
    def empty(x: int) -> str:
        return str(x)

    for known in (bare, empty):
        assert (known.effect, known.declared, known.effective) == (None, False, "write")
    assert bare.description == "bare"
    assert bare.fn(3) == "3"


def test_the_version_changes_with_what_a_model_sees() -> None:
    def fn(x: int) -> str:
        return str(x)

    def other(x: str) -> str:
        return x

    made: list[Tool[..., Any]] = [
        tool(effect="read", name="a")(fn),
        tool(effect="write", name="a")(fn),
        tool(effect="read", name="b")(fn),
        tool(effect="read", name="a", description="x")(fn),
        tool(effect="read", name="a")(other),
    ]
    assert len({known.version for known in made}) == 5
    assert made[0].version == tool(effect="read", name="a", description="a")(fn).version


@pytest.mark.parametrize("name", ["<lambda>", "", "has space", "1st", "x" * 65, "a\nb"])
def test_a_name_that_models_cannot_call_is_refused(name: str) -> None:
    def fn(x: int) -> str:
        return str(x)

    fn.__name__ = name
    with pytest.raises(ConfigurationError, match="name"):
        tool(fn)


def test_what_cannot_become_a_tool_is_refused() -> None:
    bad: Any
    for bad in (5, "text", refund):
        with pytest.raises(ConfigurationError):
            tool(bad)
    make: Any = tool
    with pytest.raises(ConfigurationError):
        make(effect="delete")
    with pytest.raises(ConfigurationError, match="missing"):

        @tool(effect="write", idempotency_key="{missing}")
        def fn(x: int) -> str:
            return ""

    with pytest.raises(ConfigurationError, match="ctx"):

        @tool(effect="write", idempotency_key="{ctx}")
        def fn2(x: int, ctx: ToolContext) -> str:
            return ""


def test_a_description_is_clean_and_bounded() -> None:
    def fn(x: int) -> str:
        return ""

    fn.__doc__ = "Reads\u200b a host.\x1b[31m " + "x" * 5_000
    known = tool(fn)
    assert known.description.startswith("Reads a host. xxx")
    assert len(known.description) == 1_024


def test_our_key_is_passed_on_only_if_the_code_reads_it() -> None:
    @tool(effect="write", idempotency_key="{x}")
    async def deaf(x: int, ctx: ToolContext) -> str:
        return ctx.run_id

    @tool(effect="write", idempotency_key="{idempotency_key}")
    async def homonym(idempotency_key: str) -> str:
        return idempotency_key

    @tool(effect="write")
    async def inner(x: int, ctx: ToolContext) -> str:
        def headers() -> dict[str, str]:
            return {"Idempotency-Key": ctx.idempotency_key}

        return headers()["Idempotency-Key"]

    assert refund.idempotent
    assert inner.idempotent
    assert not deaf.idempotent
    assert not homonym.idempotent


# --- calls -----


async def test_a_call_gives_a_structured_result() -> None:
    result = await call(refund, order_id="a", amount_cents=5)
    assert result == ToolResult.ok({"refund_id": "a/run:run_1:refund:a", "amount_cents": 5})


async def test_arguments_that_do_not_fit_run_nothing() -> None:
    ran: list[int] = []

    @tool(effect="write")
    def act(x: int) -> str:
        ran.append(x)
        return "done"

    error = await error_of(act, x="5")
    assert (error.kind, error.retryable) == ("validation", False)
    assert "x: Input should be a valid integer" in error.message
    assert ran == []
    with pytest.raises(InvalidArguments):
        act.validate({"x": "5"})


async def test_a_synchronous_function_runs_in_a_thread_and_may_give_an_awaitable() -> None:
    @tool(effect="read")
    def where(x: int) -> bool:
        return threading.current_thread() is threading.main_thread()

    async def later(x: int) -> int:
        return x + 1

    def gives(x: int) -> Any:
        return later(x)

    assert (await call(where, x=1)).value is False
    assert not where.is_async
    assert (await call(tool(effect="read")(gives), x=1)).value == 2


@tool(effect="write")
async def slow_write(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@tool(effect="read")
def slow_read(seconds: float) -> str:
    time.sleep(seconds)
    return "done"


async def test_the_time_limit_holds() -> None:
    for known, kind in ((slow_write, "unknown_outcome"), (slow_read, "timeout")):
        with in_time():
            error = await error_of(known, timeout=0.05, seconds=60.0)
        assert error.kind == kind


async def test_nothing_starts_without_time() -> None:
    error = await error_of(slow_write, timeout=0.0, seconds=0.0)
    assert error.kind == "timeout"
    assert "not started" in error.message


async def test_cancelling_a_call_cancels_it() -> None:
    task = asyncio.create_task(call(slow_write, seconds=60.0))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "raised",
    [
        KeyError("x"),
        SystemExit(1),
        asyncio.CancelledError(),
        GeneratorExit(),
        StopIteration(),
        RecursionError(),
        MemoryError(),
    ],
    ids=repr,
)
async def test_whatever_a_function_raises_becomes_a_value(raised: BaseException) -> None:
    @tool(effect="read")
    async def fails(x: int) -> str:
        raise raised

    @tool(effect="write")
    def fails_too(x: int) -> str:
        raise raised

    assert (await error_of(fails, x=1)).kind == "permanent"
    assert (await error_of(fails_too, x=1)).kind == "unknown_outcome"


async def test_a_thread_that_is_not_to_be_had_means_that_nothing_was_done() -> None:
    threads = Threads(limit=1)
    gate = threading.Event()

    @tool(effect="write")
    def wait(x: int) -> bool:
        return gate.wait()

    try:
        await call(wait, x=1, timeout=0.02, threads=threads)
        result = await call(wait, x=1, threads=threads)
    finally:
        gate.set()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("transient", True)


async def test_a_wrong_answer_is_an_error_and_leaves_a_write_unknown() -> None:
    def wrong(x: int) -> str:
        return x  # type: ignore[return-value]  # pyright: ignore

    read = await error_of(tool(effect="read")(wrong), x=1)
    write = await error_of(tool(effect="write")(wrong), x=1)
    assert (read.kind, write.kind) == ("validation", "unknown_outcome")
    assert "returned int, not str" in read.message


async def test_an_author_may_say_partial_or_what_failed() -> None:
    @tool(effect="write")
    async def half(x: int) -> ToolResult:
        if x:
            raise ToolFailure("the account is closed", kind="conflict")
        return ToolResult.partial(["a"], "the second page failed")

    assert await call(half, x=0) == ToolResult.partial(["a"], "the second page failed")
    error = await error_of(half, x=1)
    assert (error.kind, error.message) == ("conflict", "the account is closed")


async def test_a_missing_credential_leaves_no_doubt() -> None:
    @tool(effect="write")
    async def pay(x: int, ctx: ToolContext) -> str:
        return ctx.credentials["bank"]

    assert (await error_of(pay, x=1)).kind == "authorization"


async def test_http_answers_decide_what_happened_to_a_write() -> None:
    def service(request: httpx.Request) -> httpx.Response:
        status = int(request.url.path[1:])
        if status == 0:
            raise httpx.ConnectError("refused", request=request)
        if status == 1:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(status, headers={"Retry-After": "2"}, text="no such account")

    @tool(effect="write")
    async def post(status: int) -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(service), base_url="http://x") as client:
            response = await client.post(f"/{status}")
            response.raise_for_status()
            return response.text

    assert (await call(post, status=200)).value == "no such account"
    kinds = {status: (await error_of(post, status=status)).kind for status in (0, 1, 400, 403, 409, 429, 503)}
    assert kinds == {
        0: "transient",
        1: "unknown_outcome",
        400: "validation",
        403: "authorization",
        409: "conflict",
        429: "rate_limit",
        503: "unknown_outcome",
    }
    error = await error_of(post, status=429)
    assert (error.retryable, error.retry_after) == (True, 2.0)
    assert "no such account" in error.message


async def test_a_function_does_not_see_the_hosts_config_but_its_own_variables() -> None:
    mine = contextvars.ContextVar("mine", default="")

    def look(x: int) -> list[str]:
        return [mine.get(), str(var_child_runnable_config.get())]

    async def look_async(x: int) -> list[str]:
        return look(x)

    mine.set("kept")
    token = var_child_runnable_config.set({"tags": ["host"]})
    try:
        for fn in (look, look_async):
            assert (await call(tool(effect="read")(fn), x=1)).value == ["kept", "None"]
    finally:
        var_child_runnable_config.reset(token)


# --- look-up, compensation, precondition -----


def desk() -> tuple[Tool[..., Any], list[str]]:
    """A ticket tool with everything, over a list of titles."""
    titles: list[str] = []

    @tool(effect="write", idempotency_key="{title}")
    def open_ticket(title: str, urgent: bool = False) -> Refund:
        titles.append(title)
        return Refund(title, len(titles))

    @open_ticket.lookup
    async def find(title: str, urgent: bool = False) -> Refund | None:
        if title == "broken":
            raise ConnectionResetError
        return Refund(title, titles.index(title) + 1) if title in titles else None

    @open_ticket.compensate
    def close(done: Refund, title: str, urgent: bool = False) -> None:
        assert isinstance(done, Refund)
        titles.remove(done.refund_id)

    @open_ticket.precondition
    def ready(title: str, urgent: bool = False) -> Mapping[str, Any]:
        if title == "refused":
            raise ToolFailure("the desk is closed", kind="conflict")
        return {"open": len(titles), "at": datetime(2024, 1, 1, tzinfo=UTC), "took": timedelta(seconds=1)}

    assert callable(find)
    assert callable(close)
    assert callable(ready)
    return open_ticket, titles


async def test_a_look_up_tells_applied_from_not_applied() -> None:
    open_ticket, _ = desk()
    assert open_ticket.has_lookup
    assert await open_ticket.find({"title": "a"}, CTX, timeout=PATIENCE, threads=THREADS) is None
    done = await call(open_ticket, title="a")
    assert await open_ticket.find({"title": "a"}, CTX, timeout=PATIENCE, threads=THREADS) == done
    failed = await open_ticket.find({"title": "broken"}, CTX, timeout=PATIENCE, threads=THREADS)
    assert failed is not None
    assert failed.error is not None
    assert failed.error.kind == "transient"


async def test_a_compensation_gets_the_result_as_it_was() -> None:
    open_ticket, titles = desk()
    done = await call(open_ticket, title="a")
    undo = open_ticket.undoing("eff_1", done.value)
    assert await call(undo, title="a") == ToolResult.ok()
    assert titles == []
    again = await call(undo, title="a")
    assert again.error is not None
    assert again.error.kind == "unknown_outcome"
    with pytest.raises(ConfigurationError, match="cannot be read back"):
        open_ticket.undoing("eff_1", {"refund_id": "a"})


async def test_an_effect_is_taken_back_under_one_key_whoever_does_it() -> None:
    open_ticket, _ = desk()
    done = (await call(open_ticket, title="a")).value
    keys = {
        open_ticket.undoing(effect_id, done).key({"title": "a"}, run_id=run_id, thread_id="t", tenant="a")
        for effect_id, run_id in (("eff_1", "run_1"), ("eff_1", "run_2"))
    }
    assert keys == {"undo:eff_1:1"}
    assert undone_by("undo:eff_1:1") == "eff_1"
    assert undone_by("run:run_1:open_ticket") is None


async def test_a_precondition_gives_facts_or_refuses() -> None:
    open_ticket, titles = desk()
    facts = await open_ticket.facts({"title": "a"}, CTX, timeout=PATIENCE, threads=THREADS)
    assert facts == {"open": 0, "at": "2024-01-01T00:00:00Z", "took": "PT1S"}
    refused = await open_ticket.facts({"title": "refused"}, CTX, timeout=PATIENCE, threads=THREADS)
    assert isinstance(refused, ToolResult)
    assert refused.error is not None
    assert refused.error.message == "the desk is closed"
    assert titles == []


async def test_a_precondition_that_only_checks_gives_no_facts_and_one_that_gives_nonsense_refuses() -> None:
    @tool(effect="write")
    def act(x: int) -> str:
        return ""

    def check(x: int) -> Any:
        return None if x else ["not", "a", "mapping"]

    act.precondition(check)
    assert await act.facts({"x": 1}, CTX, timeout=PATIENCE, threads=THREADS) == {}
    assert isinstance(await act.facts({"x": 0}, CTX, timeout=PATIENCE, threads=THREADS), ToolResult)


async def test_what_was_not_registered_is_said() -> None:
    assert [refund.has_lookup, refund.has_compensation, refund.has_precondition] == [False] * 3
    args = {"order_id": "a", "amount_cents": 1}
    found = await refund.find(args, CTX, timeout=PATIENCE, threads=THREADS)
    assert found is not None
    assert found.error is not None
    with pytest.raises(ConfigurationError, match="no compensation"):
        refund.undoing("eff_1", {"refund_id": "a", "amount_cents": 1})


def test_what_goes_with_a_tool_takes_its_arguments() -> None:
    @tool(effect="write")
    def act(x: int) -> str:
        return ""

    @tool(effect="write")
    def quiet(x: int) -> None:
        return None

    wrong: Any

    def other(y: int) -> str | None:
        return None

    def no_result() -> None:
        return None

    for wrong in (act.lookup, act.precondition):
        with pytest.raises(ConfigurationError, match="'y'"):
            wrong(other)
    wrong = act.compensate
    with pytest.raises(ConfigurationError, match="result"):
        wrong(no_result)
    with pytest.raises(ConfigurationError, match="returns None"):
        quiet.lookup(lambda x: None)


async def test_a_rehearsed_tool_is_the_same_to_models_and_calls_nothing_of_its_author() -> None:
    class Nothing:
        is_async = True

        async def __call__(self, *_: Any) -> ToolResult:
            return ToolResult.ok("rehearsed")

    def never(x: int) -> str:
        raise AssertionError(f"it was called with {x}")

    real = tool(effect="write", name="act", description="Acts.")(never)
    real.lookup(never)

    @real.precondition
    def facts(x: int) -> Mapping[str, Any]:
        return {"x": never(x)}

    @real.compensate
    def undo(done: str, x: int) -> None:
        never(x)

    played = real.rehearsed(Nothing())
    assert (played.version, played.args_schema) == (real.version, real.args_schema)
    assert [played.has_lookup, played.has_precondition, played.has_compensation] == [False] * 3
    assert real.has_lookup, "the tool itself stays as it is"
    assert (await played.call({"x": 1}, CTX, timeout=5, threads=THREADS)).value == "rehearsed"


def test_the_shape_of_what_a_tool_returns_is_known_where_it_says_so() -> None:
    @dataclass
    class Mail:
        body: str

    def some() -> list[Mail]:
        return []

    def anything() -> Any:
        return None

    schema = tool(some).output_schema
    assert schema is not None
    assert (schema["type"], schema["$defs"]["Mail"]["required"]) == ("array", ["body"])
    assert tool(anything).output_schema is None
