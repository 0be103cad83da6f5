"""What a function returns is checked, made plain, bounded and clean; what was cut is said."""

from __future__ import annotations

import collections
import datetime as dt
import uuid
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import TypedDict

from pilotman.agents.output import MAX_BYTES, Output, WrongOutput, fit, plain_json
from pilotman.agents.result import ToolError, ToolResult
from pilotman.guardrails.digest import canonical
from pilotman.guardrails.errors import ConfigurationError


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Refund:
    refund_id: str
    amount_cents: int


class Host(BaseModel):
    name: str
    seen: dt.datetime


class Row(TypedDict):
    id: int


class Point(NamedTuple):
    x: int
    y: int


def value_of(value: Any, returns: Any = Any) -> Any:
    result = Output(returns, name="t").result(value)
    assert result.status == "ok", result
    return result.value


NOON = dt.datetime(2024, 1, 2, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "returns", "plain"),
    [
        ("text", str, "text"),
        (None, None, None),
        (5, float, 5),
        (Refund("r", 5), Refund, {"refund_id": "r", "amount_cents": 5}),
        ([Refund("r", 5)], list[Refund], [{"refund_id": "r", "amount_cents": 5}]),
        (None, Refund | None, None),
        (Host(name="h", seen=NOON), Host, {"name": "h", "seen": "2024-01-02T12:00:00Z"}),
        ({"id": 1}, Row, {"id": 1}),
        (Point(1, 2), Point, {"x": 1, "y": 2}),
        ({"a": (1, {2})}, dict[str, Any], {"a": [1, [2]]}),
        ({"a": 1}, Mapping[str, int], {"a": 1}),
        (Colour.RED, Colour, "red"),
        ({Colour.RED: 1, 5: 2, NOON: 3}, Any, {"red": 1, "5": 2, "2024-01-02T12:00:00Z": 3}),
        ({"c", "a", "b"}, set[str], ["a", "b", "c"]),
        (collections.deque([1, 2]), Any, [1, 2]),
        (
            [NOON.date(), dt.timedelta(hours=1), Decimal("1.50"), uuid.UUID(int=0), Path("/var")],
            Any,
            ["2024-01-02", "PT1H", "1.50", "00000000-0000-0000-0000-000000000000", "/var"],
        ),
        ([float("nan"), float("-inf"), 10**30], Any, ["nan", "-inf", str(10**30)]),
    ],
)
def test_data_becomes_plain_json(value: Any, returns: Any, plain: Any) -> None:
    assert value_of(value, returns) == plain
    canonical(value_of(value, returns))


@pytest.mark.parametrize(
    ("value", "returns"),
    [
        (5, str),
        ("5", int),
        (True, int),
        (None, str),
        ("x", None),
        ({"refund_id": "r", "amount_cents": 5}, Refund),
        (Refund("r", "500"), Refund),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        ([Refund("r", None)], list[Refund]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (["a", 1], list[str]),
        ({"id": "1"}, Row),
        ({"a": "1"}, Mapping[str, int]),
    ],
)
def test_what_the_annotation_does_not_say_is_refused(value: Any, returns: Any) -> None:
    with pytest.raises(WrongOutput):
        Output(returns, name="t").result(value)


def endless() -> Iterator[int]:
    while True:
        yield 1


class Hostile:
    @property
    def __dataclass_fields__(self) -> Any:
        raise RuntimeError("boom")


cyclic: list[Any] = []
cyclic.append(cyclic)


@pytest.mark.parametrize(
    "value",
    [b"bytes", bytearray(b"x"), endless(), {"rows": endless()}, object(), [print], cyclic, Hostile(), int],
)
def test_what_is_not_data_is_refused(value: Any) -> None:
    with pytest.raises(WrongOutput):
        Output(Any, name="t").result(value)


def test_a_return_type_without_json_form_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError):
        Output(Hostile, name="t")


def test_an_awaitable_annotation_stands_for_what_it_gives() -> None:
    output = Output(Awaitable[int], name="t")
    assert output.result(3).value == 3
    with pytest.raises(WrongOutput):
        output.result("3")


def test_a_function_may_make_the_result_itself() -> None:
    output = Output(str | ToolResult, name="t")
    assert output.result("x").value == "x"
    with pytest.raises(WrongOutput):
        output.result(5)
    partial = output.result(ToolResult.partial([1, NOON], "the\x1b[1m rest is missing"))
    assert partial == ToolResult.partial([1, "2024-01-02T12:00:00Z"], "the rest is missing")
    failed = output.result(ToolResult.failed(ToolError.of("conflict", "taken\u200b " + "x" * 5_000)))
    assert failed.error is not None
    assert failed.error.kind == "conflict"
    assert len(failed.error.message) <= 500
    cut = output.result(ToolResult.ok("x" * 100_000))
    assert cut.status == "partial"


def test_values_are_text_and_else_as_they_came() -> None:
    dirty = {"title\u200b": "\x1b[31mred\x1b[0m\u202e\r\n", "name": "\u0645\u06cc\u200c\u062e"}
    assert value_of(dirty) == {"title\u200b": "red\u202e\n", "name": "\u0645\u06cc\u200c\u062e"}


@pytest.mark.parametrize(
    "value",
    [
        "x" * 1_000_000,
        'é\x1b\\"\n' * 100_000,
        [{"host": f"h{i}", "note": "n" * 50} for i in range(20_000)],
        {f"key{i}": list(range(100)) for i in range(2_000)},
        [["x" * 5_000] * 50] * 50,
        {"k" * 100_000: "v" * 20_000},
        list(range(200_000)),
    ],
)
def test_what_is_too_large_is_cut_and_said(value: Any) -> None:
    result = Output(Any, name="t").result(value)
    assert result.status == "partial"
    assert len(canonical(result.value)) <= MAX_BYTES
    assert len(canonical(result.value)) > MAX_BYTES // 20
    assert "cut to 16 KiB" in result.caveats[0]


def test_a_cut_says_where_and_how_much() -> None:
    result = Output(Any, name="t").result({"rows": list(range(9_000)), "ok": True})
    assert result.value["ok"] is True
    assert f"rows: {len(result.value['rows'])} of 9000 items" in result.caveats[0]


@settings(max_examples=50)
@given(
    st.recursive(
        st.text(max_size=300) | st.integers(-(2**63), 2**63 - 1),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=60,
    ),
    st.integers(100, 2_000),
)
def test_whatever_it_is_it_fits(value: Any, limit: int) -> None:
    plain, caveats = fit(value, limit=limit)
    assert len(canonical(plain)) <= limit
    assert bool(caveats) == (len(canonical(value)) > limit)


def test_a_result_is_read_back_for_a_compensation() -> None:
    output = Output(Refund, name="t")
    assert output.restore({"refund_id": "r", "amount_cents": 5}) == Refund("r", 5)
    assert Output(Any, name="t").restore([1]) == [1]
    with pytest.raises(WrongOutput):
        output.restore({"refund_id": "r"})


def test_facts_are_whole_or_refused() -> None:
    assert plain_json({"at": NOON}) == {"at": "2024-01-02T12:00:00Z"}
    with pytest.raises(WrongOutput):
        plain_json({"x": "y" * 1_000_000})
