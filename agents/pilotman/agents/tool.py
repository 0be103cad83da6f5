"""Tools: typed functions with an effect, limits and an identity, which models may call."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from pilotman.agents.attempt import attempt
from pilotman.agents.blocking import Threads
from pilotman.agents.body import Body, FunctionBody
from pilotman.agents.context import ToolContext
from pilotman.agents.identity import Identity, KeyScope, identity_fields
from pilotman.agents.langchain_tools import adapt
from pilotman.agents.output import WrongOutput, facts
from pilotman.agents.parts import ToolParts, of_function
from pilotman.agents.result import ToolError, ToolResult
from pilotman.agents.settings import ToolSettings
from pilotman.agents.undo import UndoBody, UndoIdentity
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.label import Sensitivity
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.retry import Retry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Tool(Generic[P, R]):
    """A function that models may call. Made by ``tool``.

    ``fn`` is the undecorated function: for unit tests, never called by an agent. ``effect`` is None where
    none was declared; ``effective`` then says ``write``. ``args_schema`` is the JSON schema for a model.
    ``destinations`` are the parameters in which the caller says where the call goes; ``body`` is what one
    attempt runs.
    """

    def __init__(self, parts: ToolParts, *, settings: ToolSettings, identity: Identity) -> None:
        self.fn: Callable[P, Awaitable[R] | R] = parts.fn
        self.name = parts.name
        self.description = parts.description
        self.settings = settings
        self._identity = identity
        self._arguments = parts.arguments
        self._output = parts.output
        self.body: Body = parts.body
        self._lookup: FunctionBody | None = None
        self._compensation: FunctionBody | None = None
        self._precondition: FunctionBody | None = None
        self.destinations = parts.destinations(settings.destinations)

    @property
    def effect(self) -> Effect | None:
        return self.settings.effect

    @property
    def declared(self) -> bool:
        return self.settings.effect is not None

    @property
    def effective(self) -> Effect:
        """The effect that counts: undeclared is a write, if it is not known to be worse, and a read that goes
        where its caller says is egress."""
        if self.settings.effect is not None:
            return "egress" if self.reads and self.destinations else self.settings.effect
        return "irreversible" if self.settings.at_least == "irreversible" else "write"

    @property
    def reads(self) -> bool:
        """Whether it declares to change nothing, wherever it reads."""
        return self.settings.effect == "read"

    @property
    def args_schema(self) -> Mapping[str, Any]:
        return self._arguments.schema

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON schema of what it returns, by its annotation; None where it says nothing."""
        return self._output.schema

    @property
    def timeout(self) -> float:
        return self.settings.timeout

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.settings.scopes

    @property
    def third_party(self) -> bool | tuple[str, ...]:
        """Whether third parties write the output, or which of its fields."""
        return self.settings.third_party

    @property
    def sensitivity(self) -> Sensitivity:
        """How far the output may travel."""
        return self.settings.sensitivity

    @property
    def pinned(self) -> bool:
        """Whether somebody vouches for the description and the schema; else they lease nothing."""
        return self.settings.pinned

    @property
    def retry(self) -> Retry:
        return self.settings.retry

    @property
    def breaker(self) -> Breaker:
        return self.settings.breaker

    @property
    def limit(self) -> Limit:
        return self.settings.limit

    @property
    def identity(self) -> tuple[str, ...]:
        """The arguments that identify an effect; none declared: all of them do."""
        return self._identity.fields

    @property
    def key_scope(self) -> KeyScope:
        return self._identity.scope

    @property
    def version(self) -> str:
        """Changes with the name, the description, the schema, the effect and the destinations."""
        return digest([self.name, self.description, self.args_schema, self.effect, self.destinations])[:12]

    @property
    def is_async(self) -> bool:
        return self.body.is_async

    @property
    def idempotent(self) -> bool:
        """Whether the target knows our key: the function takes a ``ToolContext`` and its own code reads
        ``idempotency_key``."""
        return isinstance(self.body, FunctionBody | UndoBody) and self.body.passes_key_on

    @property
    def has_lookup(self) -> bool:
        return self._lookup is not None

    @property
    def has_compensation(self) -> bool:
        return self._compensation is not None

    @property
    def has_precondition(self) -> bool:
        return self._precondition is not None

    def __repr__(self) -> str:
        return f"Tool({self.name!r}, effect={self.effect!r})"

    def lookup(
        self, fn: Callable[P, Awaitable[R | None] | R | None], /
    ) -> Callable[P, Awaitable[R | None] | R | None]:
        """Register how to find out whether an effect was applied: its result if it was, None if not.

        Raises:
            ConfigurationError: it takes other arguments, or the tool returns None and so cannot be looked up.
        """
        if self._output.always_none:
            raise ConfigurationError(
                f"{self.name} returns None, which a look-up could not tell from 'not applied'",
                hint="return something, such as True",
            )
        self._lookup = self._beside(fn, "look-up")
        return fn

    def compensate(
        self, fn: Callable[Concatenate[R, P], Awaitable[None] | None], /
    ) -> Callable[Concatenate[R, P], Awaitable[None] | None]:
        """Register how to undo an effect: it gets the effect's result, then the tool's arguments.

        Raises:
            ConfigurationError: it takes other arguments.
        """
        self._compensation = self._beside(fn, "compensation", leading=1)
        return fn

    def precondition(
        self, fn: Callable[P, Awaitable[Mapping[str, Any]] | Mapping[str, Any]], /
    ) -> Callable[P, Awaitable[Mapping[str, Any]] | Mapping[str, Any]]:
        """Register what to find out before a decision: facts for policies, or an exception that refuses.

        A fact ``etag`` is the target's version: permits are for it alone, ``ToolContext.etag`` tells it.

        Raises:
            ConfigurationError: it takes other arguments.
        """
        self._precondition = self._beside(fn, "precondition")
        return fn

    def _beside(self, fn: Callable[..., Any], role: str, *, leading: int = 0) -> FunctionBody:
        name = f"the {role} of {self.name}"
        return FunctionBody.beside(fn, self.args_schema["properties"], name=name, leading=leading)

    def with_body(self, body: Body) -> Tool[P, R]:
        """The same tool, run by another body."""
        other = copy.copy(self)
        other.body = body
        return other

    def rehearsed(self, body: Body) -> Tool[P, R]:
        """The same to models and policies, but ``body`` is all of it: no function of its author is called."""
        other = self.with_body(body)
        other._lookup = other._compensation = other._precondition = None
        return other

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical JSON-able arguments, defaults included.

        Raises:
            InvalidArguments: they do not fit; the message says how to mend them.
        """
        return self._arguments.validate(args)

    def key(self, args: Mapping[str, Any], *, run_id: str, thread_id: str, tenant: str) -> str:
        """The idempotency key of a call with these validated arguments; see ``Identity.key``."""
        return self._identity.key(self.name, args, run_id=run_id, thread_id=thread_id, tenant=tenant)

    async def call(
        self, args: Mapping[str, Any], ctx: ToolContext, *, timeout: float, threads: Threads
    ) -> ToolResult:
        """One attempt of at most ``timeout`` seconds. Failures are values; only cancellation raises."""
        lost: Effect = "read" if self.reads else self.effective  # what no reply may have left behind
        return await self._attempt(
            self.body, args, ctx, timeout, threads, effect=lost, convert=self._output.result
        )

    async def find(
        self, args: Mapping[str, Any], ctx: ToolContext, *, timeout: float, threads: Threads
    ) -> ToolResult | None:
        """What an effect with these arguments came to by the look-up: None, it was not applied; an error, the
        look-up failed or there is none."""
        return await self._attempt(
            self._lookup, args, ctx, timeout, threads, effect="read", convert=self._output.found
        )

    def undoing(self, effect_id: str, done: Any, *, attempt: int = 1) -> Tool[P, Any]:
        """The tool that takes the effect back whose result's value was ``done``: with the same arguments and
        settings, under the same name. ``attempt``: the one that applied it.

        Raises:
            ConfigurationError: the tool has no compensation, or the result cannot be read back.
        """
        if self._compensation is None:
            raise ConfigurationError(
                f"{self.name} has no compensation", hint=f"write one: @{self.name}.compensate"
            )
        try:
            body = UndoBody(inner=self._compensation, done=self._output.restore(done))
        except WrongOutput as error:
            raise ConfigurationError(str(error), hint="take it back by hand") from error
        undo = cast("Tool[P, Any]", self.rehearsed(body))
        undo._identity = UndoIdentity(effect_id=effect_id, attempt=attempt)
        return undo

    async def facts(
        self, args: Mapping[str, Any], ctx: ToolContext, *, timeout: float, threads: Threads
    ) -> Mapping[str, Any] | ToolResult:
        """Fresh facts by the precondition, JSON-able; an error result if it refused or failed."""
        convert = partial(facts, name=f"the precondition of {self.name}")
        return await self._attempt(
            self._precondition, args, ctx, timeout, threads, effect="read", convert=convert
        )

    async def _attempt(
        self,
        body: Body | None,
        args: Mapping[str, Any],
        ctx: ToolContext,
        timeout: float,
        threads: Threads,
        *,
        effect: Effect,
        convert: Callable[[Any], T],
    ) -> T | ToolResult:
        if body is None:
            return ToolResult.failed(ToolError.of("permanent", f"{self.name} has no such function"))
        return await attempt(
            body, self._arguments, args, ctx, convert=convert, timeout=timeout, threads=threads, effect=effect
        )


class ToolDecorator(Protocol):
    """What ``tool(…)`` without a function gives. Asynchronous first, so that ``R`` is what is awaited."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Tool[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Tool[P, R]: ...


