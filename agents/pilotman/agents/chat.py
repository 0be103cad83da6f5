# pyright: reportPrivateUsage=false
"""One turn of one chat model: bounded in time, metered, checked, and deaf to a host's callbacks.

A turn takes the fast lane (``_agenerate_with_cache``, which keeps the model's cache and rate limiter but
skips LangChain's callback machinery) when nothing listens; otherwise ``ainvoke``. Only handlers that were
set on the model itself, or a tracer that the process's environment asks for, ever hear of it: what a host's
LangChain or LangGraph call put into context variables is taken off for the time of the call.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from langchain_core.globals import get_debug
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers import context as tracing
from pydantic import BaseModel

from pilotman.agents.blocking import Threads, bounded
from pilotman.agents.messages import from_langchain, text_of, to_langchain
from pilotman.agents.structured import ModelGarbage, schema_tool, structured
from pilotman.agents.tokens import estimate_tokens
from pilotman.guardrails.digest import canonical

__all__ = ["ChatReply", "chat", "structured"]

T = TypeVar("T")
_CAPS = ("max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "num_predict")
MAX_REPLY = 1 << 18
"""Bytes of a reply as JSON: far more than the tokens that a call may use make."""
_LONGEST_PROBLEM = 1_000
_NOT_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class ChatReply:
    """What the model said, as a plain message (see ``messages.py``), and what it used.

    ``estimated``: the provider gave no token counts, ours (an upper bound) stand in. ``problem``: why nobody
    can use it, in words that the model can act on; it is paid for all the same.
    """

    message: dict[str, Any]
    input_tokens: int
    output_tokens: int
    estimated: bool
    problem: str = ""


async def chat(
    model: BaseChatModel,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    schema: type[BaseModel] | None = None,
    max_output_tokens: int | None = None,
    timeout: float,
    threads: Threads,
) -> ChatReply:
    """Ask ``model`` once.

    ``tools`` are functions as OpenAI writes them (``{"type": "function", "function": {"name", "description",
    "parameters": JSON schema}}``), the inner mapping alone will do. With ``schema`` the reply must hold that
    structure, as a call of a tool of its name or as JSON text: ``structured`` reads it.

    Raises:
        TimeoutError: no reply within ``timeout`` seconds; the call was abandoned.
        Exception: whatever the provider raised.
    """
    bound = _bind(_capped(model, max_output_tokens), tools, schema)
    sent = [to_langchain(message) for message in messages]
    threads.adopt(asyncio.get_running_loop())
    with _unheard():
        message = await bounded(_ask(bound, sent, threads), timeout)
    reply = _reply(message, [*messages, *tools])
    return replace(reply, problem=_problem(reply.message, schema)[:_LONGEST_PROBLEM])


def _ask(bound: Runnable[Any, Any], sent: list[BaseMessage], threads: Threads) -> Awaitable[BaseMessage]:
    model, kwargs = _unwrap(bound)
    if model is None:
        return bound.ainvoke(sent)
    if type(model)._agenerate is BaseChatModel._agenerate:  # it would block LangChain's executor
        return threads.run(_blocking, bound, model, sent, kwargs)
    if _somebody_listens(model):
        return bound.ainvoke(sent)
    return _fast(model, sent, kwargs)


async def _fast(model: BaseChatModel, sent: list[BaseMessage], kwargs: Mapping[str, Any]) -> BaseMessage:
    result = await model._agenerate_with_cache(sent, **kwargs)
    return result.generations[0].message


def _blocking(
    bound: Runnable[Any, Any], model: BaseChatModel, sent: list[BaseMessage], kwargs: Mapping[str, Any]
) -> BaseMessage:
    if _somebody_listens(model):
        return cast("BaseMessage", bound.invoke(sent))
    return model._generate_with_cache(sent, **kwargs).generations[0].message


def _unwrap(bound: Runnable[Any, Any]) -> tuple[BaseChatModel | None, dict[str, Any]]:
    """The model beneath a plain ``bind`` and its arguments; None if there is more to it than that."""
    inner, kwargs = bound, dict[str, Any]()
    if isinstance(bound, RunnableBinding) and not bound.config and not bound.config_factories:
        inner, kwargs = bound.bound, dict(bound.kwargs)
    if isinstance(inner, BaseChatModel) and type(inner).ainvoke is BaseChatModel.ainvoke:
        return inner, kwargs
    return None, {}


def _somebody_listens(model: BaseChatModel) -> bool:
    callbacks = model.callbacks
    handlers = callbacks if isinstance(callbacks, list) or callbacks is None else callbacks.handlers
    return bool(handlers) or model.verbose or get_debug() or bool(tracing._tracing_v2_is_enabled())


@contextmanager
def _unheard() -> Generator[None]:
    """Take off what a host's calls left in context variables; a task started inside inherits that."""
    listening: list[ContextVar[Any]] = [
        var_child_runnable_config,
        tracing.tracing_v2_callback_var,
        tracing.run_collector_var,
        *(hook[0] for hook in tracing._configure_hooks),
    ]
    with ExitStack() as stack:
        for variable in listening:
            if variable.get(None) is not None:
                stack.callback(variable.reset, variable.set(None))
        yield


def _bind(
    model: BaseChatModel, tools: Sequence[Mapping[str, Any]], schema: type[BaseModel] | None
) -> Runnable[Any, Any]:
    offered = [dict(tool.get("function", tool)) for tool in tools]
    options: dict[str, Any] = {}
    if schema is not None:
        offered.append(schema_tool(schema))
        options = {} if tools else {"tool_choice": schema.__name__}
    if not offered:
        return model
    try:
        return model.bind_tools([{"type": "function", "function": tool} for tool in offered], **options)
    except NotImplementedError:  # a model without tools still answers in text
        return model


def _capped(model: BaseChatModel, cap: int | None) -> BaseChatModel:
    """The model with its own output limit lowered to ``cap``, where it has such a field."""
    fields = type(model).model_fields
    name = next((name for name in _CAPS if name in fields), None)
    if cap is None or name is None:
        return model
    own = getattr(model, name)
    return model if isinstance(own, int) and 0 < own <= cap else model.model_copy(update={name: cap})


def _reply(message: BaseMessage, sent: list[Any]) -> ChatReply:
    plain = from_langchain(message)
    usage = message.usage_metadata if isinstance(message, AIMessage) else None
    if usage and usage["input_tokens"] > 0:  # no prompt is empty
        read, written = usage["input_tokens"], usage["output_tokens"]
        return ChatReply(message=plain, input_tokens=read, output_tokens=written, estimated=False)
    said = [plain["content"], plain.get("tool_calls", [])]
    return ChatReply(
        message=plain, input_tokens=estimate_tokens(sent), output_tokens=estimate_tokens(said), estimated=True
    )


def _problem(message: Mapping[str, Any], schema: type[BaseModel] | None) -> str:
    """Why nobody can use this reply; empty if it is good."""
    try:
        size = len(canonical(message))
        if size > MAX_REPLY:
            return f"the reply is too long: {size} bytes, at most {MAX_REPLY}"
        if schema is not None:
            structured(message, schema)
            return ""
    except TypeError as error:  # a lone surrogate, for one
        return f"the reply is not JSON: {error}"
    except ModelGarbage as error:
        return str(error)
    text = text_of(message["content"])
    if _NOT_TEXT.search(text):
        return "the reply holds control characters: it is not text"
    if text.strip() or message.get("tool_calls"):
        return ""
    broken = message.get("invalid_tool_calls")
    return f"a tool call could not be read: {broken}" if broken else "the reply is empty"
