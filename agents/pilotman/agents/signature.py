"""A tool function's signature: what a model fills in, what the runtime injects, what comes back."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType, UnionType
from typing import Any

from pilotman.agents.context import ToolContext
from pilotman.guardrails.errors import ConfigurationError

MAX_PARAMETERS = 64
_NAMELESS = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """``hints`` are the types by name of what a model fills, ``defaults`` of those that it may leave out.

    ``leading`` counts the first parameters that are ours (the result, in a compensation); ``context`` names
    those that take a ``ToolContext``. ``returns`` is the annotation, ``Any`` where there is none.
    """

    name: str
    parameters: tuple[inspect.Parameter, ...]
    hints: Mapping[str, Any]
    defaults: Mapping[str, Any]
    context: frozenset[str]
    returns: Any
    leading: int = 0

    def bind(
        self, values: Mapping[str, Any], ctx: ToolContext, *leading: Any
    ) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments of one call, of those values that the function takes."""
        positional, keywords = list(leading), dict[str, Any]()
        for parameter in self.parameters[self.leading :]:
            name = parameter.name
            if name not in self.context and name not in values:
                continue  # its default
            value = ctx if name in self.context else values[name]
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                keywords[name] = value
        return positional, keywords


def read(fn: Callable[..., Any], *, name: str, leading: int = 0) -> Signature:
    """The signature of a tool function, or of one that goes with it.

    Raises:
        ConfigurationError: it cannot become a tool: a parameter without a name or type, a generator,
            an annotation that cannot be resolved.
    """
    target = annotated_part(fn)
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ConfigurationError(f"{name} is a generator", hint="return a list instead")
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the signature of {name} cannot be read: {error}") from error
    parameters = tuple(signature.parameters.values())
    hints = _hints(target, name)
    _check_parameters(parameters[leading:], hints, name)
    context = frozenset(p.name for p in parameters if _is_context(hints.get(p.name)))
    filled = [p for p in parameters[leading:] if p.name not in context]
    return Signature(
        name=name,
        parameters=parameters,
        hints={p.name: hints[p.name] for p in filled},
        defaults={p.name: p.default for p in filled if p.default is not inspect.Parameter.empty},
        context=context,
        returns=hints.get("return", Any),
        leading=leading,
    )


def _check_parameters(parameters: tuple[inspect.Parameter, ...], hints: Mapping[str, Any], name: str) -> None:
    if len(parameters) > MAX_PARAMETERS:
        raise ConfigurationError(f"{name} has {len(parameters)} parameters", hint=f"at most {MAX_PARAMETERS}")
    for parameter in parameters:
        if parameter.kind in _NAMELESS:
            raise ConfigurationError(
                f"{name} takes {_NAMELESS[parameter.kind]}{parameter.name}, which no schema can describe",
                hint="name each parameter",
            )
        if parameter.name not in hints:
            raise ConfigurationError(f"parameter {parameter.name} of {name} has no type", hint="annotate it")


def annotated_part(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind partials and callable objects: it carries the annotations."""
    inner: Any = fn
    while hasattr(inner, "func") and hasattr(inner, "keywords"):  # functools.partial
        inner = inner.func
    if inspect.isroutine(inner) or inspect.isclass(inner) or not callable(inner):
        return typing.cast("Callable[..., Any]", inner)
    return type(inner).__call__


def _hints(target: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError:
        pass  # perhaps a type of the function in which the tool is defined
    except Exception as error:
        raise ConfigurationError(f"the annotations of {name} cannot be read: {error}") from error
    try:
        return typing.get_type_hints(target, localns=_locals_of_caller(), include_extras=True)
    except Exception as error:
        raise ConfigurationError(
            f"an annotation of {name} cannot be resolved: {error}",
            hint="import the type outside of TYPE_CHECKING, above the tool",
        ) from error


def _locals_of_caller() -> dict[str, Any]:
    """Names visible where the tool is being defined: the frames outside of this room, innermost first."""
    found: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None and frame.f_code.co_name != "<module>":
        if not str(frame.f_globals.get("__name__", "")).startswith("pilotman.agents."):
            found = {**frame.f_locals, **found}
        frame = frame.f_back
    return found


def _is_context(hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Annotated:
        return _is_context(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, UnionType):
        return any(_is_context(option) for option in typing.get_args(hint))
    return hint is ToolContext
