"""What is ill is given a rest by all runs and all workers, and the answers say what could not be checked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.patience import pass_time
from tests.supervisor.scene import alice

from pilotman.agents import Specialist, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Limit, Retry
from pilotman.guardrails.errors import ConfigurationError
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio
PLAN = Plan((Task(task_id="look", agent="looker", goal="look at web-1"),))
RESTS = "could not check look: it failed too often lately and is given a rest"


class Service:
    """Something that can be ill. ``calls`` reached it."""

    def __init__(self) -> None:
        self.ill = False
        self.calls = 0

    def team(self, runs: int, memory: Memory | None = None, **settings: Any) -> Supervisor:
        @tool(effect="read", retry=Retry(max_attempts=1))
        async def look(host: str) -> str:
            """Look at a host."""
            self.calls += 1
            await asyncio.sleep(0)
            if self.ill:
                raise ToolFailure("503", kind="transient")
            return f"{host} is fine"

        turns = [turn for _ in range(runs) for turn in (call("look", host="web-1"), "I looked.")]
        settings.setdefault("budget", Budget.chat())
        settings.setdefault("models", ScriptedChatModel(turns))
        return Supervisor("t", [Specialist("looker", "Looks.", tools=[look])], memory=memory, **settings)


async def asked(team: Supervisor) -> Run:
    run = await team.run("look at web-1", principal=alice, plan=PLAN)
    assert run.state == "COMPLETED"
    return run


async def test_it_rests_after_three_failures_for_a_minute_and_one_probe_decides() -> None:
    service = Service()
    service.ill = True
    async with service.team(0, models="pilotman:rules") as team:
        for _ in range(3):
            assert RESTS not in (await asked(team)).caveats
        for _ in range(5):
            assert RESTS in (await asked(team)).caveats
        assert service.calls == 3
        pass_time(61.0)
        runs = await asyncio.gather(*(asked(team) for _ in range(5)))
        assert service.calls == 4, "one probe at a time"
        assert sum(RESTS in run.caveats for run in runs) == 4
        service.ill = False
        pass_time(61.0)
        assert RESTS not in (await asked(team)).caveats
        for _ in range(3):
            assert RESTS not in (await asked(team)).caveats
        assert service.calls == 8


async def test_what_one_worker_found_ill_another_does_not_ask(tmp_path: Path) -> None:
    service = Service()
    url = f"sqlite:///{tmp_path}/j.db"
    first, second = Memory(url), Memory(url)
    await first.start()
    await second.start()
    async with service.team(9, first) as one, service.team(9, second) as other:
        await asked(other)
        service.ill = True
        for _ in range(3):
            await asked(one)
        pass_time(1.1)
        assert RESTS in (await asked(other)).caveats
        assert service.calls == 4
        [(name, _)] = (await first.journal.open_circuits("t")).items()
        assert name == "tool:look"
    await first.aclose()
    await second.aclose()


async def test_limits_of_a_supervisor_hold_for_all_its_runs() -> None:
    service = Service()
    rate = {"tool:look": Limit(rate="2/hour")}
    async with service.team(4, limits=rate, budget=Budget(tool_timeout=0.05)) as team:
        runs = [await asked(team) for _ in range(4)]
    said = "could not check look: there was no place at tool:look within 0.05 s"
    assert [said in run.caveats for run in runs] == [False, False, True, True]
    assert service.calls == 2


@pytest.mark.parametrize("name", ["tool:nobody", "look", "tenant:", "model", "openai:gpt-5"])
def test_a_limit_on_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Service().team(1, limits={name: Limit(max_concurrent=1)})
