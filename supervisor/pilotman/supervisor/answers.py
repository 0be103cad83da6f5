"""What people answer to a run's questions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Literal

from pilotman.agents.failure import InvalidArguments
from pilotman.guardrails.approval import Answer, Approval, AskedCall
from pilotman.guardrails.digest import short_id
from pilotman.guardrails.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED, RunRow
from pilotman.supervisor.approvers import objections
from pilotman.supervisor.plan import Plan, problems
from pilotman.supervisor.team import MAX_TASKS, Team


class Answers:
    """Records answers. Driving the run on is somebody else's."""

    def __init__(self, journal: Journal, team: Team, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._team = team
        self._clock = clock

    async def answer(
        self,
        approval_id: str,
        state: Answer,
        *,
        principal: Principal,
        digest: str | None = None,
        only: Collection[str] | None = None,
        comment: str = "",
        args: Mapping[str, Any] | None = None,
    ) -> Approval:
        """Write one answer down, with its event, and settle the effect that it is about."""
        asked = (await self._journal.approval(approval_id, tenant=principal.tenant)).at(self._clock())
        if asked.approval_id != approval_id:
            raise NotFound(
                f"{approval_id} is a call of the question {asked.approval_id}",
                hint="answer that, with only=[its digest]",
            )
        run = await self._journal.run(asked.run_id, tenant=principal.tenant)
        if run.state in ENDED and asked.kind != "outcome":
            raise Conflict(f"run {run.run_id} is {run.state}: nothing waits for this answer any more")
        chosen = asked.chosen(state, digest=digest, only=only)
        args = self._checked(asked, state, args)
        if state == "approved":
            self._check_approver(run, asked, chosen, principal, args)
        answered = await self._journal.answer(
            asked.approval_id,
            tenant=principal.tenant,
            state=state,
            by=principal,
            digest=asked.digest,  # that of what was checked here: who gave none has seen no other
            only=only,
            comment=comment,
            new_args=args,
            events=[self._event(asked, chosen, state, principal, comment)],
        )
        if asked.kind == "outcome":
            await self._settle(asked, principal, happened=state == "approved")
        return answered

    def _check_approver(
        self,
        run: RunRow,
        asked: Approval,
        chosen: tuple[AskedCall, ...],
        by: Principal,
        args: Mapping[str, Any] | None,
    ) -> None:
        """See that the policies of the run's own team accept a yes of this person."""
        if run.supervisor != self._team.name:
            raise Conflict(
                f"run {run.run_id} belongs to the team {run.supervisor}, not to {self._team.name}",
                hint=f"approve with the supervisor named {run.supervisor}: its policies say who may",
            )
        now = self._clock()
        reasons = objections(self._team, asked, chosen, by=by, now=now, args=args)
        if not reasons:
            return
        data = {"approval_id": asked.approval_id, "tool": asked.tool, "by": by.user, "reasons": list(reasons)}
        key = short_id("evt", asked.approval_id, asked.digest, by.to_dict(), reasons)
        event = NewEvent(kind="approval_refused", actor=f"user:{by.user}", data=data, key=key, at=now)
        self._journal.append(run.run_id, [event])
        raise PermissionDenied(
            f"{by.user} may not approve this: {'; '.join(reasons)}",
            hint="the question stays open for somebody who may",
        )

    def _event(
        self, asked: Approval, chosen: tuple[AskedCall, ...], state: str, by: Principal, comment: str
    ) -> NewEvent:
        data = {
            "approval_id": asked.approval_id,
            "tool": asked.tool,
            "digest": asked.digest,
            "calls": [call.digest for call in chosen],
            "kind": asked.kind,
            "by": by.user,
            "comment": comment,
        }
        return NewEvent(
            kind=f"approval_{state}",
            actor=f"user:{by.user}",
            data=data,
            key=f"approval_{state}:{asked.approval_id}:{asked.digest[:12]}",
            at=self._clock(),
        )

    def _checked(
        self, asked: Approval, state: Answer, args: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """The arguments that an approver puts in place, if the tool, the plan or the answer can take them."""
        if args is None:
            if asked.kind == "plan" and state == "approved":
                raise InvalidRequest('say what to do: args={"tasks": […]} or args={"answer": "…"}')
            return None
        if asked.kind == "answer" or (asked.step == "plan" and "answer" in args):
            if set(args) != {"answer"} or not isinstance(args["answer"], str):
                raise InvalidRequest('an answer of your own is args={"answer": "…"}')
            return dict(args)
        if asked.kind == "plan":
            return self._plan(args, self._team.named(str(asked.args["team"])))
        tool = self._team.tools().get(asked.tool)
        if asked.kind != "call" or tool is None:
            raise InvalidRequest(f"this question about {asked.tool} takes no other arguments")
        try:
            return tool.validate(args)
        except InvalidArguments as error:
            raise InvalidRequest(f"{asked.tool} cannot take these arguments: {error}") from error

    def _plan(self, args: Mapping[str, Any], team: Team) -> Mapping[str, Any]:
        try:
            plan = Plan.from_dict(args)
            wrong = problems(plan, agents=team.leases(), max_tasks=MAX_TASKS)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidRequest('a plan is args={"tasks": [{"task_id", "agent", "goal", …}]}') from error
        if wrong:
            raise InvalidRequest(f"this plan cannot be run: {'; '.join(wrong)}")
        return plan.to_dict()

    async def _settle(self, asked: Approval, by: Principal, *, happened: bool) -> None:
        """A person looked: the write happened, or it did not."""
        state: Literal["applied", "not_applied"] = "applied" if happened else "not_applied"
        effects = await self._journal.effects(asked.run_id, tenant=by.tenant)
        for effect in effects:
            if effect.step != asked.step or effect.state not in ("unknown", "intended"):
                continue
            event = NewEvent(
                kind=f"effect_{state}",
                actor=f"user:{by.user}",
                data={
                    "effect_id": effect.effect_id,
                    "tool": effect.tool,
                    "key": effect.key,
                    "permit_id": effect.permit_id,
                    "path": effect.step,
                },
                key=short_id("evt", effect.effect_id, state, "person"),
                at=self._clock(),
            )
            await self._journal.settle(
                effect.effect_id, state=state, message=f"said {by.user}", events=[event]
            )
