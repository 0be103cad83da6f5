"""A team for workers in processes of their own: its one tool says who called it, and waits for the test.

In the folder that ``DESK`` names: ``log`` has a line ``pid host`` for each call, ``go`` lets calls end.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Capacity
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Supervisor, Task

PLAN = Plan((Task(task_id="t", agent="operator", goal="look"),))


def desk(folder: Path, url: str, *, max_runs: int = 0) -> Supervisor:
    """The team on a journal."""

    @tool(effect="read", timeout=120)
    async def look(host: str) -> str:
        """Look at a host."""
        with (folder / "log").open("a") as log:
            log.write(f"{os.getpid()} {host}\n")
        while not (folder / "go").exists():
            await asyncio.sleep(0.02)
        return f"{host} is fine"

    model = ScriptedChatModel([call("look", host="web-1"), "web-1 is fine"] * 50)
    agents = [Specialist("operator", "Looks.", tools=[look])]
    capacity = Capacity(max_runs=max_runs)
    return Supervisor("desk", agents, models=model, memory=Memory(url), capacity=capacity)


def team() -> Supervisor:
    """As the worker's command line names it."""
    return desk(Path(os.environ["DESK"]), os.environ["DESK_URL"])


def broken() -> Supervisor:
    """A function that makes none."""
    raise KeyError("DESK")
