"""One supervisor's part of a run, step by step over its graph's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pilotman.agents.report import Report
from pilotman.guardrails.approval import Approval, ApprovalKind, AskedCall
from pilotman.guardrails.digest import digest, short_id
from pilotman.guardrails.errors import BudgetExceeded
from pilotman.guardrails.ladder import at_or_below
from pilotman.guardrails.policy import Call, Decision, Policy, decide
from pilotman.guardrails.principal import Principal
from pilotman.supervisor.answer import Draft, confidence
from pilotman.supervisor.graph import SupervisorState
from pilotman.supervisor.lead import Lead
from pilotman.supervisor.outgoing import Outgoing
from pilotman.supervisor.plan import Plan

REWRITES = 1
WITHHELD = "The answer was withheld by policy."
TEMPLATE = "Nothing could be found out about this request now, and nothing was done. Please ask again later."
UNSUPPORTED = "No answer could be written that the record supports. See the reports and events."


class Conductor:
    """Takes a graph's state and gives its changes; the work itself is the lead's."""

    def __init__(self, lead: Lead) -> None:
        self._lead = lead

    async def supervise(self, state: SupervisorState) -> dict[str, Any]:
        """Plan first; then start what may start, wait for people, or write the answer."""
        lead = self._lead
        await lead.look_up()
        draft = state.get("draft")
        if draft and not draft.get("errors"):  # a person was asked about it
            return {"next": "validate"}
        known = state.get("plan")
        try:
            plan = await self._first_plan() if known is None else Plan.from_dict(known)
        except BudgetExceeded as error:
            lead.scope.run.caveat(f"no plan was made: {error}")
            plan = Plan(())
        if plan is None:
            return await self._ask_for_a_plan()
        if known is None and not plan.tasks:
            await lead.start("nothing could be planned")
        reports: dict[str, Any] = dict(state.get("reports") or {})
        parked = await self._open(state.get("parked") or {})
        changes: dict[str, Any] = {"plan": plan.to_dict(), "parked": parked}
        startable = lead.startable(plan, reports, parked)
        if startable:
            return {**changes, "next": "delegate", "start": [task.task_id for task in startable]}
        asked = [name for names in parked.values() for name in names]
        if asked:
            await self._interim(plan, reports)
            return {**changes, "next": "escalate", "asked": asked}
        return {**changes, **await self._compose(plan, reports, state)}

    async def _first_plan(self) -> Plan | None:
        """The plan; an empty one where the run does nothing but answer."""
        return Plan(()) if at_or_below(self._lead.scope.run.rung, "retrieval_only") else await self._plan()

    async def _plan(self) -> Plan | None:
        """The plan, or None: nobody found one and a person is to be asked."""
        lead = self._lead
        asked = await self._answered("plan", self._unplanned())
        if asked is not None and asked.state == "approved" and asked.new_args:
            lead.given = Plan.from_dict(asked.new_args)
        elif asked is not None and asked.state != "pending":
            lead.scope.run.caveat(f"no valid plan was found: {_no(asked)}")
            return Plan(())
        return await lead.prepare()

    def _unplanned(self) -> dict[str, Any]:
        """What a person is asked to plan, and for which team."""
        return {"request": self._lead.scope.brief.request, "team": self._lead.team.name}

    async def _ask_for_a_plan(self) -> dict[str, Any]:
        reasons = ("no planner found a valid plan", "approve with args: a plan's tasks, or an answer")
        name = await self._ask("plan", self._unplanned(), reasons)
        return {"next": "escalate", "asked": [name]}

    async def _open(self, parked: Mapping[str, Any]) -> dict[str, list[str]]:
        """The questions of parked tasks, less those tasks of which one was answered."""
        run = self._lead.scope.run
        waiting: dict[str, list[str]] = {}
        for task_id, names in parked.items():
            asked = [(await run.journal.approval(n, tenant=run.principal.tenant)).alone(n) for n in names]
            pending = all(one.at(run.clock()).state == "pending" for one in asked)
            waiting[task_id] = list(names) if pending and names else []
        return waiting

    async def delegate(self, state: SupervisorState) -> dict[str, Any]:
        """Work on one branch of the plan."""
        plan = Plan.from_dict(state.get("plan") or {"tasks": []})
        task = next(t for t in plan.tasks if t.task_id == state.get("task_id"))
        reports, parked = await self._lead.branch(plan, task, state.get("reports") or {})
        return {"reports": reports, "parked": parked}

    async def _compose(
        self, plan: Plan, reports: Mapping[str, Any], state: SupervisorState
    ) -> dict[str, Any]:
        """Add tasks for what failed if that can help, else write the answer."""
        lead = self._lead
        turn = int(state.get("round") or 0)
        told = self._told(plan, reports)
        if any(report.status == "failed" for report in told) and lead.time_for_tasks() > 0:
            amended = await lead.replan(plan, told, turn + 1)
            if amended is not None:
                start = [t.task_id for t in lead.startable(amended, reports, {})]
                return {"plan": amended.to_dict(), "round": turn + 1, "next": "delegate", "start": start}
        saga = await lead.take_back(plan, reports)
        if saga is not None:
            start = [task.task_id for task in lead.startable(saga, reports, {})]
            return {"plan": saga.to_dict(), "next": "delegate", "start": start}
        lead.leave_out(plan, reports)
        if (known := await self._earlier()) is not None:
            return {"draft": known, "next": "validate"}
        refused = state.get("draft") or {}
        rewrites, errors = int(refused.get("rewrites") or 0), list(refused.get("errors") or ())
        draft = await lead.writer.draft(told, round=rewrites, errors=errors)
        return {"draft": {**draft.to_dict(), "rewrites": rewrites, "errors": []}, "next": "validate"}

    async def _earlier(self) -> dict[str, Any] | None:
        """An earlier answer, or words that say nothing: where the rung asks for it, or every call failed,
        nothing was found and nothing done. None: the answer is to be written."""
        lead, run = self._lead, self._lead.scope.run
        calls = run.recorder.results("tool_call")
        lost = bool(calls) and all("failure" in call for call in calls) and not run.passages
        asked = at_or_below(run.rung, "cached")
        if not (lead.is_root and (asked or lost)) or (not asked and await lead.writer.actions()):
            return None
        found = None if run.rung == "template" else await lead.earlier()
        if found is None:
            return {"text": TEMPLATE, "errors": [], "earlier": ""} if asked else None
        if not asked:
            run.recorder.emit("degraded", actor="supervisor", rung="cached", reason="nothing was found out")
        run.caveat(f"this is an answer of {found.age(run.clock())} ago, of run {found.run_id}")
        return {"text": found.text, "errors": [], "earlier": found.run_id}

    def _told(self, plan: Plan, reports: Mapping[str, Any]) -> list[Report]:
        """The reports in the plan's order."""
        return [Report.from_dict(reports[t.task_id]) for t in plan.tasks if t.task_id in reports]

    async def _interim(self, plan: Plan, reports: Mapping[str, Any]) -> None:
        """What can be said while a person is asked: validated like any answer, but not the last word."""
        lead = self._lead
        if not lead.is_root:
            return
        told = self._told(plan, reports)
        draft, sure = await lead.writer.supported(told), confidence(told)
        sent = None if draft is None else await lead.exit.prepare(draft, told)
        if sent is not None and self._leave(sent, sure).verdict == "allow":
            text, citations = lead.writer.cited(sent.draft, told)
            self._validated(text, citations, sure, interim=len(reports) + 1)

    async def without_a_model(self, told: list[Report]) -> Draft:
        """What may be said of these reports when there is no time to write or to ask."""
        draft = await self._lead.writer.supported(told) or Draft(text=UNSUPPORTED)
        sent = await self._lead.exit.prepare(draft, told)
        allowed = self._leave(sent, confidence(told)).verdict == "allow"
        return sent.draft if allowed else Draft(text=WITHHELD)

    async def validate(self, state: SupervisorState) -> dict[str, Any]:
        """Check the draft against the journal and the policy."""
        lead = self._lead
        plan = Plan.from_dict(state.get("plan") or {"tasks": []})
        told = self._told(plan, state.get("reports") or {})
        known = state.get("draft") or {}
        draft = Draft(text=known.get("text", ""), fields=known.get("fields"))
        turn = int(known.get("rewrites") or 0)
        was_checked = known.get("earlier") is not None  # when it was first given
        problems = [] if was_checked else await lead.writer.problems(draft, told)
        again = bool(problems) and turn < REWRITES
        refused_before = lead.scope.run.recorder.knows(
            "answer_rejected", path=lead.path("answer"), round=turn
        )
        if lead.is_root and not (again and refused_before):  # else a replay: the state has gone on since
            await lead.mover.to("VALIDATING", "the answer is checked")
        if again:
            return await self._again(problems, known, turn)
        if problems:
            lead.scope.run.caveat(
                "the written answer was refused; this one was put together from the reports"
            )
            draft = await lead.writer.supported(told) or Draft(text=UNSUPPORTED)
        return await self._respond(draft, told)

    async def _again(self, problems: list[str], known: Mapping[str, Any], turn: int) -> dict[str, Any]:
        """Back to the writer, with the errors."""
        lead = self._lead
        lead.scope.run.recorder.emit(
            "answer_rejected", actor="validation", path=lead.path("answer"), round=turn, errors=problems
        )
        if lead.is_root:
            await lead.mover.to("PLANNED", "the answer was refused", key=f"planned:{turn + 1}")
            await lead.mover.to("EXECUTING", "it is written again", key=f"executing:{turn + 1}")
        return {"draft": {**known, "errors": problems, "rewrites": turn + 1}, "next": "supervise"}

    async def _respond(self, draft: Draft, told: list[Report]) -> dict[str, Any]:
        """Let the answer leave, hold it back, or ask a person first."""
        sure = min(confidence(told), draft.own_confidence)
        if self._lead.is_root:
            draft = await self._lead.writer.with_refusals(draft)
        sent = await self._lead.exit.prepare(draft, told)
        leaving = sent.draft
        asked = await self._answered("answer", {"answer": leaving.text})
        approved = asked is not None and asked.state == "approved"
        verdict = self._leave(sent, sure, approved_by=asked.decided_by if asked and approved else None)
        if verdict.verdict == "escalate" and (asked is None or asked.state == "pending"):
            name = await self._ask("answer", {"answer": leaving.text}, verdict.reasons)
            return {"draft": {**draft.to_dict(), "errors": []}, "next": "escalate", "asked": [name]}
        if asked is not None and approved and asked.new_args:
            leaving = Draft(text=str(asked.new_args["answer"]))
        elif verdict.verdict != "allow":
            leaving = Draft(text=_withheld(asked))
        return self._done(leaving, told, sure)

    def _leave(self, sent: Outgoing, sure: float, *, approved_by: Principal | None = None) -> Decision:
        """What the outbound policy and the confidence threshold say about this answer: deny over escalate."""
        team, run = self._lead.team, self._lead.scope.run
        opinions: list[Policy] = [team.answer_policy or _silent_consent]
        if sent.opinion.verdict != "allow":
            opinions.append(lambda _: sent.opinion)
        if team.min_confidence is not None and sure < team.min_confidence:
            doubt = Decision.escalate(f"the computed confidence is {sure}, below {team.min_confidence}")
            opinions.append(lambda _: doubt)
        found = {"answer": sent.found}
        call = replace(
            self._proposal("answer", {"answer": sent.draft.text}), approved_by=approved_by, found=found
        )
        verdict = decide(opinions, call)
        if team.answer_policy is None and verdict.verdict == "allow" and approved_by is None:
            return verdict
        run.recorder.emit(
            "decision",
            actor="guardrails",
            path=self._lead.path("answer"),
            tool="answer",
            digest=call.digest,
            verdict=verdict.verdict,
            reasons=list(verdict.reasons),
            policy_version=run.policy_version,
            effect="egress",
            stage="answer",
            attempt=None if approved_by is None else 2,
        )
        return verdict

    def _proposal(self, tool: str, args: Mapping[str, Any]) -> Call:
        """What policies are told of an answer, or a person of the run as a whole."""
        run = self._lead.scope.run
        return Call(
            tool=tool,
            args=dict(args),
            effect="egress",
            principal=run.principal,
            agent=self._lead.team.name,
            labels={},
            tools_used=tuple(run.tools_used),
            facts={},
            now=run.clock(),
        )

    def _done(self, draft: Draft, told: list[Report], sure: float) -> dict[str, Any]:
        lead = self._lead
        text, citations = lead.writer.cited(draft, told)
        if lead.is_root:
            self._validated(text, citations, sure, interim=0)
        failed = any(r.status != "ok" for r in told) or not told
        report = Report(
            task_id=lead.scope.brief.task_id,
            agent=lead.team.name,
            text=draft.text,
            status="partial" if failed else "ok",
            citations=citations,
            caveats=tuple(c for r in told for c in r.caveats),
            confidence=sure,
        )
        return {"answer": {"text": text, "report": report.to_dict()}, "next": "__end__"}

    def _validated(self, text: str, citations: Any, sure: float, *, interim: int) -> None:
        """Write the answer down; ``interim`` numbers those that are not the last word."""
        self._lead.scope.run.recorder.emit(
            "answer_validated",
            actor="validation",
            path="answer",
            digest=digest([text, interim]),
            interim=bool(interim),
            answer=text,
            citations=[{"source": c.source, "version": c.version, "quote": c.quote} for c in citations],
            confidence=sure,
            covered=None,
        )

    def _asking(self, kind: ApprovalKind, args: Mapping[str, Any]) -> dict[str, str]:
        """What names a question: the same one is asked once."""
        scope = self._lead.scope
        return {
            "approval_id": short_id("apr", scope.run.run_id, scope.path, kind, digest(dict(args))),
            "path": self._lead.path(kind),
            "digest": digest({"tool": kind, "args": dict(args)}),
        }

    async def _answered(self, kind: ApprovalKind, args: Mapping[str, Any]) -> Approval | None:
        """The question as it stands, or None if it was not asked."""
        run, named = self._lead.scope.run, self._asking(kind, args)
        if not run.recorder.knows("approval_requested", **named):
            return None
        asked = await run.journal.approval(named["approval_id"], tenant=run.principal.tenant)
        return asked.at(run.clock())

    async def _ask(self, kind: ApprovalKind, args: Mapping[str, Any], reasons: tuple[str, ...]) -> str:
        """Store a question about the run as a whole."""
        scope = self._lead.scope
        run, now, named = scope.run, scope.run.clock(), self._asking(kind, args)
        words = {"plan": "No valid plan was found. What shall be done?", "answer": "May this answer leave?"}
        call = AskedCall(
            approval_id=named["approval_id"],
            digest=named["digest"],
            call=self._proposal(kind, args),
            asked_at=now,
            expires_at=now + timedelta(seconds=scope.wallet.budget.approval_timeout),
            step=named["path"],
            chain=scope.chain,
        )
        asked = Approval(
            approval_id=call.approval_id,
            run_id=run.run_id,
            tool=kind,
            args=call.args,
            question=words[kind],
            digest=call.digest,
            reasons=reasons,
            requested_by=run.principal,
            created_at=now,
            expires_at=call.expires_at,
            kind=kind,
            step=call.step,
            calls=(call,),
        )
        event = run.recorder.event(
            "approval_requested",
            actor=self._lead.team.name,
            tool=kind,
            kind=kind,
            **named,
        )
        await run.journal.request_approvals([asked], owner=run.owner, events=run.recorder.events(event))
        return asked.approval_id


def _silent_consent(_: Call) -> Decision:
    """The outbound policy of a team that has none."""
    return Decision.allow()


def _withheld(asked: Approval | None) -> str:
    if asked is None or asked.state not in ("rejected", "expired"):
        return WITHHELD
    return f"The answer was withheld: {_no(asked)}."


def _no(asked: Approval) -> str:
    """Who said no, or that nobody said yes."""
    if asked.state == "expired" or asked.decided_by is None:
        return "nobody answered in time"
    comment = f": {asked.comment}" if asked.comment else ""
    return f"{asked.decided_by.user} said no{comment}"
