"""What a tool is made of, whatever it was made from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pilotman.agents.body import Body, FunctionBody
from pilotman.agents.output import Output
from pilotman.agents.result import clean_text
from pilotman.agents.schema import Arguments, TypedArguments
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.outbound.chosen import chosen_destinations

MAX_DESCRIPTION = 1_024
"""Characters of a description that a model sees."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class ToolParts:
    """Raises ``ConfigurationError`` for a name that models cannot call; a long description is cut."""

    fn: Callable[..., Any]
    name: str
    description: str
    arguments: Arguments
    body: Body
    output: Output

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name!r} is not a name that models can call",
                hint="give it name=, letters, digits, _ and -",
            )
        shown = clean_text(self.description).strip()[:MAX_DESCRIPTION]
        object.__setattr__(self, "description", shown or self.name.replace("_", " "))

    def destinations(self, declared: tuple[str, ...] | None) -> tuple[str, ...]:
        """The parameters that say where a call goes: as declared, else by their schema.

        Raises:
            ConfigurationError: there is no such parameter.
        """
        if declared is None:
            return chosen_destinations(self.name, self.arguments.schema)
        unknown = set(declared) - set(self.arguments.schema["properties"])
        if unknown:
            raise ConfigurationError(
                f"{self.name} has no parameter {min(unknown)!r} to go to", hint="() if callers do not choose"
            )
        return declared


def of_function(fn: Callable[..., Any], *, name: str | None, description: str | None) -> ToolParts:
    """The parts of a tool from a typed function.

    Raises:
        ConfigurationError: it cannot become a tool; the message says why.
    """
    if not callable(fn):
        raise ConfigurationError(
            f"{fn!r} cannot become a tool", hint="give a function, a LangChain tool or a Runnable"
        )
    own = name or str(getattr(fn, "__name__", ""))
    body = FunctionBody.of(fn, name=own)
    return ToolParts(
        fn=fn,
        name=own,
        description=description or inspect.getdoc(fn) or "",
        arguments=TypedArguments(body.signature),
        body=body,
        output=Output(body.signature.returns, name=own),
    )
