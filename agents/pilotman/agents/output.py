"""What a tool function returned, made into a result: checked against its type, plain JSON, bounded."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, cast

import orjson
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict

from pilotman.agents.json_value import is_array, is_object
from pilotman.agents.result import ToolError, ToolResult, clean_text, storable
from pilotman.guardrails.digest import canonical
from pilotman.guardrails.errors import ConfigurationError

MAX_BYTES = 16_384
"""Bytes of a result's value as JSON; more is cut, and said."""
MAX_DEPTH = 32
MAX_NODES = 50_000
_MAX_TEXT = 4 * MAX_BYTES
_MAX_CAVEATS, _MAX_CAVEAT = 20, 500

# Ever smaller shapes to cut a value to: characters of each text, items of each list.
_SHAPES = ((8_000, 500), (4_000, 200), (1_000, 100), (400, 50), (200, 20), (80, 10), (40, 5))


_ATOMS = frozenset({str, int, float, bool, type(None)})
_FEW = 1_000


class WrongOutput(Exception):
    """A function returned something that its annotation, or JSON, does not allow."""


class Output:
    """How one tool's return values become results.

    Raises:
        ConfigurationError: the return annotation has no JSON form.
    """

    def __init__(self, returns: Any, *, name: str) -> None:
        self._name = name
        self.always_none = returns is None or returns is type(None)
        kind = _plain_type(returns)
        self._adapter: TypeAdapter[Any] | None = None
        self._fields: dict[type[Any], TypeAdapter[Any]] = {}
        if kind is Any:
            return
        try:
            self._adapter = TypeAdapter(kind)
        except Exception as error:
            raise ConfigurationError(
                f"what {name} returns has no JSON form: {str(error).splitlines()[0]}",
                hint="return text, a dict, a dataclass or a pydantic model",
            ) from error

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema of results; None where nothing is known of them."""
        if self._adapter is None:
            return None
        try:
            return self._adapter.json_schema(mode="serialization")
        except PydanticInvalidForJsonSchema:
            return None

    def result(self, value: Any) -> ToolResult:
        """The result.

        Raises:
            WrongOutput: the value is not what the annotation says, or not JSON.
        """
        if isinstance(value, ToolResult):
            return _bounded_result(value)
        plain, caveats = self._plain(value)
        return ToolResult(status="partial" if caveats else "ok", value=plain, caveats=caveats)

    def found(self, value: Any) -> ToolResult | None:
        """The result of a look-up; None: nothing was found."""
        return None if value is None else self.result(value)

    def _plain(self, value: Any) -> tuple[Any, tuple[str, ...]]:
        whole = _Whole()
        try:
            plain = whole.plain(value)
            self._check(value, whole.records)
        except WrongOutput:
            raise
        except Exception as error:  # an object's own hooks may raise anything
            raise WrongOutput(f"what {self._name} returned cannot be read: {type(error).__name__}") from error
        return fit(storable(plain), cut_before=whole.cut)

    def _check(self, value: Any, records: Sequence[Any]) -> None:
        if self._adapter is None:
            return
        try:
            self._adapter.validate_python(value, strict=True)
            self._adapter.dump_python(value, mode="json", warnings="error")
            for record in records:
                self._check_fields(record)
        except Exception as error:
            wanted = getattr(self._adapter, "_type", "its annotation")
            kind = getattr(wanted, "__name__", str(wanted))
            got = type(value).__name__
            what = f"a {got} with fields of other types" if got == kind else got
            raise WrongOutput(f"{self._name} returned {what}, not {kind}"[:300]) from error

    def _check_fields(self, record: Any) -> None:
        kind: type[Any] = type(record)  # pyright: ignore[reportUnknownVariableType]
        if kind not in self._fields:
            self._fields[kind] = _fields_adapter(kind)
        fields = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
        self._fields[kind].validate_python(fields, strict=True)

    def restore(self, plain: Any) -> Any:
        """The Python value of a result, for a compensation.

        Raises:
            WrongOutput: it is not what the annotation says (it may have been cut).
        """
        if self._adapter is None:
            return plain
        try:
            return self._adapter.validate_json(orjson.dumps(plain), strict=True)
        except Exception as error:
            raise WrongOutput(f"the recorded result of {self._name} cannot be read back") from error


def _fields_adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Checks a dataclass's fields, given as a dict."""
    make: Any = TypedDict  # checkers want it written out
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except NameError:  # types of a function's own: they cannot be looked up from here
        return TypeAdapter(Any)
    return TypeAdapter(make("Fields", {f.name: hints[f.name] for f in dataclasses.fields(kind)}))


