"""The rule-based chat model: deterministic, free of charge, and honest about being one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from typing_extensions import override

from pilotman.agents.rules.answering import answer
from pilotman.agents.rules.reading import Asked, read
from pilotman.agents.rules.routing import plan
from pilotman.agents.rules.working import next_step, structure
from pilotman.agents.rules.writing import report
from pilotman.agents.tokens import estimate_tokens
from pilotman.guardrails.digest import short_id

RULES = "pilotman:rules"


class ChatRules(BaseChatModel):
    """A chat model that follows rules instead of weights: same prompt, same reply.

    It plans by the words that a request shares with agents' descriptions, fills tools' arguments by their
    schemas from what it was given, never makes a value up, stops once every fitting tool has answered, and
    writes extracts with citations. Models and rules read the same prompts (``prompts.py``); with any other
    prompt it works on what a person said last, with the tools that are bound.

    ``fallback``: it stands in for a model that failed, so it proposes no writes.
    """

    fallback: bool = False

    @property
    def _llm_type(self) -> str:
        return "pilotman-rules"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"model": RULES, "fallback": self.fallback}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"], params["ls_model_name"] = "pilotman", kwargs.get("model", "rules")
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools. ``tool_choice``: a tool's name or "any" makes the reply a call of it."""
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
        seen = read(messages, kwargs.get("tools") or (), kwargs.get("tool_choice"))
        text, calls = respond(seen, fallback=self.fallback)
        message = AIMessage(
            content=_stopped(text, stop),
            tool_calls=[_call(name, args, index, seen.turn) for index, (name, args) in enumerate(calls)],
            response_metadata={"model_name": RULES},
            usage_metadata=_usage(messages, text, calls),
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


def respond(seen: Asked, *, fallback: bool = False) -> tuple[str, tuple[tuple[str, Mapping[str, Any]], ...]]:
    """The text and the tool calls of one reply; one of them is empty."""
    if seen.kind == "plan":
        draft = plan(seen, fallback=fallback).model_dump()
        return ("", ((seen.wanted, draft),)) if seen.wanted else (json.dumps(draft), ())
    if seen.kind == "answer":
        text = answer(seen)
        return ("", ((seen.wanted, structure(seen, text)),)) if seen.wanted else (text, ())
    step = next_step(seen, fallback=fallback)
    return ("", step.calls) if step.calls else (report(seen, step, fallback=fallback), ())


def _call(name: str, args: Mapping[str, Any], index: int, turn: int) -> ToolCall:
    return tool_call(name=name, args=dict(args), id=short_id("call", turn, index, name, dict(args)))


def _stopped(text: str, stop: Sequence[str] | None) -> str:
    """The text up to the first stop sequence."""
    ends = [at for sequence in stop or () if (at := text.find(sequence)) >= 0]
    return text[: min(ends)] if ends else text


def _usage(messages: Sequence[BaseMessage], text: str, calls: Sequence[Any]) -> Any:
    used = sum(estimate_tokens(str(message.content)) for message in messages)
    said = estimate_tokens(text) + sum(estimate_tokens([name, dict(args)]) for name, args in calls)
    return {"input_tokens": used, "output_tokens": said, "total_tokens": used + said}
