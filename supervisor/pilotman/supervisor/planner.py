"""How a plan comes about: a model drafts it, we check it, the model gets one more try with our errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pilotman.agents.chat import structured
from pilotman.agents.drafts import PlanDraft
from pilotman.agents.exchange import ModelReply, ModelRequest
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.models import ModelTable
from pilotman.agents.prompts import plan_prompt
from pilotman.agents.report import Passage, Report
from pilotman.agents.scope import TaskScope
from pilotman.agents.window import opened
from pilotman.guardrails.errors import Unavailable
from pilotman.supervisor.plan import Plan, Task, problems
from pilotman.supervisor.team import MAX_TASKS, Team

TRIES = 2


class Planner:
    """Plans for one team. ``task`` is the supervisor's own scope: its purse, models and passages."""

    def __init__(self, team: Team, task: TaskScope) -> None:
        self._team = team
        self._task = task

    async def plan(
        self, *, round: int = 0, reports: Sequence[Report] = (), known: Sequence[Task] = ()
    ) -> Plan | None:
        """A valid plan, or None if no tier of planners finds one.

        With ``known`` (a re-plan) the new tasks come behind those; their ids must not clash.

        Raises:
            BudgetExceeded: the purse or the time does not allow to plan.
        """
        chain = self._task.models.chain("planner")
        for start in range(len(chain)):
            tiers = ModelTable(chains={"planner": chain[start:]})
            plan = await self._tier(replace(self._task, models=tiers), start, round, reports, known)
            if plan is not None:
                return plan
        return None

    async def _tier(
        self, task: TaskScope, start: int, round: int, reports: Sequence[Report], known: Sequence[Task]
    ) -> Plan | None:
        """Two tries from one tier on, the second with the errors of the first."""
        errors: list[str] = []
        for attempt in range(TRIES):
            path = f"{_under(task.path)}plan:{round}/{start}.{attempt}"
            try:
                reply = await self._ask(task, path, errors, reports)
            except Unavailable:
                return None
            plan = _drafted(reply)
            errors = self._errors(plan, known)
            if plan is not None and not errors:
                return plan
            task.run.recorder.emit(
                "plan_refused",
                actor=self._team.name,
                path=path,
                round=round,
                errors=errors,
                model=reply.model,
            )
        return None

    async def _ask(
        self, task: TaskScope, path: str, errors: Sequence[str], reports: Sequence[Report]
    ) -> ModelReply:
        brief, agents = task.brief, [member.card() for member in self._team.members.values()]

        def written(
            passages: tuple[Passage, ...], reports: tuple[Report, ...], left_out: tuple[str, ...]
        ) -> list[dict[str, Any]]:
            return plan_prompt(
                request=brief.request,
                facts=brief.facts,
                agents=agents,
                passages=passages,
                max_tasks=MAX_TASKS,
                errors=errors,
                reports=reports,
                left_out=left_out,
                conversation=brief.conversation,
            )

        limit = task.wallet.budget.max_context_tokens
        window = opened(written, brief.passages, reports, limit=limit)
        with task.run.telemetry.span("plan", self._team.name, {"gen_ai.agent.name": self._team.name}):
            request = ModelRequest(
                path=path,
                role="planner",
                messages=window.messages,
                schema=PlanDraft,
                left_out=window.left_out,
            )
            return await ModelGateway(task).ask(request)

    def _errors(self, plan: Plan | None, known: Sequence[Task]) -> list[str]:
        if plan is None:
            return ["the plan does not have the fields that were asked for"]
        whole = Plan((*known, *plan.tasks))
        return problems(whole, agents=self._team.leases(), max_tasks=MAX_TASKS)


def _drafted(reply: ModelReply) -> Plan | None:
    try:
        draft = structured(reply.message, PlanDraft)
    except ValueError:
        return None
    data: Mapping[str, Any] = draft.model_dump()
    return Plan.from_dict(data)


def _under(path: str) -> str:
    return f"{path}/" if path else ""
