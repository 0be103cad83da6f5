"""A process that writes as fast as it can, in many runs at once, until nothing is written any more."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from langchain_core.runnables import Runnable, RunnableLambda

from pilotman.agents import Kit, Specialist, tool
from pilotman.guardrails import Decision, Principal
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Supervisor, Task

AT_ONCE = 25
HELD = 40
"""So many runs that wrote nothing are enough."""
PLAN = Plan((Task(task_id="t", agent="operator", goal="write"),))


def say(*words: object) -> None:
    print(*words, flush=True)


def writer(kit: Kit) -> Runnable[Any, Any]:
    async def work(_: Any) -> str:
        await kit.tools[0].ainvoke({"text": "x"})
        return "That is all."

    return RunnableLambda(work)


@tool(effect="write")
async def write(text: str) -> str:
    """Write."""
    say("write", time.monotonic())
    await asyncio.sleep(0.01)
    return "written"


async def main(url: str, name: str) -> None:
    memory = Memory(url)
    agents = [Specialist("operator", "Writes.", tools=[write], agent=writer)]
    team = Supervisor("desk", agents, memory=memory, policy=lambda _: Decision.allow())
    alice = Principal(tenant="acme", user=name)
    held = 0

    async def work() -> None:
        nonlocal held
        while held < HELD:
            run = await team.run("write", principal=alice, plan=PLAN)
            assert run.state == "COMPLETED", run.last_error
            held += not any(action.status == "applied" for action in run.actions)

    async with team:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await memory.aclose()
    say("held", held)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
