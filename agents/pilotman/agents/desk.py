"""Where one task is worked on: thinks, reads, and acts on what was decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import orjson
from langchain_core.runnables import Runnable

from pilotman.agents import grounding
from pilotman.agents.calls import ProposedCall, failure, is_drafted
from pilotman.agents.denials import MOST_DENIALS, denials
from pilotman.agents.exchange import ModelRequest
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.foreign import Seat
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.guard import Guard
from pilotman.agents.ledger import Ledger
from pilotman.agents.permits import Permits
from pilotman.agents.prompts import work_prompt
from pilotman.agents.report import Passage, Report
from pilotman.agents.result import ToolResult
from pilotman.agents.runner import ToolRunner
from pilotman.agents.scope import TaskScope
from pilotman.agents.specialist import Kit, tool_card, tool_function
from pilotman.agents.window import opened
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import BudgetExceeded, NotFound, Unavailable
from pilotman.guardrails.permit import Permit
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.memory.journal.records import Switched

SEARCH = "search_corpus"
REFUSED = "Your report was refused:"
_PASSAGE = {field.name for field in fields(Passage)}


class Desk:
    """One task of one specialist, alive. Its state between steps is the graph's, JSON-able."""

    def __init__(self, task: TaskScope) -> None:
        self.task = task
        self.gateway = ModelGateway(task)
        self.runner = ToolRunner(task)
        self.guard = Guard(task, self.runner)
        self.permits = Permits(task, self.guard)
        self.ledger = Ledger(task, self.runner, self.guard)
        self._left_out: tuple[str, ...] = ()

    async def think(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Model turns and free reads; returns the state's changes."""
        if self.task.errand is not None:
            return self._run_errand(state, *self.task.errand)
        if self.task.foreign is not None:
            return await self.think_foreign(state, self.task.foreign)
        turn = int(state.get("turn") or 0)
        messages: list[dict[str, Any]] = list(state.get("messages") or ())
        known = len(messages)
        if not messages:
            messages += self._prompt()
        messages += [self.message(ProposedCall.from_dict(c)) for c in state.get("calls") or ()]
        self._restore(messages)
        calls: list[ProposedCall] = []
        report: Report | None = None
        while report is None and not calls:
            try:
                calls, report = await self._turn(messages, f"{self.task.path}/turn:{turn}")
            except (BudgetExceeded, Unavailable) as error:
                report = self._unfinished(messages, str(error))
            else:
                turn += 1
        return {
            "turn": turn,
            "messages": messages[known:],
            "calls": [call.to_dict() for call in calls],
            "report": None if report is None else report.to_dict(),
        }

    def _run_errand(self, state: Mapping[str, Any], tool: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """A task that is one call: propose it, then report what came of it."""
        calls = [ProposedCall.from_dict(call) for call in state.get("calls") or ()]
        if not calls:
            calls = self.guard.propose([{"name": tool, "args": args}], path=f"{self.task.path}/turn:0")
        if any(call.stage != "done" for call in calls):
            return {"calls": [call.to_dict() for call in calls]}
        messages = [self.message(call) for call in calls]
        failed = _failures(messages)
        report = Report(
            task_id=self.task.brief.task_id,
            agent=self.task.agent,
            text=f"{tool}: {'failed' if failed else 'done'}",
            status="failed" if failed else "ok",
            caveats=tuple(failed),
            confidence=0.0 if failed else 1.0,
        )
        return {"calls": [call.to_dict() for call in calls], "report": report.to_dict()}

    async def _turn(
        self, messages: list[dict[str, Any]], path: str
    ) -> tuple[list[ProposedCall], Report | None]:
        """One turn, added to ``messages``: calls that need a decision, or the report, or neither of them."""
        if (suspended := self._suspended(messages)) is not None:
            return [], suspended
        reply = await self.gateway.ask(self._request(path, messages))
        messages.append(dict(reply.message))
        if reply.tool_calls:
            calls = await self._read(self.guard.propose(reply.tool_calls, path=path))
            if any(call.stage != "done" for call in calls):
                return calls, None
            messages += [self.message(call) for call in calls]
            if self.guard.is_hopeless:
                raise Unavailable("the model repeats a call that cannot be made")
            return [], None
        wrong = grounding.problems(reply.text, self.evidence(messages))
        if not wrong:
            return [], self._report(reply.text, messages)
        refused_before = any(str(m.get("content", "")).startswith(REFUSED) for m in messages[2:])
        if reply.rules or refused_before:
            return [], self._unfinished(messages, "; ".join(wrong))
        messages.append(_refusal(wrong))
        return [], None

    async def think_foreign(
        self, state: Mapping[str, Any], build: Callable[[Kit], Runnable[Any, Any]]
    ) -> dict[str, Any]:
        """One pass of an agent that somebody brought; see ``foreign.py``. ``calls`` are all decided ones."""
        finished = [ProposedCall.from_dict(call) for call in state.get("calls") or ()]
        seat = Seat(self, finished)
        apart = [message for call in finished for message in ({"role": "assistant"}, self.message(call))]
        report = self._suspended(apart) or await self._pass(seat, build)
        calls = [*finished, *seat.wanted.values()]
        return {
            "turn": int(state.get("turn") or 0) + 1,
            "calls": [call.to_dict() for call in calls],
            "report": None if report is None else report.to_dict(),
        }

    async def _pass(self, seat: Seat, build: Callable[[Kit], Runnable[Any, Any]]) -> Report | None:
        """The foreign agent's report, or None: it was left for a decision."""
        try:
            text = await seat.run(build(seat.kit()), self._words(), timeout=max(0.05, self.task.run.left()))
            return None if seat.wanted else self._foreign_report(text, seat)
        except Exception as error:  # whatever a foreign agent does, the run goes on
            return self._unfinished(seat.messages, f"{type(error).__name__}: {error}"[:300])

    def _foreign_report(self, text: str, seat: Seat) -> Report:
        wrong = grounding.problems(text, self.evidence(seat.messages))
        if wrong:
            return self._unfinished(seat.messages, "; ".join(wrong))
        report = self._report(text, seat.messages)
        if seat.spent is None:
            return report
        self.task.run.caveat(f"{self.task.agent} could not finish: {seat.spent}")
        return replace(report, status="partial", caveats=(*report.caveats, str(seat.spent)))

    def _words(self) -> str:
        """The brief in words, for an agent that does not know our prompts."""
        return str(self._prompt()[-1]["content"])

    def _prompt(self) -> list[dict[str, Any]]:
        """The task and what is known for it, in half a window: the other half is for what tools return."""
        brief = self.task.brief
        tools = [tool_card(tool) for tool in self.task.tools.values()]

        def written(
            passages: tuple[Passage, ...], reports: tuple[Report, ...], left_out: tuple[str, ...]
        ) -> list[dict[str, Any]]:
            shown = replace(brief, passages=passages, reports=reports)
            return work_prompt(shown, instructions=self.task.instructions, tools=tools, left_out=left_out)

        limit = self.task.wallet.budget.max_context_tokens // 2
        window = opened(written, brief.passages, brief.reports, limit=limit)
        self._left_out = window.left_out
        return window.messages

    def _request(self, path: str, messages: Sequence[Mapping[str, Any]]) -> ModelRequest:
        tools = [tool_function(tool) for tool in self.task.tools.values()]
        left_out, self._left_out = self._left_out, ()  # said once on the record, with the first turn
        return ModelRequest(
            path=path, role=self.task.role, messages=list(messages), tools=tools, left_out=left_out
        )

    async def _read(self, calls: Sequence[ProposedCall]) -> list[ProposedCall]:
        """Run the free reads among the calls, in parallel; the same call twice is made once."""
        free = [call for call in calls if call.stage == "proposed" and await self.guard.is_free(call)]
        first = {call.digest: call for call in reversed(free)}
        results = await asyncio.gather(*(self.read(call) for call in first.values()))
        done = {result.path: result for result in results}
        for call in free:
            if call.path not in done:
                done[call.path] = await self.read(call)
        return [done.get(call.path, call) for call in calls]

    async def read(self, call: ProposedCall) -> ProposedCall:
        """Run one read, or return what it gave before: in an earlier life of the run, or as the same call."""
        result = self.runner.recorded(call)
        if result is None and (result := self.guard.earlier(call)) is not None:
            self.runner.reuse(call, result)
        if result is None:
            result = await self.runner.run(call, self.task.tools[call.tool])
        self.guard.remember(call, result)
        if call.tool == SEARCH:
            self.learn(result.value)
        return call.finished(result)

    def _restore(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """What an earlier life of this desk found and counted. Doing it again changes nothing."""
        turn = 0
        for message in messages:
            if message.get("role") == "tool" and message.get("name") == SEARCH:
                self.learn(orjson.loads(message["content"]).get("value"))
            elif message.get("role") == "assistant":
                self.guard.propose(message.get("tool_calls") or (), path=f"{self.task.path}/turn:{turn}")
                turn += 1

    def learn(self, value: Any) -> None:
        """Make the passages that a search returned citable."""
        for item in value if is_list(value) else ():
            if is_mapping(item) and set(item) == _PASSAGE:  # a tool of that name may return anything
                passage = Passage(**item)
                self.task.passages[passage.number] = self.task.run.passages[passage.number] = passage

    async def look_up_answers(self, calls: Sequence[ProposedCall]) -> list[ProposedCall]:
        """Mark the waiting calls that a person has answered already (a run that goes on after a crash)."""
        marked: list[ProposedCall] = []
        for call in calls:
            asked = await self._approval(call) if call.stage == "waiting" else None
            answered = call.stage == "waiting" and (asked is None or asked.state != "pending")
            marked.append(replace(call, stage="answered") if answered else call)
        return marked

    async def _approval(self, call: ProposedCall) -> Approval | None:
        """The question about exactly this call, else None: others can write into a graph's state."""
        run = self.task.run
        try:
            asked = await run.journal.approval(str(call.approval_id), tenant=run.principal.tenant)
        except NotFound:
            return None
        found = asked.alone(str(call.approval_id))
        same = (found.run_id, found.step, found.digest) == (run.run_id, call.path, call.digest)
        return found.at(run.clock()) if same and found.kind in ("call", "repeat") else None

    async def act(self, call: ProposedCall) -> ProposedCall:
        """Do what was decided about one call; a question that is still open leaves it waiting."""
        if call.stage in ("done", "proposed"):
            return call
        if call.tool not in self.task.tools:
            return self.guard.unleased(call)
        approval: Approval | None = None
        if call.approval_id is not None:
            approval = await self._approval(call)
            if approval is None:
                return replace(call, stage="proposed", approval_id=None)
            if approval.state == "pending":
                return replace(call, stage="waiting")
            call = self._answered(call, approval)
        if call.stage not in ("done", "proposed"):
            call = await self._execute(call, approval)
        return await self.ledger.left_behind(call) if call.stage == "done" else call

    def _answered(self, call: ProposedCall, approval: Approval) -> ProposedCall:
        """The call after a person's answer: as it is to be executed, to be decided again, or refused."""
        if approval.state != "approved":
            if approval.state == "expired":
                facts = {"approval_id": approval.approval_id, "tool": call.tool, "digest": call.digest}
                self.task.run.recorder.emit("approval_expired", actor="guardrails", path=call.path, **facts)
            return call.finished(_rejection(approval))
        if approval.kind == "repeat":
            self.guard.forgive(call)
            return replace(call, stage="proposed", repeat=None, approval_id=None)
        if approval.new_args is None:
            return call
        try:
            return replace(call, args=self.task.tools[call.tool].validate(approval.new_args))
        except InvalidArguments as error:
            return call.finished(failure("validation", str(error)))

    async def _execute(self, call: ProposedCall, approval: Approval | None) -> ProposedCall:
        """The call under a fresh decision; what was executed before a crash is not executed again."""
        recorded = self.runner.outcome(call)
        if recorded is not None:
            return call.finished(recorded)
        before: list[str | None] = []  # the versions that the target refused
        while True:
            permit = await self.permits.issue(call, approval)
            if not isinstance(permit, Permit):
                return permit
            if self.task.tools[call.tool].reads:
                return await self.read(call)
            try:
                done = await self.ledger.write(call)
            except Switched:  # since it was decided: it is decided anew
                await self.guard.switches.look(age=0.0)
                continue
            before.append(permit.etag)
            if not await self.ledger.is_stale(done, before):
                return done

    def message(self, call: ProposedCall) -> dict[str, Any]:
        """The result of a call as this task's models see it."""
        tool = self.task.tools.get(call.tool)
        third_party = True if tool is None else tool.third_party
        return call.message(third_party=third_party, limit=self.task.wallet.budget.max_result_bytes)

    def evidence(self, messages: Iterable[Mapping[str, Any]]) -> grounding.Evidence:
        """All that this task has seen: its brief, its passages, its tools' results."""
        brief = self.task.brief
        results = [m for m in messages if m.get("role") == "tool"]
        texts = [
            brief.request,
            brief.goal,
            orjson.dumps(dict(brief.facts)).decode(),
            *(report.text for report in brief.reports),
            *(str(m.get("content", "")) for m in results),
        ]
        writes = {name for name, tool in self.task.tools.items() if not tool.reads}
        applied = {str(m.get("name")) for m in results if _was_done(orjson.loads(m["content"]))}
        return grounding.Evidence(
            texts=texts,
            passages=self.task.passages,
            tools=frozenset(writes),
            applied=frozenset(applied & writes),
        )

    def _report(self, text: str, messages: Sequence[Mapping[str, Any]]) -> Report:
        failures = _failures(messages)
        calls = sum(1 for m in messages if m.get("role") == "tool")
        return Report(
            task_id=self.task.brief.task_id,
            agent=self.task.agent,
            text=text,
            status="partial" if failures else "ok",
            citations=grounding.citations(text, self.task.passages),
            caveats=tuple(failures),
            confidence=round((calls - len(failures) + 1) / (calls + 1), 3),
        )

    def _suspended(self, messages: Sequence[Mapping[str, Any]]) -> Report | None:
        """The end of a task whose calls were denied too often, or None: it goes on."""
        count = denials(messages)
        if count < MOST_DENIALS:
            return None
        why = f"it was suspended, {count} of its calls were denied"
        facts = {"path": self.task.path, "task_id": self.task.brief.task_id, "agent": self.task.agent}
        self.task.run.recorder.emit("task_suspended", actor="guardrails", **facts, denials=count, reason=why)
        return replace(self._unfinished(messages, why), status="partial")

    def _unfinished(self, messages: Sequence[Mapping[str, Any]], why: str) -> Report:
        """What the tools returned, and why there is no more."""
        self.task.run.caveat(f"{self.task.agent} could not finish: {why}")
        seen = [
            f"{m.get('name')}: {m.get('content')}"
            for m in messages
            if m.get("role") == "tool" and '"status":"error"' not in str(m.get("content"))
        ]
        return Report(
            task_id=self.task.brief.task_id,
            agent=self.task.agent,
            text="\n".join(seen),
            status="partial" if seen else "failed",
            caveats=(*_failures(messages), why),
            confidence=0.3 if seen else 0.0,
        )


def _was_done(result: Mapping[str, Any]) -> bool:
    return result.get("status") != "error" and not is_drafted(result)


def _failures(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    failures: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            error = orjson.loads(message["content"]).get("error")
            if error:
                failures.append(f"{message.get('name')}: {error.get('message')}")
    return list(dict.fromkeys(failures))


def _refusal(wrong: Sequence[str]) -> dict[str, Any]:
    listed = "\n".join(f"- {problem}" for problem in wrong)
    how = "State only what tools returned, or say it is unknown."
    return {"role": "user", "content": f"{REFUSED}\n{listed}\n{how}"}


def _rejection(approval: Approval) -> ToolResult:
    if approval.state == "expired":
        return failure("authorization", "nobody answered in time, which means no")
    by = "a person" if approval.decided_by is None else approval.decided_by.user
    comment = f": {approval.comment}" if approval.comment else ""
    return failure("authorization", f"rejected by {by}{comment}")
