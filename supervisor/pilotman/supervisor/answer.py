"""How the final answer is written and checked."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import BaseModel

from pilotman.agents import grounding
from pilotman.agents.chat import structured
from pilotman.agents.exchange import ModelRequest
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.messages import from_langchain, text_of, to_langchain
from pilotman.agents.models import Role
from pilotman.agents.prompts import answer_prompt
from pilotman.agents.report import Citation, Passage, Report
from pilotman.agents.rules.model import ChatRules
from pilotman.agents.scope import TaskScope
from pilotman.agents.undo import undone_by
from pilotman.agents.window import Window, opened
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import BudgetExceeded, Unavailable
from pilotman.guardrails.incoming.cleaner import clean
from pilotman.memory.journal.records import EffectRow
from pilotman.supervisor.team import Team

_MARK = re.compile(r"\[(\d{1,9})\]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_NO = re.compile(r"\b(?:reject|refus|declin|den(?:y|ied)|disapprov|not approved|said no|in time)")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An answer before it was checked. ``fields`` where the team has a ``response_format``."""

    text: str
    fields: Mapping[str, Any] | None = None

    @property
    def own_confidence(self) -> float:
        """What a field ``confidence`` says, in [0, 1]: the model's own number; 1 where there is none."""
        own = (self.fields or {}).get("confidence")
        if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own <= 1:
            return float(own)
        return 1.0

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class Writer:
    """Writes one team's answers from its reports and from what the journal says was done."""

    def __init__(self, team: Team, scope: TaskScope) -> None:
        self._team = team
        self._scope = scope
        self._read: tuple[int, list[dict[str, Any]]] = (-1, [])

    async def actions(self) -> list[dict[str, Any]]:
        """What the run did, wants to do or was refused, from the journal: ``tool, args, status, result``."""
        recorder = self._scope.run.recorder
        as_of, known = self._read
        if as_of == recorder.acts:
            return known
        run, tenant = self._scope.run, self._scope.run.principal.tenant
        acts = recorder.acts
        effects, approvals = await run.journal.actions(run.run_id, tenant=tenant)
        own, settled = {e.effect_id for e in effects}, {e.step for e in effects}
        told = [e for e in effects if undone_by(e.key) not in own or e.state != "applied"]
        done = [_done(e, None if e.result is None else recorder.fetch(e.result)) for e in told]
        drafts = [draft for draft in recorder.results("draft") if draft["path"] not in settled]
        done += [_drafted(draft, recorder.body(draft, "args")) for draft in drafts]
        settled.update(draft["path"] for draft in drafts)
        for ended in recorder.results("effect"):
            if ended["effect_id"] not in own:  # another run began it, or had done it
                effect = await run.journal.effect(ended["effect_id"], tenant=tenant)
                done.append(_done(effect, recorder.body(ended, "result")))
                settled.add(ended["path"])
        settled.update(call["path"] for call in recorder.results("tool_call") if "failure" not in call)
        asked = (one for a in approvals for one in a.at(run.clock()).each if one.step not in settled)
        actions = [*done, *(_asked(one) for one in asked if _is_action(one))]
        if not approvals:  # else people answer, and others hear of it first
            self._read = (acts, actions)
        return actions

    async def with_refusals(self, draft: Draft) -> Draft:
        """The draft, and what people said no to if it does not say that itself."""
        refused = [action for action in await self.actions() if action["status"] == "rejected"]
        missing = [
            f"Not done: {action['tool']}, rejected ({action['result']})"
            for action in refused
            if not _tells(draft.text, action)
        ]
        if draft.fields is None and missing:
            return replace(draft, text="\n".join([draft.text, "", *missing]))
        for line in missing:
            self._scope.run.caveat(line)
        return draft

    async def draft(self, reports: Sequence[Report], *, round: int, errors: Sequence[str]) -> Draft:
        """A single sound report as it is, else the writer's answer; extractive without a model."""
        told = [report for report in reports if report.text]
        alone = len(reports) == 1 and reports[0].status == "ok" and bool(told)
        if alone and not errors and self._team.response_format is None:
            return Draft(text=told[0].text)
        actions = await self.actions()
        limit = self._scope.wallet.budget.max_context_tokens
        window = self._window(reports, actions, errors, limit=limit)
        path = f"{self._scope.path}/answer:{round}" if self._scope.path else f"answer:{round}"
        role: Role = "planner" if errors and self._scope.models.has("planner") else "writer"
        try:
            reply = await ModelGateway(self._scope).ask(
                ModelRequest(
                    path=path,
                    role=role,
                    messages=window.messages,
                    schema=self._team.response_format,
                    left_out=window.left_out,
                )
            )
        except (BudgetExceeded, Unavailable) as error:
            self._scope.run.caveat(f"the answer was put together by rules: {error}")
            return self.extract(reports, actions)
        return self._drafted(reply.message)

    def extract(self, reports: Sequence[Report], actions: Sequence[Mapping[str, Any]]) -> Draft:
        """An answer from the reports alone, without a model call: nothing from the purse, no time."""
        window = self._window(reports, actions, (), limit=sys.maxsize)  # the rules read any length
        messages = [to_langchain(m) for m in window.messages]
        schema = self._team.response_format
        model = ChatRules(fallback=True)
        if schema is None:
            return Draft(text=text_of(from_langchain(model.invoke(messages))["content"]))
        from_rules = model.bind_tools([schema]).invoke(messages)
        return self._drafted(from_langchain(from_rules))

    def _window(
        self,
        reports: Sequence[Report],
        actions: Sequence[Mapping[str, Any]],
        errors: Sequence[str],
        *,
        limit: int,
    ) -> Window:
        scope = self._scope

        def written(
            passages: tuple[Passage, ...], reports: tuple[Report, ...], left_out: tuple[str, ...]
        ) -> list[dict[str, Any]]:
            return answer_prompt(
                request=scope.brief.request,
                facts=scope.brief.facts,
                reports=reports,
                passages=passages,
                actions=actions,
                caveats=scope.run.caveats,
                errors=errors,
                schema=self._team.response_format,
                left_out=left_out,
            )

        return opened(written, self.passages(reports).values(), reports, limit=limit)

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
        writes = {name for name, tool in self._team.tools().items() if not tool.reads}
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
        text, found = grounding.numbered(draft.text, self.passages(reports))
        if not self._scope.path:  # quotes leave with the answer
            told = self._scope.run.outbox.told
            found = tuple(replace(one, quote=told(one.quote, path="answer")) for one in found)
        return (draft.text if draft.fields is not None else text), found


