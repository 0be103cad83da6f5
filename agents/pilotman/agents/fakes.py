"""Chat models for tests: one that says what its script says, one that fails on cue. Real models, no mocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr
from typing_extensions import override

from pilotman.agents.tokens import estimate_tokens

ModelFault: TypeAlias = Literal["ok", "timeout", "rate_limit", "garbage", "hang"]

GARBAGE = "\x00\ufffd\x01} {\x02"
"""What a ``garbage`` fault says: no text, no JSON, no tool call."""


class ScriptExhausted(AssertionError):
    """A scripted model was asked for more turns than its script has."""


class RateLimited(Exception):
    """A provider's answer to too many requests, recognisable by its ``status_code`` as theirs are."""

    status_code = 429


@dataclass(frozen=True, kw_only=True)
class SeenRequest:
    """What a scripted model was asked: the messages, and the tools that were bound."""

    messages: tuple[BaseMessage, ...]
    tools: tuple[Mapping[str, Any], ...] = ()


def call(tool: str, /, **args: Any) -> AIMessage:
    """A turn that calls one tool. Join several turns' ``tool_calls`` for parallel calls."""
    return AIMessage(content="", tool_calls=[tool_call(name=tool, args=args, id=None)])


@dataclass(eq=False)
class _Script:
    """The turns and how far they were read; shared by copies of the model."""

    turns: tuple[AIMessage, ...]
    requests: list[SeenRequest] = field(default_factory=list[SeenRequest])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, request: SeenRequest, name: str) -> tuple[int, AIMessage]:
        with self.lock:
            place = len(self.requests)
            if place >= len(self.turns):
                raise ScriptExhausted(
                    f"{name} has {len(self.turns)} turns and was asked for one more; "
                    f"the last message was: {str(request.messages[-1].content)[:200]!r}"
                )
            self.requests.append(request)
        return place, self.turns[place]

    def __getstate__(self) -> dict[str, Any]:
        return {"turns": self.turns, "requests": list(self.requests)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class ScriptedChatModel(BaseChatModel):
    """Says its turns one after the other: a text, or a message such as ``call("open_ticket", title="x")``.

    ``agent``: the script is for the agent of that name; everybody else is served by the next model of the
    chain. Token counts are estimated unless a turn carries its own ``usage_metadata``. Safe under parallel
    calls: each turn is said once. Copies read the same script.

    Raises:
        ScriptExhausted: when asked for more turns than there are.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    turns: list[str | AIMessage]
    agent: str | None = None
    _script: _Script = PrivateAttr()

    def __init__(self, turns: Sequence[str | AIMessage], *, agent: str | None = None, **kwargs: Any) -> None:
        super().__init__(turns=list(turns), agent=agent, **kwargs)  # type: ignore[call-arg]
        self._script = _Script(tuple(AIMessage(content=t) if isinstance(t, str) else t for t in turns))

    @property
    def _llm_type(self) -> str:
        return "pilotman-scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"], params["ls_model_name"] = "pilotman", kwargs.get("model", "scripted")
        return params

    @property
    def requests(self) -> tuple[SeenRequest, ...]:
        """What it was asked so far, in order."""
        return tuple(self._script.requests)

    def assert_exhausted(self) -> None:
        """Fail unless every turn was said."""
        left = self._script.turns[len(self._script.requests) :]
        if left:
            raise AssertionError(f"{self._name} has {len(left)} turns left, the next is {_shown(left[0])}")

    @property
    def _name(self) -> str:
        return f"the script of {self.agent}" if self.agent else "the script"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Remember the tools; the script says which are called."""
        return self.bind(
            tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs
        )

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = SeenRequest(messages=tuple(messages), tools=tuple(kwargs.get("tools") or ()))
        place, turn = self._script.next(request, self._name)
        message = turn.model_copy(
            update={
                "tool_calls": [_identified(c, place, at) for at, c in enumerate(turn.tool_calls)],
                "usage_metadata": turn.usage_metadata or _usage(messages, turn),
                "response_metadata": {"model_name": "scripted", **turn.response_metadata},
            }
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, None, **kwargs)


def _identified(asked: ToolCall, place: int, at: int) -> ToolCall:
    return (
        asked if asked["id"] else tool_call(name=asked["name"], args=asked["args"], id=f"call_{place}_{at}")
    )


def _usage(messages: Sequence[BaseMessage], turn: AIMessage) -> dict[str, int]:
    used = sum(estimate_tokens(str(message.content)) for message in messages)
    said = estimate_tokens(_shown(turn))
    return {"input_tokens": used, "output_tokens": said, "total_tokens": used + said}


def _shown(turn: AIMessage) -> str:
    return "; ".join([*([str(turn.content)] if turn.content else []), *(str(c) for c in turn.tool_calls)])


@dataclass(eq=False)
class _Cue:
    """How many calls there were; shared by copies of the model."""

    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> int:
        with self.lock:
            self.calls += 1
            return self.calls - 1


class FaultyChatModel(BaseChatModel):
    """Another model that fails on cue: the n-th call has the n-th fault, those after the last are ``ok``.

    ``timeout`` raises ``TimeoutError``, ``rate_limit`` an error with ``status_code`` 429, ``garbage`` answers
    with control characters, ``hang`` never returns.
    """

    inner: BaseChatModel
    faults: list[ModelFault] = Field(default_factory=list[ModelFault])
    _cue: _Cue = PrivateAttr(default_factory=_Cue)

    def __init__(self, inner: BaseChatModel, *, faults: Sequence[ModelFault], **kwargs: Any) -> None:
        super().__init__(inner=inner, faults=list(faults), **kwargs)  # type: ignore[call-arg]

    @property
    def _llm_type(self) -> str:
        return "pilotman-faulty"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.inner._get_ls_params(stop=stop, **kwargs)

    @property
    def calls(self) -> int:
        """How many calls there were, failed ones too."""
        return self._cue.calls

    @property
    def agent(self) -> str | None:
        """The agent that the inner model is scripted for, if it is."""
        return getattr(self.inner, "agent", None)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Hand the tools to the inner model."""
        return self.bind(
            tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs
        )

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        fault = self._fault()
        if fault == "hang":
            threading.Event().wait()
        return _failed(fault) or self.inner._generate(messages, stop, None, **kwargs)

    @override
    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        fault = self._fault()
        if fault == "hang":
            await asyncio.get_running_loop().create_future()
        return _failed(fault) or await self.inner._agenerate(messages, stop, None, **kwargs)

    def _fault(self) -> ModelFault:
        place = self._cue.next()
        return self.faults[place] if place < len(self.faults) else "ok"


def _failed(fault: ModelFault) -> ChatResult | None:
    if fault == "timeout":
        raise TimeoutError("the model did not answer in time")
    if fault == "rate_limit":
        raise RateLimited("too many requests")
    if fault == "garbage":
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=GARBAGE))])
    return None
