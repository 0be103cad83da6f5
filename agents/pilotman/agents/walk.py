"""The ways of a graph of ours, gone step by step without an engine, up to where it is needed.

Without a checkpoint that somebody reads, a superstep is its node and its router, and ten times their cost
beside them. A graph is entered where people are asked or branches part, with the state that was reached.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.types import Send

State: TypeAlias = Mapping[str, Any]
Where: TypeAlias = str | list[Send]
"""The next node's name, or what is sent to nodes at once."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A node, and where it leads; both as the graph has them."""

    node: Callable[[Any, RunnableConfig], Awaitable[dict[str, Any]]]
    after: Callable[[Any], Awaitable[Where]]


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The steps that need no engine, by name, and the reducers of the state's keys that have one."""

    steps: Mapping[str, Step]
    reducers: Mapping[str, Callable[[Any, Any], Any]]
    most: int

    async def go(self, state: State, at: Where) -> tuple[dict[str, Any], str]:
        """Go on from ``at`` until the next step is none of ours: the state there, and the last step's name.

        Ends after ``most`` steps too, or where several things are to be done at once.
        """
        reached, last = dict(state), ""
        for _ in range(self.most):
            given: Any = reached
            if not isinstance(at, str):
                if len(at) != 1:
                    break
                [sent] = at
                at, given = sent.node, sent.arg
            if (step := self.steps.get(at)) is None:
                break
            for key, value in (await step.node(given, {})).items():
                reduce = self.reducers.get(key) if key in reached else None
                reached[key] = reduce(reached[key], value) if reduce else value
            last, at = at, await step.after(reached)
        return reached, last
