"""A team inside somebody else's LangGraph app: a graph over messages, one run for each turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.records import WAITING
from pilotman.supervisor.drawing import showable
from pilotman.supervisor.reception import Arrival

if TYPE_CHECKING:
    from pilotman.supervisor.supervisor import Supervisor

WhoAsks = Callable[[RunnableConfig, Any], Principal]

GUEST = Principal(tenant="embedded", user="guest")


class EmbeddedState(TypedDict, total=False):
    """``messages`` as LangGraph's ``MessagesState``; ``run_id`` and ``run_state`` of the last run."""

    messages: Annotated[list[AnyMessage], add_messages]
    run_id: str
    run_state: str


class EmbeddedNodes:
    """The one node: runs the team on the last human message."""

    def __init__(self, supervisor: Supervisor, who: WhoAsks | None) -> None:
        self._supervisor = supervisor
        self._who = who

    async def run(
        self, state: EmbeddedState, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """One run. The host's thread is the conversation; a repeated node joins the run that it started.

        It is the same node at work as long as it has seen the same messages at the same place of the host.
        """
        principal = GUEST if self._who is None else self._who(config, runtime.context)
        messages = state.get("messages") or []
        asked = [message for message in messages if isinstance(message, HumanMessage)]
        if not asked:
            raise InvalidRequest(
                "there is no human message to work on", hint='invoke with {"messages": [...]}'
            )
        place = config.get("configurable", {})
        host = str(place.get("thread_id") or "")
        thread = f"embedded:{self._supervisor.name}:{host}" if host else None
        seen = [str(place.get("checkpoint_ns") or ""), len(messages), asked[-1].id, asked[-1].text]
        key = None if thread is None else f"{thread}:{digest(seen)[:32]}"
        arrival = Arrival(
            request=asked[-1].text,
            principal=principal,
            thread_id=thread,
            idempotency_key=key,
            read_only=self._who is None,
        )
        run = await self._supervisor.drive(arrival)
        while run.state == WAITING:
            interrupt({"run_id": run.run_id, "approvals": [_shown(asked) for asked in run.pending]})
            run = await self._supervisor.resume(run.run_id, principal=principal)
        words = run.answer or run.last_error or run.state
        return {
            "messages": [AIMessage(content=words, name=self._supervisor.name)],
            "run_id": run.run_id,
            "run_state": run.state,
        }


def _shown(asked: Approval) -> dict[str, Any]:
    """What a host shows a person."""
    return {
        "approval_id": asked.approval_id,
        "question": asked.question,
        "args": dict(asked.args),
        "digest": asked.digest,
        "calls": [{"digest": c.digest, "args": dict(c.args), "shown": dict(c.shown)} for c in asked.pending],
    }


def embed(supervisor: Supervisor, who: WhoAsks | None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The team as a compiled graph. People answer in the journal, whatever a resume carries."""
    graph = StateGraph[EmbeddedState, Any, EmbeddedState, EmbeddedState](EmbeddedState)
    node: Any = EmbeddedNodes(supervisor, who).run
    graph.add_node(supervisor.name, node)
    graph.add_edge(START, supervisor.name)
    graph.add_edge(supervisor.name, END)
    return showable(graph.compile(name=supervisor.name))
