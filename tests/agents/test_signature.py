"""A function's signature becomes a tool's, or is refused when the tool is made."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from pilotman.agents.context import ToolContext
from pilotman.agents.signature import MAX_PARAMETERS, read
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError

if TYPE_CHECKING:
    from decimal import Decimal

CTX = ToolContext(
    run_id="r",
    principal=Principal(tenant="t", user="u"),
    idempotency_key="k",
    deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
    credentials={},
    attempt=1,
)


def mixed(a: int, /, b: str, run: ToolContext, *, c: bool = True) -> str:
    return f"{a}{b}{c}{run.run_id}"


def test_a_context_is_injected_by_its_type_and_hidden() -> None:
    signature = read(mixed, name="mixed")
    assert dict(signature.hints) == {"a": int, "b": str, "c": bool}
    assert dict(signature.defaults) == {"c": True}
    assert signature.returns is str
    positional, keywords = signature.bind({"a": 1, "b": "x"}, CTX)
    assert mixed(*positional, **keywords) == "1xTruer"


@pytest.mark.parametrize("hint", [ToolContext | None, Annotated[ToolContext, "run"]])
def test_a_context_may_be_optional_or_annotated(hint: Any) -> None:
    def fn(x: int, ctx: ToolContext) -> str:
        return str(x)

    fn.__annotations__["ctx"] = hint
    assert read(fn, name="fn").context == {"ctx"}


def test_a_compensation_gets_the_result_first() -> None:
    def undo(done: str, b: str) -> str:
        return done + b

    signature = read(undo, name="undo", leading=1)
    assert list(signature.hints) == ["b"]
    positional, keywords = signature.bind({"a": 1, "b": "x", "other": 2}, CTX, "r")
    assert undo(*positional, **keywords) == "rx"


class Service:
    def method(self, x: int) -> str:
        return str(x)

    def __call__(self, x: int) -> str:
        return str(x)


@pytest.mark.parametrize(
    "fn",
    [Service().method, Service(), functools.partial(Service().method)],
    ids=["method", "callable object", "partial"],
)
def test_methods_partials_and_callable_objects_have_signatures_too(fn: Callable[..., Any]) -> None:
    assert dict(read(fn, name="fn").hints) == {"x": int}


def test_types_of_the_function_in_which_a_tool_is_made_are_found() -> None:
    class Local:
        pass

    def fn(x: Local) -> Local:
        return x

    assert read(fn, name="fn").hints["x"] is Local


def generator(x: int) -> Iterator[int]:
    yield x


async def async_generator(x: int) -> AsyncIterator[int]:
    yield x


def star(*xs: int) -> str:
    return ""


def double_star(**xs: int) -> str:
    return ""


def untyped(x) -> str:  # type: ignore[no-untyped-def]  # pyright: ignore
    return ""


def unresolved(x: Decimal) -> str:
    return ""


def malformed(x: int) -> str:
    return ""


malformed.__annotations__["x"] = "not python ("


REFUSED: list[Callable[..., Any]] = [
    generator,
    async_generator,
    star,
    double_star,
    untyped,  # pyright: ignore[reportUnknownArgumentType]
    unresolved,
    malformed,
]


@pytest.mark.parametrize("fn", REFUSED)
def test_a_signature_that_no_schema_can_describe_is_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(fn, name="the tool")
    assert "the tool" in str(caught.value)
    assert caught.value.hint or fn is malformed


def test_too_many_parameters_are_refused() -> None:
    names = ", ".join(f"p{i}: int" for i in range(MAX_PARAMETERS + 1))
    scope: dict[str, Any] = {}
    exec(f"def fn({names}) -> str: ...", scope)
    with pytest.raises(ConfigurationError, match="parameters"):
        read(scope["fn"], name="fn")