def _mute(report: Report) -> Report:
    """A report whose words are not passed on."""
    why = f"what {report.agent} reported is not supported by the record"
    return replace(report, text="", status="partial", caveats=(*report.caveats, why))


def _done(effect: EffectRow, body: Any) -> dict[str, Any]:
    """A write that was begun, and what it returned."""
    status = "unknown" if effect.state == "intended" else effect.state
    if status == "applied" and undone_by(effect.key) is not None:
        status = "compensated"
    result = None if body is None else clean(body.get("value")).value
    return {"tool": effect.tool, "args": {}, "status": status, "result": result}


def _drafted(draft: Mapping[str, Any], args: Any) -> dict[str, Any]:
    """A write that was not executed because writes were switched off."""
    return {"tool": draft["tool"], "args": args or {}, "status": "drafted", "result": None}


def _is_action(asked: Approval) -> bool:
    """Whether the question is about a call; one that an agent may repeat goes on as any other."""
    return asked.kind == "call" or (asked.kind == "repeat" and asked.state != "approved")


def _asked(asked: Approval) -> dict[str, Any]:
    """An action that a person was asked about and that was not done (yet)."""
    item: dict[str, Any] = {"tool": asked.tool, "args": dict(asked.args), "status": "waiting"}
    if asked.state in ("pending", "approved"):
        return item
    by = "nobody answered in time"
    if asked.state != "expired" and asked.decided_by is not None:
        by = f"by {asked.decided_by.user}: {asked.comment}".rstrip(": ")
    return {**item, "status": "rejected", "result": by}


def _tells(text: str, refused: Mapping[str, Any]) -> bool:
    """Whether a sentence says no and names the tool, or whoever said it."""
    names = {word[:5] for word in str(refused["tool"]).casefold().split("_") if len(word) > 3}
    names.update(str(refused["result"]).casefold().removeprefix("by ").split(": ", 1))
    sentences = (sentence.casefold() for sentence in _SENTENCE.split(text))
    return any(_NO.search(said) and any(name in said for name in names) for said in sentences)


def confidence(reports: Sequence[Report]) -> float:
    """In [0, 1], computed: the mean over the reports of how much of their work went well."""
    return round(sum(r.confidence for r in reports) / len(reports), 3) if reports else 0.0
