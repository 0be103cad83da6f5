"""What a task's agent is given of all that its supervisor has, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pilotman.agents.models import ModelTable, Role, role_for
from pilotman.agents.report import Brief, Report
from pilotman.agents.scope import RunScope
from pilotman.agents.specialist import Specialist
from pilotman.agents.tool import Tool
from pilotman.guardrails.policy import Policy
from pilotman.supervisor.plan import Task
from pilotman.supervisor.team import Team


def brief_of(task: Task, outer: Brief, reports: Mapping[str, Mapping[str, Any]]) -> Brief:
    """All that the agent sees of the run: of the reports those that the task depends on."""
    needed = [Report.from_dict(reports[name]) for name in task.depends_on if name in reports]
    return Brief(
        task_id=task.task_id,
        agent=task.agent,
        goal=task.goal,
        request=outer.request,
        done_when=task.done_when,
        facts={**outer.facts, **({"targets": list(task.targets)} if task.targets else {})},
        passages=outer.passages,
        reports=tuple(needed),
        conversation=outer.conversation,
    )


def lease(
    member: Specialist | Team,
    task: Task,
    outer: Mapping[str, Tool[..., Any]],
    search: Tool[..., Any] | None,
) -> dict[str, Tool[..., Any]]:
    """The tools of the task: its agent's own, those that the plan names, none that the outer lease lacks."""
    own = member.tools if isinstance(member, Specialist) else member.tools()
    tools = {name: tool for name, tool in own.items() if name in outer}
    if search is not None:
        tools[search.name] = search
    return {name: tool for name, tool in tools.items() if task.tools is None or name in task.tools}


def role(tools: Mapping[str, Tool[..., Any]], models: ModelTable, brief: Brief) -> Role:
    """The role of the model that works on it."""
    small = len(tools) <= 1 and not brief.reports
    return role_for("work", effects=[t.effective for t in tools.values()], small=small, table=models)


def stricter(outer: float | None, member: Specialist | Team) -> float | None:
    """The higher of two thresholds for writes."""
    own = member.min_confidence if isinstance(member, Team) else None
    known = [least for least in (outer, own) if least is not None]
    return max(known, default=None)


def policies(
    outer: tuple[tuple[Policy, ...], ...], member: Specialist | Team
) -> tuple[tuple[Policy, ...], ...]:
    """Policies conjoin along the chain: each supervisor's own group must agree."""
    if isinstance(member, Team) and (member.policies is not None or member.confine):
        return (*outer, member.own_policies)
    return outer


def instant(run: RunScope, seconds: float) -> datetime:
    """An instant so far from now; what is kept back for the answer comes on top, as the run has its own."""
    return run.clock() + timedelta(seconds=seconds + run.grace)
