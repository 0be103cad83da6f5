"""From the journal's rows and events to the run's record. Pure: the same rows give the same record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

from pilotman.agents.report import Citation
from pilotman.agents.undo import undone_by
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.purse import NANO
from pilotman.memory.event import Event
from pilotman.memory.journal.records import EffectRow, RunRow, TransitionRow
from pilotman.supervisor.plan import Plan
from pilotman.supervisor.run import Action, ActionStatus, Retrieval, Retrieved, Run, Usage
from pilotman.supervisor.state import TERMINAL, RunState
from pilotman.supervisor.tiers import tiers


def fold(
    row: RunRow,
    events: Sequence[Event],
    approvals: Sequence[Approval] = (),
    effects: Sequence[EffectRow] = (),
    transitions: Sequence[TransitionRow] = (),
    bodies: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """The record of one run. ``events`` are all of its events so far, in the order of ``seq``; ``bodies`` the
    arguments of its drafts, by digest."""
    seen = _read(events)
    state = cast("RunState", row.state)
    return Run(
        run_id=row.run_id,
        thread_id=row.thread_id,
        supervisor=row.supervisor,
        state=state,
        principal=Principal.from_dict(row.principal),
        request=str(row.request.get("text", "")),
        task_type=row.task_type,
        severity=row.severity,
        answer=seen.answer,
        confidence=seen.confidence,
        citations=() if _closed_by_a_person(transitions) else seen.citations,
        covered=seen.covered,
        retrieved=tuple(_best(seen.snapshots)),
        snapshots=tuple(seen.snapshots),
        plan=seen.plan,
        actions=_actions(seen, approvals, effects, bodies, ended=state in TERMINAL),
        approvals=tuple(approvals),
        caveats=tuple(seen.caveats),
        usage=seen.usage(),
        tiers=tiers(events),
        step=seen.steps,
        max_steps=int(row.budget.get("max_steps", 0)),
        tools_called=tuple(seen.tools),
        outcome=seen.outcome,
        last_error=seen.last_error,
        transitions=tuple(transitions),
        versions=dict(row.versions),
        created_at=row.created_at,
        updated_at=row.updated_at,
        deadline_at=row.deadline_at or _foreseen(row),
    )


def _foreseen(row: RunRow) -> datetime:
    """The deadline of a run that waits in the queue, were it started when it came."""
    return row.created_at + timedelta(seconds=float(row.budget.get("timeout", 0.0)))


def _read(events: Sequence[Event]) -> _Seen:
    seen = _Seen()
    for event in events:
        take = _TAKES.get(event.kind)
        if take is not None:
            take(seen, event.data)
    return seen


def _closed_by_a_person(transitions: Sequence[TransitionRow]) -> bool:
    """Whether the answer is a person's own: what the agents cited does not belong to it."""
    last = transitions[-1] if transitions else None
    return last is not None and (last.from_state, last.to_state) == ("ESCALATED", "COMPLETED")


@dataclass(kw_only=True)
class _Seen:
    """What the events told so far."""

    answer: str | None = None
    confidence: float | None = None
    citations: tuple[Citation, ...] = ()
    covered: bool | None = None
    snapshots: list[Retrieval] = field(default_factory=list[Retrieval])
    plan: Plan | None = None
    verdicts: dict[tuple[str, str], _Verdict] = field(default_factory=dict[tuple[str, str], "_Verdict"])
    effects: dict[str, Effect] = field(default_factory=dict[str, Effect])
    outcomes: dict[str, Action] = field(default_factory=dict[str, Action])
    caveats: dict[str, None] = field(default_factory=dict[str, None])
    tools: dict[str, None] = field(default_factory=dict[str, None])
    drafts: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    done: set[str] = field(default_factory=set[str])
    steps: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nusd: int = 0
    priced: bool = True
    outcome: str | None = None
    last_error: str | None = None

    def usage(self) -> Usage:
        return Usage(
            steps=self.steps,
            tool_calls=self.tool_calls,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost_nusd / NANO if self.priced else None,
        )


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """What the guardrails said last about one call at one step."""

    step: str
    tool: str
    digest: str
    verdict: str
    reasons: tuple[str, ...]


def _ours(data: Mapping[str, Any]) -> bool:
    """Whether this was said by the run's own supervisor, not by one that is nested in it."""
    return "task:" not in str(data.get("path") or "")


