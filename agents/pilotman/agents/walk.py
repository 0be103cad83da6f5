"""The ways of a graph of ours, gone step by step without an engine, up to where it is needed.

Where nobody reads a checkpoint, an engine adds nothing to nodes and routers but about a third of a run's
processor time. A graph is entered where people are asked, with the state that was reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.types import Send

State: TypeAlias = Mapping[str, Any]
Where: TypeAlias = str | list[Send]
"""The next node's name, or what is sent to one node, each at once."""


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
        """Go on from ``at`` until the next step is none of ours, or for ``most`` steps.

        The state there, and the last step's name.
        """
        reached, last = dict(state), ""
        for _ in range(self.most):
            names = {at} if isinstance(at, str) else {sent.node for sent in at}
            name = names.pop() if len(names) == 1 else ""
            if (step := self.steps.get(name)) is None:
                break
            given = [reached] if isinstance(at, str) else [sent.arg for sent in at]
            for changes in await _at_once(step, given):
                self._change(reached, changes)
            last, at = name, await step.after(reached)
        return reached, last

    def _change(self, state: dict[str, Any], changes: Mapping[str, Any]) -> None:
        for key, value in changes.items():
            reduce = self.reducers.get(key) if key in state else None
            state[key] = reduce(state[key], value) if reduce else value


async def _at_once(step: Step, given: Sequence[Any]) -> Sequence[dict[str, Any]]:
    """What the step makes of each; where one fails, the others are stopped."""
    if len(given) == 1:
        return [await step.node(given[0], {})]
    branches = [asyncio.ensure_future(step.node(state, {})) for state in given]
    try:
        return await asyncio.gather(*branches)
    finally:
        for branch in branches:
            branch.cancel()
        await asyncio.wait(branches)
