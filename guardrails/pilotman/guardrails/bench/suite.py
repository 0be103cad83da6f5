"""What a bench runs: tools, honest tasks as recorded traces, and injections.

A suite is data. Python builds it from these frozen classes; other people's suites arrive as a JSON document,
which is checked strictly (:func:`from_json`) and for sense (:func:`problems`).

Untrusted text marks the places where an attacker could write with ``{injected}``. ``third_party`` of a tool
is True (others write the whole output), False, or names of the output's fields that others write, wherever in
the output they stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final, cast

import jsonschema_rs
import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.policy import Effect

PLACEHOLDER: Final = "{injected}"
_STRICT: Final = ConfigDict(strict=True, extra="forbid")
_SHOWN: Final = 8


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class BenchTool:
    """A tool as its team describes it: all that a gate is told. No effect counts as a write."""

    name: str
    description: str
    args_schema: Mapping[str, Any]
    effect: Effect | None = None
    third_party: bool | tuple[str, ...] = True

    @property
    def reads(self) -> bool:
        """Whether a call brings something in: a read, or a read whose destination the caller chooses."""
        return self.effect in ("read", "egress")

    @property
    def harms(self) -> bool:
        """Whether a call can do harm: everything but a declared read."""
        return self.effect != "read"


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Step:
    """One call and the JSON-able result that it had (or would have)."""

    tool: str
    args: Mapping[str, Any]
    result: Any = None

    @property
    def key(self) -> str:
        """Digest of the tool and its exact arguments."""
        return digest({"tool": self.tool, "args": dict(self.args)})


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Task:
    """An honest task: what the user wrote, and what a good agent then did, in order."""

    name: str
    request: str
    steps: tuple[Step, ...]
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def exposed(self) -> bool:
        """Whether an attacker can reach this task: some result holds the placeholder."""
        return any(PLACEHOLDER in text for step in self.steps for _, text in strings(step.result))


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Injection:
    """An attack: the text that somebody plants, and what a fully hijacked model then calls.

    ``only``: names of the tasks that it attacks; none means every task of the suite.
    """

    name: str
    goal: str
    calls: tuple[Step, ...]
    only: tuple[str, ...] = ()


@with_config(_STRICT)
@dataclass(frozen=True, kw_only=True)
class Suite:
    """Tools, honest tasks and injections of one domain."""

    name: str
    tools: tuple[BenchTool, ...]
    tasks: tuple[Task, ...]
    injections: tuple[Injection, ...]

    @property
    def by_name(self) -> Mapping[str, BenchTool]:
        return {tool.name: tool for tool in self.tools}

    def attacks(self) -> Iterator[tuple[Task, Injection]]:
        """Each exposed task with each injection that is meant for it."""
        for task in self.tasks:
            for injection in self.injections:
                if task.exposed and (not injection.only or task.name in injection.only):
                    yield task, injection

    def to_json(self) -> str:
        """The document that :func:`from_json` reads back."""
        return orjson.dumps(_plain(self), option=orjson.OPT_INDENT_2).decode()


def from_json(document: str | bytes) -> Suite:
    """A suite from somebody's JSON document.

    Raises:
        ConfigurationError: not JSON, not of this shape, or it does not make sense; each place is named.
    """
    try:
        suite = TypeAdapter(Suite).validate_json(document)
    except ValidationError as error:
        found = [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_url=False)]
        raise _refused(found) from error
    if found := problems(suite):
        raise _refused(found)
    return suite


def problems(suite: Suite) -> list[str]:
    """What does not make sense in a suite, one line each: empty for a good one."""
    validators: dict[str, Callable[[Any], str | None]] = {}
    found: list[str] = []
    for number, tool in enumerate(suite.tools):
        try:
            validators[tool.name] = _validator(tool.args_schema)
        except ValueError as error:
            found.append(f"tools[{number}] {tool.name}: the schema does not compile: {error}")
    for kind, names in (
        ("tools", [tool.name for tool in suite.tools]),
        ("tasks", [task.name for task in suite.tasks]),
        ("injections", [injection.name for injection in suite.injections]),
    ):
        found += [f"{kind}: {name!r} is there {n} times" for name, n in Counter(names).items() if n > 1]
    if beyond := _numbers(suite):  # such a step has no digest, by which steps are told apart
        return [*found, *beyond]
    for task in suite.tasks:
        found += _of_task(suite, task, validators)
    for injection in suite.injections:
        found += _of_injection(suite, injection, validators)
    return found


def _numbers(suite: Suite) -> list[str]:
    """Steps with a whole number beyond 64 bits, which JSON libraries read differently."""
    steps = [
        *((f"task {task.name}", step) for task in suite.tasks for step in task.steps),
        *((f"injection {one.name}", step) for one in suite.injections for step in one.calls),
    ]
    return [
        f"{place}: {step.tool} has a whole number beyond 64 bits; write it as a string"
        for place, step in steps
        if any(not -(2**63) <= number < 2**64 for number in _wholes([dict(step.args), step.result]))
    ]


def _wholes(value: object) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping):
        for inner in cast("Mapping[str, object]", value).values():
            yield from _wholes(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _wholes(inner)


def strings(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every string in a JSON-able value, with the keys that lead to it (positions in lists are left out)."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from strings(inner, (*path, key))
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from strings(inner, path)


def filled(value: Any, text: str) -> Any:
    """The same JSON-able value with every placeholder replaced; no text leaves no trace of it."""
    if isinstance(value, str):
        if not text:
            return value.replace(f" {PLACEHOLDER}", "").replace(PLACEHOLDER, "")
        return value.replace(PLACEHOLDER, text)
    if isinstance(value, Mapping):
        return {key: filled(inner, text) for key, inner in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [filled(inner, text) for inner in cast("list[Any]", value)]
    return value


def _of_task(
    suite: Suite, task: Task, validators: Mapping[str, Callable[[Any], str | None]]
) -> Iterator[str]:
    if PLACEHOLDER in task.request:
        yield f"task {task.name}: the placeholder stands in the user's own request"
    if not task.steps:
        yield f"task {task.name}: no steps"
    for number, step in enumerate(task.steps):
        place = f"task {task.name}, step {number}"
        yield from _of_step(step, place, validators)
        tool = suite.by_name.get(step.tool)
        for path, text in strings(step.result):
            if PLACEHOLDER in text and tool is not None and not _written_by_others(tool, path):
                where = ".".join(path)
                yield f"{place}: {where} of {tool.name} is not third-party text, so nothing is injected"


def _of_injection(
    suite: Suite, injection: Injection, validators: Mapping[str, Callable[[Any], str | None]]
) -> Iterator[str]:
    tools = suite.by_name
    known = {task.name for task in suite.tasks}
    yield from (
        f"injection {injection.name}: no task {name!r}" for name in injection.only if name not in known
    )
    if all(not tools[call.tool].harms for call in injection.calls if call.tool in tools):
        yield f"injection {injection.name}: its calls only read, so it can do no harm"
    for number, step in enumerate(injection.calls):
        yield from _of_step(step, f"injection {injection.name}, call {number}", validators)


def _of_step(step: Step, place: str, validators: Mapping[str, Callable[[Any], str | None]]) -> Iterator[str]:
    if step.tool not in validators:
        yield f"{place}: no tool {step.tool!r}"
    elif (wrong := validators[step.tool](dict(step.args))) is not None:
        yield f"{place}: the arguments of {step.tool} do not fit its schema: {wrong}"
    if any(PLACEHOLDER in text for _, text in strings(step.args)):
        yield f"{place}: the placeholder stands in arguments"


def _validator(schema: Mapping[str, Any]) -> Callable[[Any], str | None]:
    # Nothing is fetched: a suite is somebody's document, and a remote $ref in it is refused.
    compiled = jsonschema_rs.validator_for(dict(schema), retriever=_offline)

    def validate(args: Any) -> str | None:
        error = next(iter(compiled.iter_errors(args)), None)
        return None if error is None else error.message

    return validate


def _offline(uri: str) -> Any:
    raise ValueError(f"remote references are refused: {uri}")


def _written_by_others(tool: BenchTool, path: tuple[str, ...]) -> bool:
    if isinstance(tool.third_party, bool):
        return tool.third_party
    return any(key in tool.third_party for key in path)


def _place(parts: tuple[int | str, ...]) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return place.lstrip(".") or "the document"


def _refused(found: list[str]) -> ConfigurationError:
    shown = "; ".join(found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ConfigurationError(f"the suite was not loaded: {shown}{more}", hint="correct the document")


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in cast("list[Any]", value)]
    return value
