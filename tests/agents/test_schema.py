"""What a model sent is checked strictly before anything runs, and made canonical."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from pilotman.agents.context import ToolContext
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.schema import ModelArguments, SchemaArguments, TypedArguments
from pilotman.agents.signature import read
from pilotman.guardrails.digest import canonical
from pilotman.guardrails.errors import ConfigurationError


class Level(Enum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Span:
    start: dt.date
    days: int = 1


class Address(BaseModel):
    street: str
    zip: Annotated[str, Field(max_length=5)]


class Tree(BaseModel):
    children: list[Tree] = []


class LeftTwin(BaseModel):
    right: RightTwin | None = None


class RightTwin(BaseModel):
    left: LeftTwin | None = None


def of(fn: Callable[..., Any]) -> TypedArguments:
    return TypedArguments(read(fn, name=fn.__name__))


def everything(
    title: str,
    level: Level,
    span: Span,
    address: Address,
    price: Decimal,
    at: dt.datetime,
    pair: tuple[int, str],
    key: uuid.UUID,
    ctx: ToolContext,
    mode: Literal["a", "b"] = "a",
    tags: set[str] = set(),  # noqa: B006 - what a user may write
    ratio: float = 1.0,
    note: str | None = None,
    count: int = Field(default=3, ge=1, le=9),
    *,
    wait: dt.timedelta = dt.timedelta(hours=1),
) -> str:
    return title


GIVEN: dict[str, Any] = {
    "title": "t",
    "level": "high",
    "span": {"start": "2024-01-02"},
    "address": {"street": "s", "zip": "12345"},
    "price": "1.50",
    "at": "2024-01-02T03:04:05+00:00",
    "pair": [1, "x"],
    "key": "00000000-0000-0000-0000-000000000001",
    "tags": ["b", "a"],
    "ratio": 2,
}


def test_json_becomes_python_values() -> None:
    values = of(everything).values(GIVEN)
    assert values["level"] is Level.HIGH
    assert values["span"] == Span(dt.date(2024, 1, 2), 1)
    assert values["address"] == Address(street="s", zip="12345")
    assert values["price"] == Decimal("1.50")
    assert values["pair"] == (1, "x")
    assert values["tags"] == {"a", "b"}
    assert values["wait"] == dt.timedelta(hours=1)
    assert values["count"] == 3
    assert "ctx" not in values


def test_canonical_arguments_are_complete_and_stable() -> None:
    arguments = of(everything)
    plain = arguments.validate(GIVEN)
    assert plain["tags"] == ["a", "b"]
    assert plain["ratio"] == 2.0
    assert plain["span"] == {"start": "2024-01-02", "days": 1}
    assert (plain["mode"], plain["note"], plain["count"], plain["wait"]) == ("a", None, 3, "PT1H")
    assert arguments.validate(plain) == plain
    assert arguments.validate(orjson.loads(canonical(plain))) == plain
    assert arguments.values(plain) == arguments.values(GIVEN)
    assert canonical(arguments.validate({**GIVEN, "at": "2024-01-02T03:04:05Z", "price": 1.5})) == canonical(
        {**plain, "price": "1.5"}
    )


def test_the_schema_is_an_object_with_nothing_else_allowed() -> None:
    schema = of(everything).schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert "ctx" not in schema["properties"]
    assert schema["properties"]["title"] == {"type": "string"}
    assert schema["properties"]["count"] == {"type": "integer", "minimum": 1, "maximum": 9, "default": 3}
    assert schema["required"] == ["title", "level", "span", "address", "price", "at", "pair", "key"]
    assert schema["properties"]["mode"]["enum"] == ["a", "b"]


def plain(host: str, port: int = 80, deep: bool = False) -> str:
    return host


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({}, "host: is missing"),
        ({"host": 5}, "host: Input should be a valid string"),
        ({"host": "h", "port": "80"}, "port: Input should be a valid integer"),
        ({"host": "h", "port": True}, "port"),
        ({"host": "h", "port": 1.5}, "port"),
        ({"host": "h", "port": None}, "port"),
        ({"host": "h", "deep": 1}, "deep"),
        (
            {"host": "h", "colour": "red"},
            "'colour' is not an argument of this tool; its arguments: host, port, deep",
        ),
        ({"host": "h", "ctx": {}}, "'ctx' is not an argument"),
        ({"host": "h", "port": 2**63}, "64 bits"),
        ({"host": "h", "port": 2**70}, "64-bit"),
        ({"host": "x" * 10_001}, "10001 characters, at most 10000"),
        ({"host": "h", 5: 1}, "not JSON"),
        ({"host": b"x"}, "not JSON"),
        (["host"], "must be a JSON object"),
        ("host", "must be a JSON object"),
        (None, "must be a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_to_mend_it(args: Any, says: str) -> None:
    for check in (of(plain).validate, of(plain).values):
        with pytest.raises(InvalidArguments) as caught:
            check(args)
        assert says in str(caught.value)


def choose(mode: Literal["fast", "slow"], level: Level) -> str:
    return mode


def test_a_refusal_names_the_allowed_values() -> None:
    with pytest.raises(InvalidArguments) as caught:
        of(choose).validate({"mode": "FAST", "level": "mid"})
    assert "'fast' or 'slow'" in str(caught.value)
    assert "'low' or 'high'" in str(caught.value)


def test_a_refusal_never_echoes_what_was_sent() -> None:
    arguments = of(choose)
    for args in (
        {"mode": "x" * 9_000, "level": "low"},
        {"k" * 9_000: 1},
        {f"k{i}" * 50: 1 for i in range(200)},
        {"mode": {"a" * 5_000: ["b" * 5_000]}},
    ):
        with pytest.raises(InvalidArguments) as caught:
            arguments.validate(args)
        assert len(str(caught.value)) <= 1_000
        assert "x" * 100 not in str(caught.value)


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def anything(value: Any) -> str:
    return ""


def nothing() -> str:
    return ""


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_whatever_is_sent_either_passes_or_is_refused(value: Any) -> None:
    for arguments in (of(plain), of(anything), of(everything)):
        for args in (value, {"value": value}, {"host": value}):
            try:
                done = arguments.validate(args)
            except InvalidArguments:
                continue
            assert arguments.validate(done) == done


@given(st.text(max_size=50), st.integers(-(2**63), 2**63 - 1), st.booleans())
def test_what_fits_comes_back_as_it_was(host: str, port: int, deep: bool) -> None:
    args = {"host": host, "port": port, "deep": deep}
    assert of(plain).validate(args) == args
    assert of(plain).values(args) == args


def test_depth_and_numbers_are_bounded_where_the_type_says_nothing() -> None:
    for value in (nest(100), nest(5_000), float("nan"), float("inf")):
        with pytest.raises(InvalidArguments):
            of(anything).validate({"value": value})
    assert of(anything).validate({"value": nest(20)}) == {"value": nest(20)}
    assert of(nothing).validate({}) == {}


# --- signatures that cannot be -----


def recursive(tree: Tree) -> str:
    return ""


def mutual(twin: LeftTwin) -> str:
    return ""


def opaque(thing: object, socket: Callable[[], int]) -> str:
    return ""


def secret(password: SecretStr) -> str:
    return ""


def wrong_default(x: int = None) -> str:  # type: ignore[assignment]  # noqa: RUF013  # pyright: ignore
    return ""


def text_default(x: int = "five") -> str:  # type: ignore[assignment]  # pyright: ignore
    return ""


def bad_constraint(x: int = Field(default=0, ge=1)) -> str:
    return ""


def huge(x: Literal["placeholder"]) -> str:
    return ""


huge.__annotations__["x"] = Literal[tuple(f"value-{i:06}" for i in range(4_000))]


class Boom:
    @classmethod
    def __get_pydantic_core_schema__(cls, *args: Any) -> Any:
        raise MemoryError("hostile")


def hostile(x: Boom) -> str:
    return ""


@pytest.mark.parametrize(
    "fn", [recursive, mutual, opaque, secret, wrong_default, text_default, bad_constraint, huge, hostile]
)
def test_a_signature_that_cannot_be_a_schema_is_refused_when_the_tool_is_made(fn: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        of(fn)
    assert fn.__name__ in str(caught.value)


def odd(schema: str, copy: str, model_config: str, _hidden: int, self: int, validate: bool) -> str:
    return ""


def test_any_parameter_name_will_do() -> None:
    args = {"schema": "a", "copy": "b", "model_config": "c", "_hidden": 1, "self": 2, "validate": True}
    assert of(odd).validate(args) == args


# --- schemas and models from elsewhere -----


class Search(BaseModel):
    query: str = Field(max_length=100)
    limit: int = 10
    when: dt.date | None = None


def test_a_model_from_elsewhere_is_as_strict() -> None:
    arguments = ModelArguments(Search, name="search")
    assert arguments.schema["additionalProperties"] is False
    assert arguments.validate({"query": "q"}) == {"query": "q", "limit": 10, "when": None}
    assert arguments.values({"query": "q", "when": "2024-01-02"})["when"] == "2024-01-02"
    for bad in ({}, {"query": "q", "limit": "5"}, {"query": "q", "extra": 1}, {"query": "q" * 101}):
        with pytest.raises(InvalidArguments):
            arguments.validate(bad)


def test_a_json_schema_is_as_strict() -> None:
    arguments = SchemaArguments(
        {
            "title": "Search",
            "type": "object",
            "properties": {
                "title": {"type": "string", "title": "made up"},
                "n": {"type": "integer", "default": 5},
                "kind": {"enum": ["a", "b"]},
            },
            "required": ["title"],
        },
        name="search",
    )
    assert arguments.schema["properties"]["title"] == {"type": "string"}
    assert arguments.validate({"title": "x"}) == {"title": "x", "n": 5}
    assert arguments.values({"title": "x", "n": 1}) == {"title": "x", "n": 1}
    for bad in (
        {},
        {"title": 5},
        {"title": "x", "kind": "c"},
        {"title": "x", "extra": 1},
        {"title": "x" * 20_000},
    ):
        with pytest.raises(InvalidArguments) as caught:
            arguments.validate(bad)
        assert len(str(caught.value)) <= 1_000


@pytest.mark.parametrize(
    "properties",
    [
        {"a": {"$ref": "https://evil.example/schema.json"}},
        {"a": {"$ref": "file:///etc/passwd"}},
        {"a": {"$ref": "#/$defs/missing"}},
        {"a": {"$ref": "#"}},
        {"a": {"type": "no such type"}},
        {"a": {"enum": ["x" * 50_000]}},
        {"a": {"default": object()}},
    ],
)
def test_a_json_schema_that_cannot_be_trusted_is_refused(properties: Any) -> None:
    with pytest.raises(ConfigurationError):
        SchemaArguments({"type": "object", "properties": properties}, name="t")