@overload
def tool(
    fn: BaseTool | Runnable[Any, Any],
    /,
    *,
    effect: Effect | None = None,
    name: str | None = None,
    description: str | None = None,
    third_party: bool | Sequence[str] = True,
    sensitivity: Sensitivity = "internal",
    timeout: float = 10.0,
    scopes: Sequence[str] = (),
    destinations: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    key_scope: KeyScope = "run",
    retry: Retry | None = None,
    breaker: Breaker | None = None,
    rate: str | None = None,
    max_concurrent: int | None = None,
) -> Tool[..., Any]: ...
@overload
def tool(fn: Callable[P, Awaitable[R]], /) -> Tool[P, R]: ...
@overload
def tool(fn: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *,
    effect: Effect | None = None,
    name: str | None = None,
    description: str | None = None,
    third_party: bool | Sequence[str] = True,
    sensitivity: Sensitivity = "internal",
    timeout: float = 10.0,
    scopes: Sequence[str] = (),
    destinations: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    key_scope: KeyScope = "run",
    retry: Retry | None = None,
    breaker: Breaker | None = None,
    rate: str | None = None,
    max_concurrent: int | None = None,
) -> ToolDecorator: ...
def tool(
    fn: Any = None,
    /,
    *,
    effect: Effect | None = None,
    name: str | None = None,
    description: str | None = None,
    third_party: bool | Sequence[str] = True,
    sensitivity: Sensitivity = "internal",
    timeout: float = 10.0,
    scopes: Sequence[str] = (),
    destinations: Sequence[str] | None = None,
    idempotency_key: str | None = None,
    key_scope: KeyScope = "run",
    retry: Retry | None = None,
    breaker: Breaker | None = None,
    rate: str | None = None,
    max_concurrent: int | None = None,
) -> Any:
    """Make a tool of a typed function, a LangChain tool or any Runnable.

    Bare ``@tool`` declares no effect: it counts as a write. ``idempotency_key`` names the arguments that
    identify an effect, such as ``{order_id}:{amount_cents}`` (default: all), ``key_scope`` where that
    identity holds. ``timeout``: seconds, an attempt. ``third_party``: whether others write the output, or the
    names of its fields that they write; ``sensitivity``: how far it may travel. ``destinations``: the
    parameters in which the caller says where a call goes (default: URLs, by format or name): a read with any
    is egress. ``rate`` ("10/second") and ``max_concurrent`` hold for all runs of a supervisor; calls wait in
    their ``timeout``. Parameters annotated ``ToolContext`` are injected and hidden from models.

    Raises:
        ConfigurationError: what was given cannot become a tool; the message says why.
    """
    settings = ToolSettings(
        effect=effect,
        timeout=timeout,
        scopes=scopes if isinstance(scopes, str) else tuple(scopes),  # type: ignore[arg-type]  # pyright: ignore
        destinations=destinations if isinstance(destinations, str | None) else tuple(destinations),  # type: ignore[arg-type]  # pyright: ignore
        third_party=third_party if isinstance(third_party, bool) else tuple(third_party),
        sensitivity=sensitivity,
        retry=retry or Retry(),
        breaker=breaker or Breaker(),
        limit=Limit(rate=rate, max_concurrent=max_concurrent),
    )

    def make(function: Any) -> Tool[..., Any]:
        if isinstance(function, Tool):
            raise ConfigurationError(f"{function} is a tool already")
        read: Callable[..., ToolParts] = adapt if isinstance(function, Runnable) else of_function
        parts = read(function, name=name, description=description)
        fields = identity_fields(idempotency_key, parts.arguments.schema["properties"], name=parts.name)
        return Tool(parts, settings=settings, identity=Identity(scope=key_scope, fields=fields))

    return make if fn is None else make(fn)
