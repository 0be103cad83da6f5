"""Where one task is worked on: thinks, reads, and acts on what was decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from langchain_core.runnables import Runnable

from pilotman.agents import grounding
from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.foreign import Seat
from pilotman.agents.gateway import ModelGateway, ModelRequest
from pilotman.agents.guard import Guard
from pilotman.agents.ledger import Ledger
from pilotman.agents.prompts import work_prompt
from pilotman.agents.report import Passage, Report
from pilotman.agents.result import ToolResult
from pilotman.agents.runner import ToolRunner
from pilotman.agents.scope import TaskScope
from pilotman.agents.specialist import Kit, tool_card
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import BudgetExceeded, Unavailable
from pilotman.guardrails.permit import Permit

SEARCH = "search_corpus"


class Desk:
    """One task of one specialist, alive. Its state between steps is the graph's, JSON-able."""

    def __init__(self, task: TaskScope) -> None:
        self.task = task
        self.gateway = ModelGateway(task)
        self.runner = ToolRunner(task)
        self.guard = Guard(task, self.runner)
        self.ledger = Ledger(task, self.runner, self.guard)

    async def think(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Model turns and free reads; returns the state's changes."""
        if self.task.foreign is not None:
            return await self.think_foreign(state, self.task.foreign)
        turn = int(state.get("turn") or 0)
        messages: list[dict[str, Any]] = list(state.get("messages") or ())
        known = len(messages)
        self._restore(messages)
        if not messages:
            messages += self._prompt()
        messages += [ProposedCall.from_dict(c).message() for c in state.get("calls") or ()]
        calls: list[ProposedCall] = []
        report: Report | None = None
        refused = False
        while report is None and not calls:
            path = f"{self.task.path}/turn:{turn}"
            try:
                reply = await self.gateway.ask(self._request(path, messages))
            except (BudgetExceeded, Unavailable) as error:
                report = self._unfinished(messages, str(error))
                break
            turn += 1
            messages.append(dict(reply.message))
            if reply.tool_calls:
                done = await self._read(self.guard.propose(reply.tool_calls, path=path))
                if all(call.stage == "done" for call in done):
                    messages += [call.message() for call in done]
                else:
                    calls = done
                continue
            wrong = grounding.problems(reply.text, self.evidence(messages[:-1]))
            if wrong and not refused and not reply.rules:
                refused = True
                messages.append(_refusal(wrong))
                continue
            report = self._unfinished(messages, "; ".join(wrong)) if wrong else self._report(reply.text, messages)
        return {
            "turn": turn,
            "messages": messages[known:],
            "calls": [call.to_dict() for call in calls],
            "report": None if report is None else report.to_dict(),
        }

    async def think_foreign(
        self, state: Mapping[str, Any], build: Callable[[Kit], Runnable[Any, Any]]
    ) -> dict[str, Any]:
        """One pass of an agent that somebody brought; see ``foreign.py``. ``calls`` gathers all that were decided."""
        finished = [ProposedCall.from_dict(call) for call in state.get("calls") or ()]
        seat = Seat(self, finished)
        report: Report | None = None
        try:
            text = await seat.run(build(seat.kit()), self._words(), timeout=max(0.05, self.task.run.left()))
            if not seat.wanted:
                wrong = grounding.problems(text, self.evidence(seat.messages))
                report = self._unfinished(seat.messages, "; ".join(wrong)) if wrong else self._report(text, seat.messages)
        except Exception as error:  # whatever a foreign agent does, the run goes on
            report = self._unfinished(seat.messages, f"{type(error).__name__}: {error}"[:300])
        calls = [*finished, *seat.wanted.values()]
        return {
            "turn": int(state.get("turn") or 0) + 1,
            "calls": [call.to_dict() for call in calls],
            "report": None if report is None else report.to_dict(),
        }

    def _words(self) -> str:
        """The brief in words, for an agent that does not know our prompts."""
        return str(self._prompt()[-1]["content"])

    def _prompt(self) -> list[dict[str, Any]]:
        return work_prompt(
            self.task.brief,
            instructions=self.task.instructions,
            tools=[tool_card(tool) for tool in self.task.tools.values()],
            may_write=not self.task.run.read_only,
        )

    def _request(self, path: str, messages: Sequence[Mapping[str, Any]]) -> ModelRequest:
        tools = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": dict(t.args_schema)},
            }
            for t in self.task.tools.values()
        ]
        return ModelRequest(path=path, role=self.task.role, messages=list(messages), tools=tools)

    async def _read(self, calls: Sequence[ProposedCall]) -> list[ProposedCall]:
        """Run the free reads among the calls, in parallel."""
        free = [call for call in calls if call.stage == "proposed" and self.guard.is_free(call)]
        results = await asyncio.gather(*(self.read(call) for call in free))
        done = {result.call_id: result for result in results}
        return [done.get(call.call_id, call) for call in calls]

    async def read(self, call: ProposedCall) -> ProposedCall:
        """Run one read, or return what it gave before: in an earlier life of this run, or as the same call."""
        tool = self.task.tools[call.tool]
        result = self.runner.recorded(call) or self.guard.earlier(call)
        if result is None:
            result = await self.runner.run(call, tool)
        self.guard.remember(call, result)
        if call.tool == SEARCH:
            self.learn(result)
        return call.finished(result)

    def _restore(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """What an earlier life of this desk found and counted, from its conversation. Doing it again changes nothing."""
        turn = 0
        for message in messages:
            if message.get("role") == "tool" and message.get("name") == SEARCH:
                self.learn(ToolResult(status="partial", value=orjson.loads(message["content"]).get("value")))
            elif message.get("role") == "assistant":
                self.guard.propose(message.get("tool_calls") or (), path=f"{self.task.path}/turn:{turn}")
                turn += 1

    def learn(self, result: ToolResult) -> None:
        """Make the passages that a search returned citable."""
        for item in result.value if isinstance(result.value, list) else ():
            passage = Passage(**item)
            self.task.passages[passage.number] = self.task.run.passages[passage.number] = passage

    async def look_up_answers(self, calls: Sequence[ProposedCall]) -> list[ProposedCall]:
        """Mark the waiting calls that a person has answered already (a run that goes on after a crash)."""
        marked: list[ProposedCall] = []
        for call in calls:
            answered = call.stage == "waiting" and (await self._approval(call)).state != "pending"
            marked.append(replace(call, stage="answered") if answered else call)
        return marked

    async def _approval(self, call: ProposedCall) -> Approval:
        run = self.task.run
        found = await run.journal.approval(str(call.approval_id), tenant=run.principal.tenant)
        return found.at(run.clock())

    async def act(self, call: ProposedCall) -> ProposedCall:
        """Do what was decided about one call; a question that is still open leaves it waiting."""
        if call.stage in ("done", "proposed"):
            return call
        approval = None if call.approval_id is None else await self._approval(call)
        if approval is not None:
            if approval.state == "pending":
                return replace(call, stage="waiting")
            if approval.state != "approved":
                return call.finished(_rejection(approval))
            if approval.kind == "repeat":
                self.guard.forgive(call)
                return replace(call, stage="proposed", repeat=None, approval_id=None)
            call = self._edited(call, approval)
            if call.stage == "done":
                return call
        permit = await self.ledger.permit(call, approval)
        if not isinstance(permit, Permit):
            return permit
        if self.task.tools[call.tool].effective == "read":
            return await self.read(call)
        return await self.ledger.write(call)

    def _edited(self, call: ProposedCall, approval: Approval) -> ProposedCall:
        """The call with the arguments that the approver put in place."""
        if approval.new_args is None:
            return call
        try:
            return replace(call, args=self.task.tools[call.tool].validate(approval.new_args))
        except InvalidArguments as error:
            return call.finished(failure("validation", str(error)))

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
        writes = {name for name, tool in self.task.tools.items() if tool.effective != "read"}
        applied = {str(m.get("name")) for m in results if orjson.loads(m["content"]).get("status") != "error"}
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
    return {
        "role": "user",
        "content": f"Your report was refused:\n{listed}\nState only what tools returned, or say it is unknown.",
    }


def _rejection(approval: Approval) -> ToolResult:
    if approval.state == "expired":
        return failure("authorization", "nobody answered in time, which means no")
    by = "a person" if approval.decided_by is None else approval.decided_by.user
    comment = f": {approval.comment}" if approval.comment else ""
    return failure("authorization", f"rejected by {by}{comment}")
