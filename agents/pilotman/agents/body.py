"""What a tool reduces to: one asynchronous callable over checked values and a context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, Protocol

from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.signature import Signature, annotated_part, read
from pilotman.guardrails.errors import ConfigurationError


class Body(Protocol):
    """One attempt of a call. It may raise anything, and may never return."""

    @property
    def is_async(self) -> bool:
        """Whether it computes on the event loop; else in a thread of ours."""
        ...

    async def __call__(
        self, values: Mapping[str, Any], ctx: ToolContext, threads: Threads, /, *leading: Any
    ) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class FunctionBody:
    """A function, asynchronous or not. A synchronous one runs in a thread, in the caller's context."""

    fn: Callable[..., Any]
    signature: Signature
    is_async: bool

    @classmethod
    def of(cls, fn: Callable[..., Any], *, name: str, leading: int = 0) -> FunctionBody:
        """Raises ``ConfigurationError`` if the function cannot be a tool, or part of one."""
        target = annotated_part(fn)
        is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(target)
        return cls(fn=fn, signature=read(fn, name=name, leading=leading), is_async=is_async)

    @classmethod
    def beside(
        cls, fn: Callable[..., Any], parameters: Collection[str], *, name: str, leading: int = 0
    ) -> FunctionBody:
        """One that takes a tool's ``parameters``, or some of them, after ``leading`` arguments of its own.

        Raises:
            ConfigurationError: it takes others.
        """
        body = cls.of(fn, name=name, leading=leading)
        unknown = set(body.signature.hints) - set(parameters)
        if unknown or len(body.signature.parameters) < leading:
            wrong = f"takes {min(unknown)!r}" if unknown else "does not take the result"
            raise ConfigurationError(f"{name} {wrong}", hint="give it the tool's own arguments")
        return body

    async def __call__(
        self, values: Mapping[str, Any], ctx: ToolContext, threads: Threads, /, *leading: Any
    ) -> Any:
        positional, keywords = self.signature.bind(values, ctx, *leading)
        if self.is_async:
            return await self.fn(*positional, **keywords)
        result = await threads.run(self.fn, *positional, **keywords)
        return await result if inspect.isawaitable(result) else result

    @property
    def passes_key_on(self) -> bool:
        """Whether the function's own code reads ``idempotency_key`` from the context that it takes."""
        code = getattr(inspect.unwrap(annotated_part(self.fn)), "__code__", None)
        return bool(self.signature.context) and isinstance(code, CodeType) and _reads_key(code)


def _reads_key(code: CodeType) -> bool:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return "idempotency_key" in code.co_names or any(_reads_key(part) for part in inner)
