"""LangChain tools and Runnables as tools: their schema, and how to call them without their host.

A Runnable, a compiled graph too, is one opaque call: nothing inside it is governed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, Required, cast, get_type_hints
from uuid import uuid4

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import Tool as SimpleTool
from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict, is_typeddict

from pilotman.agents.blocking import Threads
from pilotman.agents.body import Body
from pilotman.agents.context import ToolContext
from pilotman.agents.output import Output
from pilotman.agents.parts import ToolParts
from pilotman.agents.schema import Arguments, ModelArguments, SchemaArguments
from pilotman.guardrails.errors import ConfigurationError

_REQUEST = {
    "type": "object",
    "properties": {"request": {"type": "string", "description": "What to ask, in words."}},
    "required": ["request"],
}


def adapt(runnable: Runnable[Any, Any], *, name: str | None, description: str | None) -> ToolParts:
    """The parts of a tool from a LangChain tool or any Runnable.

    Raises:
        ConfigurationError: its arguments have no usable schema, or something else must inject some of them.
    """
    own = name or runnable.get_name()
    if isinstance(runnable, BaseTool):
        description = description or runnable.description
        arguments = _tool_arguments(runnable, own)
        body: Body = ToolBody(tool=runnable, is_async=not _is_synchronous(runnable))
    else:
        description = description or f"Runs {own}."
        schema, entry = _input(runnable)
        arguments = SchemaArguments(schema, name=own)
        body = RunnableBody(runnable=runnable, entry=entry, is_async=not _is_lambda(runnable))
    return ToolParts(
        fn=runnable.ainvoke,
        name=own,
        description=description,
        arguments=arguments,
        body=body,
        output=Output(Any, name=own),
    )


@dataclass(frozen=True, kw_only=True)
class ToolBody:
    """A LangChain tool. A synchronous one runs in our threads, not in asyncio's default executor."""

    tool: BaseTool
    is_async: bool

    async def __call__(
        self, values: Mapping[str, Any], _ctx: ToolContext, threads: Threads, /, *_leading: Any
    ) -> Any:
        config: RunnableConfig = {"callbacks": []}
        if self.is_async:
            return _plain(await self.tool.ainvoke(dict(values), config))
        return _plain(await threads.run(partial(self.tool.invoke, dict(values), config)))


@dataclass(frozen=True, kw_only=True)
class RunnableBody:
    """Any Runnable. ``entry`` names the argument that is its whole input, None if the arguments are."""

    runnable: Runnable[Any, Any]
    entry: str | None
    is_async: bool

    async def __call__(
        self, values: Mapping[str, Any], _ctx: ToolContext, threads: Threads, /, *_leading: Any
    ) -> Any:
        given: Any = dict(values) if self.entry is None else values[self.entry]
        if self.entry == "request":
            given = {"messages": [{"role": "user", "content": given}]}
        config: RunnableConfig = {"callbacks": []}
        if getattr(self.runnable, "checkpointer", None):  # its state must not carry over from call to call
            config["configurable"] = {"thread_id": uuid4().hex}
        if self.is_async:
            return _answer(await self.runnable.ainvoke(given, config))
        return _answer(await threads.run(partial(self.runnable.invoke, given, config)))


def _answer(output: Any) -> Any:
    """What a model should see of a graph's output: its last message, if it is a conversation."""
    if isinstance(output, Mapping):
        state = cast("Mapping[str, Any]", output)
        if "__interrupt__" in state:
            raise RuntimeError("it stopped to ask a person, which it cannot do inside a tool")
        if state.get("structured_response") is not None:
            return state["structured_response"]
        messages = state.get("messages")
        if isinstance(messages, list) and messages and isinstance(messages[-1], BaseMessage):
            return messages[-1].text
    return _plain(output)


def _plain(output: Any) -> Any:
    if isinstance(output, BaseMessage):
        content: Any = output.content
        return content if output.type == "tool" else output.text
    return output


def _is_synchronous(tool: BaseTool) -> bool:
    if isinstance(tool, SimpleTool | StructuredTool):
        return tool.coroutine is None
    return type(tool)._arun is BaseTool._arun  # pyright: ignore[reportPrivateUsage]


def _is_lambda(runnable: Runnable[Any, Any]) -> bool:
    """Whether it is a synchronous function and nothing else."""
    return isinstance(runnable, RunnableLambda) and not hasattr(runnable, "afunc")


def _tool_arguments(tool: BaseTool, name: str) -> Arguments:
    shown = tool.tool_call_schema
    if isinstance(shown, dict):
        return SchemaArguments(shown, name=name)
    whole = tool.get_input_schema()
    if not issubclass(shown, BaseModel) or not issubclass(whole, BaseModel):  # pydantic's first version
        return SchemaArguments(shown.schema(), name=name)
    fields = whole.model_fields
    hidden = (set(fields) - set(shown.model_fields)) | set(getattr(tool, "_injected_args_keys", ()))
    injected = sorted(n for n in hidden if n not in fields or fields[n].is_required())
    if injected:
        raise ConfigurationError(
            f"{name} expects {', '.join(injected)} from the graph that it was written for",
            hint="write it as a function with a ToolContext instead",
        )
    return ModelArguments(shown, name=name)


def _input(runnable: Runnable[Any, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The schema of its arguments, and which of them is the whole input."""
    schema = _input_schema(runnable)
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict):
        definitions = {word: schema[word] for word in ("$defs", "definitions") if word in schema}
        single = {word: value for word, value in schema.items() if word not in definitions}
        return {
            "type": "object",
            "properties": {"input": single},
            "required": ["input"],
            **definitions,
        }, "input"
    if "messages" in properties:
        return _REQUEST, "request"
    return schema, None


def _input_schema(runnable: Runnable[Any, Any]) -> Mapping[str, Any]:
    """By the Runnable itself, else by a graph's state; anything goes if neither has a JSON form."""
    try:
        return runnable.get_input_jsonschema()
    except Exception:  # such as a ``typing.TypedDict``, which pydantic refuses before Python 3.12
        state: Any = getattr(getattr(runnable, "builder", None), "input_schema", None)
    try:
        return _state_schema(state) if is_typeddict(state) else {}
    except Exception:  # a type without JSON form somewhere inside
        return {}


def _state_schema(state: Any) -> Mapping[str, Any]:
    hints = get_type_hints(state)
    if "messages" in hints:
        return {"type": "object", "properties": {"messages": True}}
    make: Any = TypedDict  # checkers want it written out
    required: frozenset[str] = state.__required_keys__
    fields = {n: (Required if n in required else NotRequired)[hint] for n, hint in hints.items()}
    return TypeAdapter(make("State", fields)).json_schema()
