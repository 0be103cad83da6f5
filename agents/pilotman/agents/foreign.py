"""Agents that somebody brings, governed inside: they get our metered model and our guarded tools.

A write is not executed in the foreign agent's own loop. The call is noted, the agent is left, the
specialist's graph decides and writes, and the agent runs again from its start: its model calls and reads
return what was recorded, and the write returns its result. Only what goes through the kit is governed: a
model, a client or a tool that the agent brings along is out of reach.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, PrivateAttr
from typing_extensions import override

from pilotman.agents.blocking import bounded
from pilotman.agents.calls import ProposedCall
from pilotman.agents.exchange import ModelReply, ModelRequest
from pilotman.agents.isolation import isolated
from pilotman.agents.messages import from_langchain, to_langchain
from pilotman.agents.specialist import Kit
from pilotman.guardrails.errors import BudgetExceeded, Unavailable
from pilotman.guardrails.incoming.cleaner import clean
from pilotman.guardrails.shape import is_mapping

if TYPE_CHECKING:
    from pilotman.agents.desk import Desk

T = TypeVar("T")
LEAVE_SECONDS = 0.01
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


class Parked(BaseException):
    """Leaves a foreign agent whose call needs a decision. No error: ``except Exception`` does not stop it."""


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
        offered = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=offered, tool_choice=tool_choice, **kwargs)

    @override
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

    @override
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
    """One pass of a foreign agent over its task.

    ``wanted`` are the calls that need a decision, ``messages`` what its tools returned, ``spent`` what the
    budget refused it.
    """

    def __init__(self, desk: Desk, finished: Sequence[ProposedCall]) -> None:
        self._desk = desk
        self._finished = {call.path: call for call in finished}
        self._passes: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._over = False
        self.spent: BudgetExceeded | None = None
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
        name = f"{what}:{self._desk.task.run.recorder.mark(request)}"
        self._passes[name] += 1
        return f"{self._desk.task.path}/{name}:{self._passes[name]}"

    async def _leave(self) -> NoReturn:
        # Calls of the same turn get the time to be noted too, and an agent that tries for ever holds no loop.
        await asyncio.sleep(LEAVE_SECONDS)
        raise Parked

    async def ask(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any]) -> ModelReply:
        """One model turn through the gateway.

        Raises:
            BudgetExceeded: it does not fit into the purse or the time left; from then on nothing does.
            Unavailable: every tier failed, or this pass is over because a call waits for a decision.
        """
        if self._over or self.wanted or self.spent is not None:  # an Exception: LangChain trips over others
            await asyncio.sleep(LEAVE_SECONDS)
            raise self.spent or Unavailable("this pass of the agent is over")
        path = self._path("model", [list(messages), list(tools)])
        role = self._desk.task.role
        request = ModelRequest(path=path, role=role, messages=messages, tools=list(tools))
        try:
            return await self._desk.gateway.ask(request)
        except BudgetExceeded as error:
            self.spent = error
            raise

    async def call(self, name: str, args: Mapping[str, Any]) -> str:
        """The result of a tool call as text.

        Raises:
            Parked: the call needs a decision (the agent runs again when it was taken), or this pass is over.
        """
        if self._over:
            await self._leave()
        path = self._path("tool", [name, dict(args)])
        call = self._finished.get(path) or self._desk.guard.propose_one(
            {"name": name, "args": args}, path=path
        )
        if call.stage == "proposed" and await self._desk.guard.is_free(call):
            call = await self._desk.read(call)
        if call.stage != "done":
            self.wanted[path] = call
            await self._leave()
        message = self._desk.message(call)
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
            raise RuntimeError(
                "a foreign agent called synchronously inside the event loop; use its async methods"
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def run(self, agent: Runnable[Any, Any], text: str, *, timeout: float) -> str:
        """The agent's last words; empty if it was left for a decision (see ``wanted``).

        Raises:
            TimeoutError: it did not end in time and was abandoned.
            Exception: whatever it raised itself.
        """
        request = {"messages": [{"role": "user", "content": text}]}
        self._desk.task.run.threads.adopt(self._loop)
        try:
            output = await bounded(_invoke(agent, request), timeout, context=isolated())
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:  # whatever it made of being left
            if self.wanted:
                return ""
            if isinstance(error, Exception):
                raise
            raise RuntimeError(f"it ended with {type(error).__name__}") from error
        finally:
            self._over = True
        return "" if self.wanted else clean(_words(output)).value  # it may have read what we never saw


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
    if is_mapping(output) and output.get("messages"):
        output = output["messages"][-1]
    if isinstance(output, BaseMessage):
        return output.text
    return output if isinstance(output, str) else str(output)
