"""Agents that somebody brings, governed inside: they get our metered model and our guarded tools.

A write is not executed in the foreign agent's own loop. The call is noted, the agent is left, the specialist's
graph decides and writes, and the agent runs again from its start: its model calls and reads return what was
recorded, and the write returns its result.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.errors import GraphBubbleUp
from pydantic import ConfigDict, PrivateAttr

from pilotman.agents.blocking import bounded
from pilotman.agents.calls import ProposedCall
from pilotman.agents.gateway import ModelGateway, ModelReply, ModelRequest
from pilotman.agents.isolation import isolated
from pilotman.agents.messages import from_langchain, to_langchain
from pilotman.agents.specialist import Kit
from pilotman.guardrails.digest import digest


T = TypeVar("T")
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


class Parked(GraphBubbleUp):
    """Leaves a foreign agent whose call needs a decision; LangGraph hands it through."""


class MeteredModel(BaseChatModel):
    """Our gateway as a LangChain chat model: every call is paid for, recorded and replayed."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _seat: Seat = PrivateAttr()

    def __init__(self, seat: Seat) -> None:
        super().__init__()
        self._seat = seat

    @property
    def _llm_type(self) -> str:
        return "pilotman-metered"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tools as LangChain binds them; a forced choice is left to the prompt."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = await self._seat.ask([_plain(m) for m in messages], kwargs.get("tools", ()))
        message = to_langchain(reply.message)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._seat.from_thread(self._agenerate(messages, stop, None, **kwargs))


class GuardedTool(BaseTool):
    """One of our tools as a LangChain tool: reads run, anything else leaves the agent for a decision."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _seat: Seat = PrivateAttr()

    def __init__(self, seat: Seat, *, name: str, description: str, schema: dict[str, Any]) -> None:
        super().__init__(name=name, description=description, args_schema=schema)
        self._seat = seat

    async def _arun(self, **kwargs: Any) -> str:
        return await self._seat.call(self.name, kwargs)

    def _run(self, **kwargs: Any) -> str:
        return self._seat.from_thread(self._seat.call(self.name, kwargs))


class Seat:
    """One pass of a foreign agent over its task. ``wanted`` are the calls that need a decision."""

    def __init__(self, desk: Any, finished: Sequence[ProposedCall]) -> None:
        self._desk = desk
        self._finished = {call.path: call for call in finished}
        self._passes: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self.wanted: dict[str, ProposedCall] = {}
        self.messages: list[dict[str, Any]] = []

    def kit(self) -> Kit:
        """What the agent is built from."""
        task = self._desk.task
        tools: list[BaseTool] = [
            GuardedTool(self, name=t.name, description=t.description, schema=dict(t.args_schema))
            for t in task.tools.values()
        ]
        return Kit(model=MeteredModel(self), tools=tools, prompt=task.instructions)

    def _path(self, what: str, request: Any) -> str:
        """A step path that is the same whenever the agent makes the same call for the n-th time."""
        name = f"{what}:{digest(request)[:12]}"
        self._passes[name] += 1
        return f"{self._desk.task.path}/{name}:{self._passes[name]}"

    async def ask(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any]) -> ModelReply:
        """One model turn through the gateway."""
        gateway: ModelGateway = self._desk.gateway
        path = self._path("model", [list(messages), list(tools)])
        role = self._desk.task.role
        return await gateway.ask(ModelRequest(path=path, role=role, messages=messages, tools=list(tools)))

    async def call(self, name: str, args: Mapping[str, Any]) -> str:
        """The result of a tool call as text.

        Raises:
            Parked: the call needs a decision; the agent runs again when it was taken.
        """
        path = self._path("tool", [name, dict(args)])
        call = self._finished.get(path) or self._desk.guard.propose_one({"name": name, "args": args}, path=path)
        if call.stage == "proposed" and self._desk.guard.is_free(call):
            call = await self._desk.read(call)
        if call.stage != "done":
            self.wanted[path] = call
            raise Parked
        message = call.message()
        self.messages.append(message)
        return str(message["content"])

    def from_thread(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the run's loop for code in another thread, and wait for it.

        Raises:
            RuntimeError: called on the loop itself, which would wait for itself.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            work.close()
            raise RuntimeError("a foreign agent called synchronously inside the event loop; use its async methods")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def run(self, agent: Runnable[Any, Any], text: str, *, timeout: float) -> str:
        """The agent's last words; empty if it was left for a decision (see ``wanted``).

        Raises:
            TimeoutError: it did not end in time and was abandoned.
        """
        request = {"messages": [{"role": "user", "content": text}]}
        work = asyncio.create_task(_invoke(agent, request), context=isolated())
        try:
            output = await bounded(work, timeout)
        except Parked:
            return ""
        return "" if self.wanted else _words(output)


async def _invoke(agent: Runnable[Any, Any], request: Mapping[str, Any]) -> Any:
    return await agent.ainvoke(request)


def _plain(message: BaseMessage) -> dict[str, Any]:
    """A host's message as a plain one, without its random id: the same question has the same digest."""
    plain = from_langchain(message)
    plain.pop("id", None)
    plain["role"] = _ROLES.get(message.type, "user")
    if isinstance(message, ToolMessage):
        plain |= {"tool_call_id": message.tool_call_id, "name": message.name}
    return plain


def _words(output: Any) -> str:
    """The text of what an agent returned: its last message, a message, or anything else as text."""
    if isinstance(output, Mapping) and output.get("messages"):
        output = output["messages"][-1]
    if isinstance(output, BaseMessage):
        return output.text
    return output if isinstance(output, str) else str(output)
