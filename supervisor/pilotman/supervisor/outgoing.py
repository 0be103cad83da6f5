"""An answer on its way out: values and links that may not leave are taken out, or stop it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from pydantic import ValidationError

from pilotman.agents.report import Report
from pilotman.agents.scope import TaskScope
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.outbound.destination import Destinations
from pilotman.guardrails.outbound.leaves import leaves, replaced
from pilotman.guardrails.outbound.links import strangers, tamed
from pilotman.guardrails.outbound.outbound import Action, Outbound, opinion
from pilotman.guardrails.policy import Decision
from pilotman.supervisor.answer import Draft, Writer
from pilotman.supervisor.team import Team

_MARK = re.compile(r"\[(\d{1,9})\]")
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A draft as it would leave: what kinds still stand in it, and whether it may go with them."""

    draft: Draft
    found: frozenset[str] = frozenset()
    opinion: Decision = field(default_factory=Decision.allow)


class Exit:
    """Where the answers of one run leave. Those of nested teams stay inside."""

    def __init__(self, team: Team, scope: TaskScope, writer: Writer) -> None:
        self._team = team
        self._scope = scope
        self._writer = writer

    async def prepare(self, draft: Draft, reports: Sequence[Report]) -> Outgoing:
        """The draft as it would leave; what was changed is a caveat. The same draft comes out the same."""
        if self._scope.path:
            return Outgoing(draft=draft)
        outbox = self._scope.run.outbox
        value: Any = draft.text if draft.fields is None else dict(draft.fields)
        value, acts = self._without_links(value, self._destinations(draft, reports))
        await outbox.look(value)
        value, redacted = outbox.answered(value, path="answer")
        if redacted:
            kinds = ", ".join(sorted(kind.replace("_", " ") for kind in redacted))
            self._scope.run.caveat(f"the answer has placeholders for what may not leave the run: {kinds}")
        found, more = outbox.answerable(value)
        acts += [*more, *self._misfits(value, draft)]
        if draft.fields is None:
            sent = replace(draft, text=str(value))
        else:
            sent = replace(draft, text=orjson.dumps(value).decode(), fields=value)
        return Outgoing(draft=sent, found=found, opinion=opinion(acts))

    def _misfits(self, value: Any, draft: Draft) -> Iterator[tuple[Action, str]]:
        """Why what is left of a structured answer is none any more."""
        schema = self._team.response_format
        if schema is None or draft.fields is None or value == draft.fields:
            return
        try:
            schema.model_validate_json(orjson.dumps(value))
        except ValidationError:
            yield "block", f"without what may not leave it is no {schema.__name__}"

    def _without_links(self, value: Any, may: Destinations) -> tuple[Any, list[tuple[Action, str]]]:
        """The value without links to elsewhere, or what is to be done about them."""
        action = self._scope.run.outbox.settings.links
        if action == "redact":
            return replaced(value, lambda text: self._tamed(text, may)), []
        if action == "pass":
            return value, []
        leads = [lead.shown for text in leaves(value) for lead in strangers(text, may)]
        return value, [(action, f"the answer leads to {lead}, which nobody named") for lead in leads]

    def _tamed(self, text: str, may: Destinations) -> str:
        done, caveat = tamed(text, may), self._scope.run.caveat
        if done.images:
            caveat(f"images were taken out of the answer, nobody named their places: {_listed(done.images)}")
        if done.links:
            caveat(f"links in the answer are plain text, nobody named their places: {_listed(done.links)}")
        return done.text

    def _destinations(self, draft: Draft, reports: Sequence[Report]) -> Destinations:
        """Where links may lead: what the request and its facts name, and trusted passages that are cited."""
        outbox = self._scope.run.outbox
        cited = {int(mark) for mark in _MARK.findall(draft.text)}
        passages = self._writer.passages(reports).values()
        trusted = [f"{p.source}\n{p.text}" for p in passages if p.trusted and p.number in cited]
        return Destinations.of([*outbox.own, *trusted], outbox.settings.hosts)


def _listed(shown: Sequence[str]) -> str:
    more = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def fitting(outbound: Outbound | None, team: Team) -> Outbound:
    """The settings, if the tools that they name are the team's.

    Raises:
        ConfigurationError: they are not.
    """
    settings = outbound or Outbound()
    unknown = settings.tools.keys() - team.tools().keys()
    if unknown:
        raise ConfigurationError(
            f"outbound names the tool {min(unknown)!r}, which {team.name} does not have",
            hint=f"its tools: {', '.join(sorted(team.tools())) or 'none'}",
        )
    return settings