def _planned(seen: _Seen, data: Mapping[str, Any]) -> None:
    if _ours(data):
        seen.plan = Plan.from_dict(data)


def _retrieved(seen: _Seen, data: Mapping[str, Any]) -> None:
    covered: bool | None = data.get("covered")
    if _ours(data) and seen.covered is None:
        seen.covered = covered
    seen.snapshots.append(
        Retrieval(
            snapshot_id=data["snapshot_id"],
            epoch=int(data.get("epoch") or 0),
            query=str(data.get("query") or ""),
            mode=str(data.get("mode") or ""),
            covered=covered,
            documents=tuple(
                Retrieved(source=d["source"], version=d["version"], score=float(d.get("score") or 0.0))
                for d in data.get("documents", ())
            ),
        )
    )


def _answered(seen: _Seen, data: Mapping[str, Any]) -> None:
    if not _ours(data):
        return
    seen.answer = data.get("answer")
    seen.confidence = data.get("confidence")
    seen.citations = tuple(
        Citation(source=c["source"], version=c["version"], quote=c["quote"])
        for c in data.get("citations", ())
    )
    if data.get("covered") is not None:
        seen.covered = data["covered"]


def _completed(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.outcome = data.get("outcome")
    seen.answer = data.get("answer") or seen.answer
    seen.last_error = data.get("last_error") or seen.last_error


def _caveat(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.caveats[str(data["text"])] = None


def _forgotten(seen: _Seen, _: Mapping[str, Any]) -> None:
    seen.caveats["something that this run had read was forgotten, and what came of it"] = None


def _model_answered(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.steps += 1
    seen.input_tokens += data.get("input_tokens") or 0
    seen.output_tokens += data.get("output_tokens") or 0
    cost: int | None = data.get("cost_nusd")
    seen.priced = seen.priced and cost is not None
    seen.cost_nusd += cost or 0


def _model_failed(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.steps += 1
    seen.input_tokens += data.get("input_tokens") or 0
    seen.cost_nusd += data.get("cost_nusd") or 0
    seen.last_error = f"model {data.get('model', '')}: {data.get('message') or data.get('failure')}"


def _tool_started(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.tools[str(data["tool"])] = None
    seen.effects[str(data["tool"])] = data.get("effect") or "write"


def _tool_answered(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.tool_calls += 1
    seen.done.add(data["path"])


def _tool_failed(seen: _Seen, data: Mapping[str, Any]) -> None:
    if data.get("attempt") is not None:  # else it was refused before it began
        seen.tool_calls += 1
    seen.last_error = f"tool {data['tool']}: {data.get('message') or data.get('failure')}"


def _refused(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.last_error = "; ".join(str(error) for error in data.get("errors", ())) or seen.last_error


def _exceeded(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.last_error = data.get("message") or f"the budget's {data.get('limit')} is used up"


def _decided(seen: _Seen, data: Mapping[str, Any]) -> None:
    if data.get("stage") == "answer":
        return
    said = _Verdict(
        step=str(data.get("path") or ""),
        tool=str(data["tool"]),
        digest=str(data["digest"]),
        verdict=data["verdict"],
        reasons=tuple(data.get("reasons", ())),
    )
    seen.verdicts[said.step, said.digest] = said
    seen.effects[said.tool] = data.get("effect") or "write"


def _drafted(seen: _Seen, data: Mapping[str, Any]) -> None:
    seen.drafts.append(data)


def _ended(status: ActionStatus, why: str = "") -> Callable[[_Seen, Mapping[str, Any]], None]:
    """Take what became of a write, by its effect: the row may be another run's."""

    def take(seen: _Seen, data: Mapping[str, Any]) -> None:
        tool = str(data["tool"])
        seen.outcomes[str(data["effect_id"])] = Action(
            tool=tool,
            effect=seen.effects.get(tool, "write"),
            status=status,
            step=str(data.get("path") or ""),
            message=str(data.get("message") or why),
        )

    return take


_TAKES: Mapping[str, Callable[[_Seen, Mapping[str, Any]], None]] = {
    "plan_made": _planned,
    "plan_amended": _planned,
    "plan_refused": _refused,
    "retrieval_completed": _retrieved,
    "model_call_completed": _model_answered,
    "model_call_failed": _model_failed,
    "tool_call_started": _tool_started,
    "tool_call_completed": _tool_answered,
    "tool_call_failed": _tool_failed,
    "budget_exceeded": _exceeded,
    "decision": _decided,
    "write_drafted": _drafted,
    "effect_joined": _ended("applied", "already applied by an earlier run"),
    "effect_applied": _ended("applied"),
    "effect_not_applied": _ended("not_applied"),
    "effect_unknown": _ended("unknown"),
    "answer_rejected": _refused,
    "answer_validated": _answered,
    "caveat": _caveat,
    "run_completed": _completed,
    "said_erased": _forgotten,
}


def _best(snapshots: Sequence[Retrieval]) -> Iterator[Retrieved]:
    """Each document once: those of the run's own search first, then what its tasks found besides."""
    known: set[tuple[str, str]] = set()
    for snapshot in snapshots:
        for document in sorted(snapshot.documents, key=lambda d: -d.score):
            if (document.source, document.version) not in known:
                known.add((document.source, document.version))
                yield document


_EFFECT_STATUS: Mapping[str, ActionStatus] = {
    "intended": "unknown",
    "applied": "applied",
    "not_applied": "not_applied",
    "unknown": "unknown",
    "compensated": "compensated",
}


def _actions(
    seen: _Seen,
    approvals: Sequence[Approval],
    effects: Sequence[EffectRow],
    bodies: Mapping[str, Any],
    *,
    ended: bool,
) -> tuple[Action, ...]:
    """Effects that were intended, drafts, questions about writes, and writes denied without a question."""
    approvals = [one for question in approvals for one in question.each]
    asked = {a.step: a.approval_id for a in approvals if a.step}
    own = {row.effect_id for row in effects}
    actions = {
        (action.step, action.tool): replace(action, approval_id=asked.get(action.step))
        for effect_id, action in seen.outcomes.items()
        if effect_id not in own
    }
    for row in effects:
        if row.state != "applied" or undone_by(row.key) not in own:  # else the effect itself tells
            actions[row.step, row.tool] = _intended(row, asked.get(row.step))
    for draft in seen.drafts:
        action = _draft(draft, asked.get(draft["path"]), bodies)
        actions.setdefault((action.step, action.tool), action)
    for approval in approvals:
        effect = seen.effects.get(approval.tool, "write")
        if approval.kind in ("call", "repeat") and effect != "read":
            said = seen.verdicts.get((approval.step, approval.digest))
            denial = said if said is not None and said.verdict == "deny" else None
            action = _questioned(approval, effect, denial, ended=ended, done=approval.step in seen.done)
            actions.setdefault((approval.step, approval.tool), action)
    denied: set[tuple[str, str]] = set()
    for said in seen.verdicts.values():
        effect = seen.effects[said.tool]
        if said.verdict == "deny" and effect != "read" and (said.tool, said.digest) not in denied:
            denied.add((said.tool, said.digest))
            message = "; ".join(said.reasons)
            action = Action(tool=said.tool, effect=effect, status="denied", step=said.step, message=message)
            actions.setdefault((said.step, said.tool), action)
    return tuple(actions.values())


def _intended(row: EffectRow, approval_id: str | None) -> Action:
    """A write that was begun."""
    undoes = row.state == "applied" and undone_by(row.key) is not None
    return Action(
        tool=row.tool,
        effect=cast("Effect", row.effect),
        status="compensated" if undoes else _EFFECT_STATUS[row.state],
        approval_id=approval_id,
        step=row.step,
        message=row.message,
    )


def _draft(draft: Mapping[str, Any], approval_id: str | None, bodies: Mapping[str, Any]) -> Action:
    """What would have been written."""
    return Action(
        tool=draft["tool"],
        effect=draft["effect"],
        status="drafted",
        approval_id=approval_id,
        step=draft["path"],
        message=draft["reason"],
        args=bodies.get(draft["args"]["payload"]),
    )


def _questioned(
    approval: Approval, effect: Effect, denial: _Verdict | None, *, ended: bool, done: bool
) -> Action:
    """A call that a person was asked about and that is no write: ``done``, as a read may be, or not."""
    status: ActionStatus = "applied" if done else "not_applied" if ended else "waiting"
    message = approval.comment
    if denial is not None:
        status, message = "denied", "; ".join(denial.reasons)
    elif approval.state in ("rejected", "expired"):
        status = "denied"
        message = message or (
            "nobody answered in time" if approval.state == "expired" else "a person said no"
        )
    return Action(
        tool=approval.tool,
        effect=effect,
        status=status,
        approval_id=approval.approval_id,
        step=approval.step,
        message=message,
    )