def _plain_type(returns: Any) -> Any:
    """The annotation less ``ToolResult`` and awaitables, which stand for what is in them."""
    origin = typing.get_origin(returns)
    if returns is ToolResult:
        return Any
    if isinstance(origin, type) and issubclass(origin, typing.Awaitable):
        return _plain_type(typing.get_args(returns)[-1])
    if origin in (typing.Union, types.UnionType):
        options = [_plain_type(option) for option in typing.get_args(returns) if option is not ToolResult]
        return Any if Any in options else typing.Union[tuple(options)]  # noqa: UP007 - built at run time
    return returns


def runs_no_code(value: object) -> bool:
    """Whether a value is small and of Python's own types only: nobody's code runs when it is read."""
    waiting, seen = [value], 0
    while waiting:
        item: Any = waiting.pop()
        seen += 1
        kind: Any = type(item)  # pyright: ignore[reportUnknownVariableType]
        if kind in _ATOMS:
            continue
        if kind not in (dict, list, tuple) or seen + len(item) > _FEW:
            return False
        waiting += [*item, *item.values()] if kind is dict else item
    return True


def facts(value: Any, *, name: str) -> Mapping[str, Any]:
    """What a precondition found out, JSON-able; nothing where it returned None.

    Raises:
        WrongOutput: it is no mapping, or not JSON.
    """
    if value is not None and not isinstance(value, Mapping):
        raise WrongOutput(f"{name} returned no mapping")
    return {} if value is None else cast("Mapping[str, Any]", plain_json(value))


def plain_json(value: Any) -> Any:
    """Any data as plain JSON, whole.

    Raises:
        WrongOutput: it is not data, or too large.
    """
    whole = _Whole()
    plain = whole.plain(value)
    if whole.cut:
        raise WrongOutput(f"too large: {whole.cut[0]}")
    return storable(plain)


