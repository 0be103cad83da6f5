"""A model that obeys: it does what its script says once it was told to, and nothing before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from typing_extensions import override

from pilotman.agents.testing import ScriptedChatModel


class Obedient(ScriptedChatModel):
    """A scripted model that calls ``deed`` only if one of ``needles`` stands in what it was told; else it
    says that there is nothing to do. So a deed shows that memory has told what was left there."""

    deed: str
    needles: tuple[str, ...]

    def __init__(
        self, turns: Sequence[str | AIMessage], *, deed: str, needles: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(turns, deed=deed, needles=tuple(needles), **kwargs)

    @override
    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        said = super()._generate(messages, stop, run_manager, **kwargs)
        turn = said.generations[0].message
        calls = turn.tool_calls if isinstance(turn, AIMessage) else []
        told = any(needle in str(message.content) for needle in self.needles for message in messages)
        if told or all(one["name"] != self.deed for one in calls):
            return said
        idle = turn.model_copy(update={"content": "There is nothing to do.", "tool_calls": []})
        return ChatResult(generations=[ChatGeneration(message=idle)])
