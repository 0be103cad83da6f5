"""Who does what: a plan from the agents' descriptions and tools, by words in common with the request.

Agents that read come first; an agent that writes is planned only for the writes that are asked for, and
depends on the findings. An irreversible tool is also planned when a trusted passage, or a report, names the
action: whether it is done is then for policy and people to say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilotman.agents.drafts import PlanDraft, TaskDraft
from pilotman.agents.report import AgentCard, ToolCard
from pilotman.agents.rules.phrases import identifiers
from pilotman.agents.rules.reading import Asked
from pilotman.guardrails.wording.verbs import (
    Deed,
    asks_for,
    deed,
    demands,
    instructs,
    is_verb,
    wants_information,
)
from pilotman.guardrails.wording.words import terms, terms_of

_NEAR_BEST = 0.3
_GOAL = 1_500
_NAME = 60


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one agent would do: its relevance, the reads to lease and the writes that are asked for."""

    agent: AgentCard
    score: float
    reads: tuple[str, ...]
    writes: tuple[ToolCard, ...] = ()


def plan(seen: Asked, *, fallback: bool = False) -> PlanDraft:
    """A plan for the request: valid whatever the team; as a fallback it plans no writes."""
    parts = [_part(agent, seen, fallback=fallback) for agent in seen.agents]
    parts = _still_open(parts, seen)
    writers = [part for part in parts if part.writes]
    writers = writers or _only_capability(parts, fallback=fallback)
    writers = sorted(writers, key=lambda part: _first_mention(part, seen))[: seen.max_tasks]
    acting = [writer.agent for writer in writers]
    readers = [part for part in _readers(parts, seen, has_writers=bool(writers)) if part.agent not in acting]
    readers = readers[: max(0 if writers else 1, _room(seen) - len(writers))]
    found = [_task(part, seen, ()) for part in readers]
    first = tuple(task.task_id for task in found)
    return PlanDraft(tasks=[*found, *(_task(part, seen, first) for part in writers)])