class _Whole:
    """Makes plain JSON of data. Text, depth and number of values are bounded before anything else."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        self.cut: list[str] = []
        self.records: list[Any] = []  # the dataclasses in it: they do not check their own fields

    def plain(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH:
            raise WrongOutput(f"nested too deeply (more than {MAX_DEPTH} levels, or in itself)")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return self.plain(value.value, depth + 1)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int | float):
            return _number(value)
        return self._container(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json")
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            self.records.append(value)
            value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        elif isinstance(value, tuple) and hasattr(cast("object", value), "_asdict"):
            value = cast("Any", value)._asdict()
        if isinstance(value, Mapping):
            return self._mapping(value, depth)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(value, set | frozenset):
            items = [self.plain(item, depth + 1) for item in self._some(value)]  # pyright: ignore[reportUnknownArgumentType]
            return sorted(items, key=canonical)
        if isinstance(value, list | tuple | deque):
            return [self.plain(item, depth + 1) for item in self._some(value)]  # pyright: ignore[reportUnknownArgumentType]
        return self._scalar(value)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key in self._some(value):
            name = (
                key
                if isinstance(key, str)
                else str(self._scalar(key.value if isinstance(key, Enum) else key))
            )
            plain[self._text(name)] = self.plain(value[key], depth + 1)
        return plain

    def _some(self, items: Any) -> Iterator[Any]:
        for index, item in enumerate(items):
            if self._left <= 0:
                self.cut.append(f"{index} of {len(items)} items")
                return
            yield item

    def _text(self, text: str) -> str:
        if len(text) <= _MAX_TEXT:
            return text
        self.cut.append(f"{_MAX_TEXT} of {len(text)} characters")
        return text[:_MAX_TEXT]

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, bytes | bytearray | memoryview):
            raise WrongOutput("bytes are not a result: return text or data")
        if isinstance(value, Iterator):
            raise WrongOutput(f"{_kind(cast('object', value))} is not a result: return a list")
        try:
            plain = to_jsonable_python(value)
        except Exception as error:
            raise WrongOutput(
                f"{type(value).__name__} is not data: return text, a dict or a dataclass"
            ) from error
        if isinstance(plain, dict | list):
            raise WrongOutput(f"{type(value).__name__} is not data: return a dict or a list")
        return plain


def _kind(value: object) -> str:
    return type(value).__name__


def _number(value: float) -> Any:
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    return value if float("-inf") < value < float("inf") else str(value)  # JSON has neither NaN nor infinity


def fit(plain: Any, *, limit: int = MAX_BYTES, cut_before: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
    """A JSON value in at most ``limit`` bytes, and what was cut, in words."""
    size = len(canonical(plain))
    if size <= limit:
        return plain, _cut_caveat(limit, cut_before)
    if isinstance(plain, str):
        shown = plain.encode()[: limit - 64].decode(errors="ignore")
        while len(canonical(shown)) > limit:  # what JSON escapes takes more room
            shown = shown[: len(shown) * 3 // 4]
        cut = [*cut_before, f"{len(shown)} of {len(plain)} characters"]
        return shown, _cut_caveat(limit, cut)
    for characters, items in _SHAPES:
        pruner = _Pruner(characters, items)
        pruned = pruner.prune(plain)
        if len(canonical(pruned)) <= limit:
            return pruned, _cut_caveat(limit, [*cut_before, *pruner.cut])
    return fit(canonical(plain).decode(), limit=limit, cut_before=[*cut_before, "shown as text"])


def _cut_caveat(limit: int, cut: Sequence[str]) -> tuple[str, ...]:
    if not cut:
        return ()
    more = f" and {len(cut) - 3} more cuts" if len(cut) > 3 else ""
    return (f"the result was cut to {limit // 1024} KiB: {', '.join(cut[:3])}{more}"[:_MAX_CAVEAT],)


class _Pruner:
    """Shortens every text and list of a value."""

    def __init__(self, characters: int, items: int) -> None:
        self._characters = characters
        self._items = items
        self.cut: list[str] = []

    def prune(self, value: Any, path: str = "") -> Any:
        where = f"{path[:60]}: " if path else ""
        if isinstance(value, str) and len(value) > self._characters:
            self.cut.append(f"{where}{self._characters} of {len(value)} characters")
            return f"{value[: self._characters]}…"
        if is_array(value):
            if len(value) > self._items:
                self.cut.append(f"{where}{self._items} of {len(value)} items")
            return [self.prune(item, f"{path}[{i}]") for i, item in enumerate(value[: self._items])]
        if is_object(value):
            if len(value) > self._items:
                self.cut.append(f"{where}{self._items} of {len(value)} entries")
            kept = list(value.items())[: self._items]
            return {key[:200]: self.prune(item, f"{path}.{key}" if path else key) for key, item in kept}
        return value


def _bounded_result(result: ToolResult) -> ToolResult:
    """A result that the function made itself, with the same bounds."""
    caveats = tuple(clean_text(str(caveat))[:_MAX_CAVEAT] for caveat in result.caveats[:_MAX_CAVEATS])
    if result.error is not None:
        message = clean_text(str(result.error.message))[:_MAX_CAVEAT]
        return ToolResult.failed(dataclasses.replace(result.error, message=message))
    whole = _Whole()
    plain, cut = fit(storable(whole.plain(result.value)), cut_before=whole.cut)
    status = "partial" if cut else result.status
    return ToolResult(status=status, value=plain, caveats=(*caveats, *cut))


def wrong_output(error: WrongOutput, *, may_have_acted: bool) -> ToolResult:
    """The result of a call whose answer cannot be used. A write may well have been applied."""
    message = clean_text(str(error))
    if may_have_acted:
        message = f"{message}; whether it was applied is not known"
    return ToolResult.failed(ToolError.of("unknown_outcome" if may_have_acted else "validation", message))
