"""A tool's arguments: the JSON schema that a model sees and the strict check of what it answers."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, NotRequired, Protocol, Required, TypeAlias

import jsonschema_rs
import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from typing_extensions import TypedDict

from pilotman.agents.bounds import MAX_DECLARED, Bounds
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.json_value import is_array, is_object
from pilotman.agents.patterns import LIMITS
from pilotman.agents.result import clean_text
from pilotman.agents.signature import Signature
from pilotman.agents.soundness import check_foreign, check_sound
from pilotman.guardrails.errors import ConfigurationError

_MAX_PROBLEMS = 8
_MAX_MESSAGE = 1_000

Json: TypeAlias = Mapping[str, Any]


class Arguments(Protocol):
    """What a tool takes."""

    @property
    def schema(self) -> Json:
        """The JSON schema (2020-12) for a model: an object with nothing else allowed in it."""
        ...

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical JSON-able arguments, defaults included. Raises ``InvalidArguments``."""
        ...

    def values(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The Python values to call with. Raises ``InvalidArguments``."""
        ...


class TypedArguments:
    """Arguments by a function's annotations.

    Strict in JSON's terms: a date is an ISO 8601 text and an enum its value, but a number is never a text.

    Raises:
        ConfigurationError: a type has no JSON form, is recursive or very large, is a secret, or a default
            does not fit its own type.
    """

    def __init__(self, signature: Signature) -> None:
        name = signature.name
        hints, self._defaults = _with_field_defaults(signature)
        shape = _shape(hints, optional=self._defaults)
        self._adapter, schema = _adapter(shape, name)
        plain = {
            field: _plain_default(hints[field], d, f"{field} of {name}")
            for field, d in self._defaults.items()
        }
        self._plain_defaults = plain
        self._schema = _with_defaults(_tidy(schema), plain)
        _refuse_hostile(self._schema, name)
        self._bounds = Bounds(self._schema)

    @property
    def schema(self) -> Json:
        return self._schema

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        raw = self._bounds.check(args)
        plain = {**self._plain_defaults, **_canonical(self._adapter, raw, self._schema)}
        return {n: self._bounds.ordered(n, plain[n]) for n in self._schema["properties"] if n in plain}

    def values(self, args: Mapping[str, Any]) -> dict[str, Any]:
        parsed: dict[str, Any] = _parse(self._adapter, self._bounds.check(args), self._schema)
        return {**self._defaults, **parsed}


class ModelArguments:
    """Arguments by a pydantic model that somebody brings (a LangChain tool's ``args_schema``)."""

    def __init__(self, model: type[BaseModel], *, name: str) -> None:
        self._adapter, schema = _adapter(model, name)
        self._schema: dict[str, Any] = {**_tidy(schema), "additionalProperties": False}
        self._schema.pop("description", None)  # the tool's own
        self._schema.setdefault("properties", {})
        _refuse_hostile(self._schema, name)
        self._bounds = Bounds(self._schema)

    @property
    def schema(self) -> Json:
        return self._schema

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        raw = self._bounds.check(args)
        unknown = [key for key in args if key not in self._schema["properties"]]
        if unknown:  # the model's own settings may let them pass
            raise InvalidArguments(_bounded(_not_an_argument(unknown[0], self._schema)))
        return _canonical(self._adapter, raw, self._schema)

    def values(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return self.validate(args)


class SchemaArguments:
    """Arguments by a JSON schema that arrives at run time. References to elsewhere are refused.

    Raises:
        ConfigurationError: it is no object's valid schema, refers to elsewhere, is recursive, deep or large.
    """

    def __init__(self, schema: Json, *, name: str) -> None:
        own = {word: value for word, value in schema.items() if word not in ("$id", "description")}
        check_foreign(own, name)
        self._schema: dict[str, Any] = {"properties": {}, **_tidy(own)}
        self._schema |= {"type": "object", "additionalProperties": False}
        _refuse_hostile(self._schema, name)
        try:
            self._validator = jsonschema_rs.validator_for(
                self._schema, retriever=_refuse_remote, pattern_options=LIMITS
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise ConfigurationError(f"the schema of {name} is not usable: {_first_line(error)}") from error
        self._bounds = Bounds(self._schema, longest=MAX_DECLARED)

    @property
    def schema(self) -> Json:
        return self._schema

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        raw = self._bounds.check(args)
        properties: Mapping[str, Any] = self._schema["properties"]
        plain: dict[str, Any] = orjson.loads(raw)
        for name, node in properties.items():
            if is_object(node) and "default" in node:
                plain.setdefault(name, node["default"])
        problems: list[str] = []
        for error in self._validator.iter_errors(plain):
            path = _path(error.instance_path) or "the arguments"
            problems.append(f"{path}: {error.message[:200]}")
            if len(problems) == _MAX_PROBLEMS:
                break
        if problems:
            raise InvalidArguments(_bounded("; ".join(problems)))
        return {n: plain[n] for n in properties if n in plain}

    def values(self, args: Mapping[str, Any]) -> dict[str, Any]:
        return self.validate(args)


def _refuse_remote(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}")


# --- building ---------------------------------------------------------------------------------------------


def _shape(hints: Mapping[str, Any], *, optional: Collection[str]) -> Any:
    """A TypedDict: unlike a model's fields, its keys may have any name."""
    make: Any = TypedDict  # checkers want it written out
    shape = make(
        "Arguments", {n: (NotRequired if n in optional else Required)[hint] for n, hint in hints.items()}
    )
    shape.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return shape


def _adapter(shape: Any, name: str) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(shape)
        return adapter, adapter.json_schema()
    except Exception as error:  # a type's own hooks may raise anything
        raise ConfigurationError(
            f"the arguments of {name} have no JSON schema: {_first_line(error)}",
            hint="use types that pydantic knows",
        ) from error


def _with_field_defaults(signature: Signature) -> tuple[dict[str, Any], dict[str, Any]]:
    """Types and defaults, where a default may be pydantic's ``Field(…)``."""
    hints, defaults = dict(signature.hints), dict(signature.defaults)
    for name, default in signature.defaults.items():
        if not isinstance(default, FieldInfo):
            continue
        del defaults[name]
        if not default.is_required():
            defaults[name] = default.get_default(call_default_factory=True, validated_data={})
        hints[name] = Annotated[hints[name], default]
    return hints, defaults


def _plain_default(hint: Any, default: Any, what: str) -> Any:
    """A default as JSON. It must pass as an argument: that is how a call is recorded."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        plain = adapter.dump_python(default, mode="json", warnings="error")
        adapter.validate_json(orjson.dumps(plain), strict=True)
    except Exception as error:
        raise ConfigurationError(
            f"the default of {what} does not fit its type: {_first_line(error)}",
            hint="for a default of None write `… | None`",
        ) from error
    return plain


_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "propertyNames", "contains")


def _tidy(schema: Json) -> dict[str, Any]:
    """A copy without the titles that pydantic makes up; properties named ``title`` stay."""
    tidy: dict[str, Any] = {}
    for word, value in schema.items():
        if word == "title" and isinstance(value, str):
            continue
        if word in _NAMED and is_object(value):
            tidy[word] = {name: _tidied(inner) for name, inner in value.items()}
        elif word in _LISTED and is_array(value):
            tidy[word] = [_tidied(inner) for inner in value]
        else:
            tidy[word] = _tidied(value) if word in _SINGLE else value
    return tidy


def _tidied(node: Any) -> Any:
    return _tidy(node) if is_object(node) else node


def _with_defaults(schema: dict[str, Any], defaults: Json) -> dict[str, Any]:
    properties: dict[str, Any] = schema.get("properties", {})
    for name, default in defaults.items():
        properties[name] = {**properties[name], "default": default}
    return {**schema, "properties": properties}


def _refuse_hostile(schema: Json, name: str) -> None:
    check_sound(schema, name)
    if any(_secrets(schema)):
        raise ConfigurationError(
            f"{name} asks a model for a secret", hint="take it from ToolContext.credentials instead"
        )


def _secrets(schema: Json) -> Iterator[bool]:
    """Where pydantic says ``writeOnly``: its secrets do not survive a journal."""
    for node in (schema, *schema.get("$defs", {}).values()):
        for inner in node.get("properties", {}).values():
            yield from _write_only(inner)


def _write_only(node: Any) -> Iterator[bool]:
    if is_object(node):
        yield node.get("writeOnly") is True
        for word in ("anyOf", "items"):
            yield from _write_only(node.get(word))
    elif is_array(node):
        for inner in node:
            yield from _write_only(inner)


# --- checking ---------------------------------------------------------------------------------------------


def _parse(adapter: TypeAdapter[Any], raw: bytes, schema: Json) -> Any:
    try:
        return adapter.validate_json(raw, strict=True)
    except ValidationError as error:
        raise InvalidArguments(_explain(error, schema)) from None
    except Exception as error:  # a type's own validator may raise anything
        raise InvalidArguments(_bounded(f"the arguments were refused: {_first_line(error)}")) from None


def _canonical(adapter: TypeAdapter[Any], raw: bytes, schema: Json) -> dict[str, Any]:
    """Arguments as their types write them: two spellings of one value become one."""
    values = _parse(adapter, raw, schema)
    try:
        plain: dict[str, Any] = adapter.dump_python(values, mode="json", by_alias=True, warnings=False)
        adapter.validate_json(orjson.dumps(plain), strict=True)
    except Exception:  # a type that does not read what it writes
        plain = orjson.loads(raw)
    return plain


def _explain(error: ValidationError, schema: Json) -> str:
    """What is wrong with which argument; never the value itself."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    lines: list[str] = []
    for problem in problems[:_MAX_PROBLEMS]:
        where = _path(problem["loc"])
        if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
            lines.append(_not_an_argument(where, schema))
        elif problem["type"] == "missing":
            lines.append(f"{where[:100]}: is missing")
        else:
            lines.append(f"{where[:100] or 'the arguments'}: {problem['msg'][:300]}")
    if len(problems) > _MAX_PROBLEMS:
        lines.append(f"and {len(problems) - _MAX_PROBLEMS} more")
    return _bounded("; ".join(lines))


def _not_an_argument(name: str, schema: Json) -> str:
    known = ", ".join(schema["properties"]) or "none"
    return f"{name[:100]!r} is not an argument of this tool; its arguments: {known}"


def _path(steps: Any) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _bounded(text: str) -> str:
    text = clean_text(text)
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"


def _first_line(error: BaseException) -> str:
    lines = inspect.cleandoc(str(error)).splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
