"""How the final answer is written and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from pydantic import BaseModel

from pilotman.agents import grounding
from pilotman.agents.chat import structured
from pilotman.agents.gateway import ModelGateway, ModelRequest
from pilotman.agents.messages import from_langchain, text_of, to_langchain
from pilotman.agents.models import Role
from pilotman.agents.prompts import answer_prompt
from pilotman.agents.report import Citation, Passage, Report
from pilotman.agents.rules.model import ChatRules
from pilotman.agents.scope import TaskScope
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import BudgetExceeded, Unavailable
from pilotman.supervisor.team import Team

_MARK = re.compile(r"\[(\d{1,9})\]")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An answer before it was checked. ``fields`` where the team has a ``response_format``."""

    text: str
    fields: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Writer:
    """Writes one team's answers from its reports and from what the journal says was done."""

    def __init__(self, team: Team, scope: TaskScope) -> None:
        self._team = team
        self._scope = scope

    async def actions(self) -> list[dict[str, Any]]:
        """What the run did, wants to do or was refused, from the journal: ``tool, args, status, result``."""
        run = self._scope.run
        tenant = run.principal.tenant
        done: list[dict[str, Any]] = []
        settled: set[str] = set()
        for effect in await run.journal.effects(run.run_id, tenant=tenant):
            body = None if effect.result is None else run.recorder.fetch(effect.result)
            settled.add(effect.step)
            status = "unknown" if effect.state == "intended" else effect.state
            result = None if body is None else body.get("value")
            done.append({"tool": effect.tool, "args": {}, "status": status, "result": result})
        for asked in await run.journal.approvals(tenant=tenant, run_id=run.run_id):
            current = asked.at(run.clock())
            if current.kind == "call" and current.step not in settled:
                done.append(_asked(current))
        return done

    async def draft(self, reports: Sequence[Report], *, round: int, errors: Sequence[str]) -> Draft:
        """A single sound report as it is, else the writer's answer; extractive without a model."""
        told = [report for report in reports if report.text]
        alone = len(reports) == 1 and reports[0].status == "ok" and bool(told)
        if alone and not errors and self._team.response_format is None:
            return Draft(text=told[0].text)
        actions = await self.actions()
        messages = self._messages(reports, actions, errors)
        path = f"{self._scope.path}/answer:{round}" if self._scope.path else f"answer:{round}"
        role: Role = "planner" if errors and self._scope.models.has("planner") else "writer"
        try:
            reply = await ModelGateway(self._scope).ask(
                ModelRequest(path=path, role=role, messages=messages, schema=self._team.response_format)
            )
        except (BudgetExceeded, Unavailable) as error:
            self._scope.run.caveat(f"the answer was put together by rules: {error}")
            return self.extract(reports, actions)
        return self._drafted(reply.message)

    def extract(self, reports: Sequence[Report], actions: Sequence[Mapping[str, Any]]) -> Draft:
        """An answer from the reports alone, without a model call: nothing from the purse, no time."""
        messages = [to_langchain(m) for m in self._messages(reports, actions, ())]
        schema = self._team.response_format
        model = ChatRules(fallback=True)
        if schema is None:
            return Draft(text=text_of(from_langchain(model.invoke(messages))["content"]))
        from_rules = model.bind_tools([schema]).invoke(messages)
        return self._drafted(from_langchain(from_rules))

    def _messages(
        self, reports: Sequence[Report], actions: Sequence[Mapping[str, Any]], errors: Sequence[str]
    ) -> list[dict[str, Any]]:
        scope = self._scope
        return answer_prompt(
            request=scope.brief.request,
            facts=scope.brief.facts,
            reports=reports,
            passages=list(self.passages(reports).values()),
            actions=actions,
            caveats=scope.run.caveats,
            errors=errors,
            schema=self._team.response_format,
        )

    def passages(self, reports: Sequence[Report]) -> dict[int, Passage]:
        """Those that the answer may cite: the run's own, and what the reports cite."""
        cited = {int(mark) for report in reports for mark in _MARK.findall(report.text)}
        known = {**self._scope.run.passages, **self._scope.passages}
        own = {passage.number for passage in self._scope.brief.passages}
        return {n: passage for n, passage in sorted(known.items()) if n in own | cited}

    def _drafted(self, message: Mapping[str, Any]) -> Draft:
        schema = self._team.response_format
        if schema is None:
            return Draft(text=text_of(message["content"]))
        try:
            fields = structured(message, schema).model_dump(mode="json")
        except ValueError as error:
            return Draft(text=f"no {schema.__name__}: {error}", fields=None)
        return Draft(text=orjson.dumps(fields).decode(), fields=fields)

    async def supported(self, reports: Sequence[Report]) -> Draft | None:
        """An answer put together without a model, less those reports that the record does not support."""
        actions = await self.actions()
        draft = self.extract(reports, actions)
        if not await self.problems(draft, reports):
            return draft
        sound = [
            report if not await self._unfounded(report.text, reports) else _mute(report) for report in reports
        ]
        draft = self.extract(sound, actions)
        return None if await self.problems(draft, sound) else draft

    async def problems(self, draft: Draft, reports: Sequence[Report]) -> list[str]:
        """What is wrong with the draft; empty if it may leave."""
        schema: type[BaseModel] | None = self._team.response_format
        if schema is not None and draft.fields is None:
            return [draft.text]
        if not draft.text.strip():
            return ["the answer is empty"]
        return await self._unfounded(draft.text, reports)

    async def _unfounded(self, text: str, reports: Sequence[Report]) -> list[str]:
        """What the run's record does not support."""
        actions = await self.actions()
        scope = self._scope
        texts = [
            scope.brief.request,
            orjson.dumps(dict(scope.brief.facts)).decode(),
            *(report.text for report in reports),
            *(caveat for report in reports for caveat in report.caveats),
            *scope.run.caveats,
            orjson.dumps(actions, default=str).decode(),
        ]
        writes = {name for name, tool in self._team.tools().items() if tool.effective != "read"}
        applied = {action["tool"] for action in actions if action["status"] == "applied"}
        evidence = grounding.Evidence(
            texts=texts,
            passages=self.passages(reports),
            tools=frozenset(writes),
            applied=frozenset(applied),
        )
        return grounding.problems(text, evidence)

    def cited(self, draft: Draft, reports: Sequence[Report]) -> tuple[str, tuple[Citation, ...]]:
        """The text with its marks numbered from 1 by first use, and the citations in that order."""
        passages = self.passages(reports)
        found = grounding.citations(draft.text, passages)
        order: dict[int, int] = {}
        for mark in map(int, _MARK.findall(draft.text)):
            if mark in passages:
                order.setdefault(mark, len(order) + 1)
        text = _MARK.sub(lambda m: f"[{order.get(int(m[1]), m[1])}]", draft.text)
        return (draft.text if draft.fields is not None else text), found


def _mute(report: Report) -> Report:
    """A report whose words are not passed on."""
    why = f"what {report.agent} reported is not supported by the record"
    return replace(report, text="", status="partial", caveats=(*report.caveats, why))


def _asked(asked: Approval) -> dict[str, Any]:
    """An action that a person was asked about and that was not done (yet)."""
    item: dict[str, Any] = {"tool": asked.tool, "args": dict(asked.args), "status": "waiting"}
    if asked.state in ("pending", "approved"):
        return item
    if asked.state == "expired" or asked.decided_by is None:
        return {**item, "status": "rejected", "result": "nobody answered in time"}
    return {
        **item,
        "status": "rejected",
        "result": f"by {asked.decided_by.user}: {asked.comment}".rstrip(": "),
    }


def confidence(reports: Sequence[Report]) -> float:
    """In [0, 1], computed: the mean over the reports of how much of their work went well."""
    return round(sum(r.confidence for r in reports) / len(reports), 3) if reports else 0.0