def _room(seen: Asked) -> int:
    """As many tasks as allowed; half as many after a refused plan."""
    return max(1, seen.max_tasks // 2) if seen.errors else seen.max_tasks


def _part(agent: AgentCard, seen: Asked, *, fallback: bool) -> _Part:
    weights = _weights(seen)
    own = _overlap(terms(f"{agent.name} {agent.description}"), weights)
    reads = {t.name: _overlap(_tool_terms(t), weights) for t in agent.tools if t.effect in ("read", "egress")}
    best = max(reads.values(), default=0.0)
    free = [t.name for t in agent.tools if t.effect == "read"]
    near = [name for name, score in reads.items() if score > 0 and score >= _NEAR_BEST * best]
    writes = () if fallback else _asked_writes(agent, seen)
    leased = _with_sources(near or ([] if writes else free), agent, seen)
    return _Part(agent=agent, score=own + best, reads=tuple(leased), writes=writes)


def _with_sources(leased: Sequence[str], agent: AgentCard, seen: Asked) -> list[str]:
    """The leased reads, before them those that may tell an identifier that they need and nobody gave."""
    if identifiers(seen.request):
        return list(leased)
    given = terms(" ".join(map(str, seen.facts)))
    args = [arg for tool in agent.tools if tool.name in leased for arg in tool.args]
    things = terms_of(arg.removesuffix("_id") for arg in args if arg.endswith("_id")) - given
    sources = [tool.name for tool in agent.tools if tool.effect == "read" and terms(tool.name) & things]
    return list(dict.fromkeys([*sources, *leased]))


def _weights(seen: Asked) -> Mapping[str, float]:
    """How much each term of the request tells agents apart: rare among them is telling."""
    described = [
        terms(" ".join([a.name, a.description, *(f"{t.name} {t.description}" for t in a.tools)]))
        for a in seen.agents
    ]
    asked_for = terms(seen.request)
    known = asked_for | terms(json.dumps(dict(seen.facts), default=str)) | _guidance_terms(seen)
    weights: dict[str, float] = {}
    for term in known:
        holders = sum(term in words for words in described)
        if holders:
            rarity = math.log(1 + len(described) / holders)
            weak = term not in asked_for or is_verb(term)
            weights[term] = rarity / 4 if weak else rarity
    return weights


def _guidance_terms(seen: Asked) -> frozenset[str]:
    return terms_of(passage.heading for passage in seen.passages if passage.trusted)


def _overlap(words: Iterable[str], weights: Mapping[str, float]) -> float:
    return math.fsum(sorted(weights.get(word, 0.0) for word in set(words)))


def _tool_terms(tool: ToolCard) -> frozenset[str]:
    return terms(f"{tool.name} {tool.description}")


def _asked_writes(agent: AgentCard, seen: Asked) -> tuple[ToolCard, ...]:
    """The agent's writes that are asked for; of those that one sentence asks for, the best."""
    return tuple(
        t for t in agent.tools if t.effect in ("write", "irreversible") and is_asked(t, seen, rivals(seen))
    )


def rivals(seen: Asked) -> tuple[ToolCard, ...]:
    """Every write of the team."""
    cards = [tool for agent in seen.agents for tool in agent.tools] + [tool.card() for tool in seen.tools]
    return tuple(card for card in cards if card.effect in ("write", "irreversible"))


def is_asked(tool: ToolCard, seen: Asked, others: Sequence[ToolCard]) -> bool:
    """Whether the goal or request (for an irreversible tool: a trusted passage or a report too) asks for it.

    Where the same words ask for another of ``others`` more plainly, that one is meant.
    """
    own, rivals = deed_of(tool), [deed_of(other) for other in others]
    if any(asks_for(own, text, rivals) for text in (seen.goal, seen.request)):
        return True
    if tool.effect != "irreversible":
        return False
    things = terms_of(
        value for value in seen.facts.values() if isinstance(value, str) and len(value) <= _NAME
    )
    told = [*(p.text for p in seen.passages if p.trusted), *(report.text for report in seen.reports)]
    return any(instructs(own, text, things) for text in told)


def deed_of(tool: ToolCard) -> Deed:
    """What a tool does, by its card."""
    return deed(tool.name, tool.description, tool.args)


def _said(tool: ToolCard, request: str) -> str:
    """The sentence of the request that asks for the tool most plainly, or ''."""
    places = demands(deed_of(tool), request)
    return max(places, key=lambda demand: demand.strength).sentence if places else ""


def _only_capability(parts: Sequence[_Part], *, fallback: bool) -> list[_Part]:
    """A team that cannot read and has one ordinary write is there for that: the request is for it."""
    cards = [tool for part in parts for tool in part.agent.tools]
    if fallback or len(cards) != 1 or cards[0].effect != "write":
        return []
    owner = next(part for part in parts if part.agent.tools)
    return [_Part(agent=owner.agent, score=owner.score, reads=(), writes=(cards[0],))]


def _still_open(parts: Sequence[_Part], seen: Asked) -> list[_Part]:
    """In a second plan, those that have not reported well yet; all if that leaves nobody."""
    done = {report.agent for report in seen.reports if report.status == "ok"}
    return [part for part in parts if part.agent.name not in done] or list(parts)


def _readers(parts: Sequence[_Part], seen: Asked, *, has_writers: bool) -> list[_Part]:
    """Who finds out: those nearest to the request; if none is near and a question stands, all that read."""
    able = [part for part in parts if part.reads or not part.agent.tools]
    scored = [part for part in able if part.score > 0]
    if not scored:
        harmless = able or (list(parts) if not has_writers else [])
        return harmless if not has_writers or wants_information(seen.request) else []
    best = max(part.score for part in parts)
    near = [part for part in scored if part.score >= _NEAR_BEST * best]
    if not near and (wants_information(seen.request) or not has_writers):
        near = scored
    return sorted(near, key=lambda part: -part.score)


def _first_mention(part: _Part, seen: Asked) -> tuple[int, int]:
    places = [d.place for tool in part.writes for d in demands(deed_of(tool), seen.request)]
    return min(places, default=(len(seen.request), 0))


def _task(part: _Part, seen: Asked, depends_on: Sequence[str]) -> TaskDraft:
    writes = [tool.name for tool in part.writes]
    tools = [*part.reads, *writes] if part.agent.tools else None
    return TaskDraft(
        task_id=_task_id(part.agent.name, seen),
        agent=part.agent.name,
        goal=_goal(part, seen)[:_GOAL],
        depends_on=list(depends_on),
        tools=tools,
        done_when="each tool has answered, or it is said why not",
    )


def _task_id(agent: str, seen: Asked) -> str:
    """The agent's name; in a second plan with a number, because the first plan's tasks keep theirs."""
    serial = len(seen.reports) + len(seen.errors)
    return f"{agent[:70]}-{serial + 1}" if serial else agent[:80]


def _goal(part: _Part, seen: Asked) -> str:
    if not part.writes:
        return f"Find out what is needed to answer: {seen.request}"
    said = [_said(tool, seen.request) for tool in part.writes]
    listed = ", ".join(tool.name for tool in part.writes)
    return f"Use {listed}. {' '.join(dict.fromkeys(filter(None, said))) or seen.request}"
