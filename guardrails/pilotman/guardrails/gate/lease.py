"""Which tools the request leases, and how plainly: derived by rules, before anything untrusted is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

from pilotman.guardrails.gate.deeds import Deed
from pilotman.guardrails.gate.demands import Demand, demands, ordering, sentences
from pilotman.guardrails.gate.literals import addresses, canonical, kind_of
from pilotman.guardrails.wording.actions import UNDOING
from pilotman.guardrails.wording.lexicon import word_set

Strength: TypeAlias = Literal["strong", "weak", "none"]

_NEAR, _FAR = 0.3, 1.0
"""How much less than the best tool's a tool's score for a demand may be to be meant, or perhaps meant."""

_FITTING, _TELLING = 0.4, 1.0
"""How well a tool must fit what is said around a verb, and around no verb."""
_FURTHER = 0.5
"""What a word counts that stands around a demand, and not in it."""
_OF_PEOPLE = frozenset({"invite", "share", "assign"})
_DOING = (
    r"\b(?:do|complete|perform|follow|execute|carry out|take care of|handle|process|act on"
    r"|work (?:through|off)|deal with|finish|go through|see to|fulfil|implement|arrange)\s"
)
_ORDERS = (
    r"(?:tasks?|instructions?|actions?|steps|to-?dos?|requests?|items|points|runbook|playbook|procedure"
    r"|checklist|list)\b"
)
_DELEGATING = re.compile(rf"{_DOING}(?:[\w'-]+ ){{0,4}}?(?:{_ORDERS}|[\w/-]{{1,80}}\.(?:txt|md|docx?|pdf)\b)")
_DOING_AS = re.compile(
    rf"{_DOING}(?:[\w'-]+ ){{0,3}}?(?:what(?:ever)?|everything|all|anything|things|as)\b[^.!?]{{0,60}}?"
    r"\b(?:asks?|says|requires?|requests?|wants?|tells?|lists?|listed|specified|described|mentioned|written)\b"
)
_DOING_SO = re.compile(rf"{_DOING}(?:it|them|that|these|those|so|this|everything|all)\b")
_ORDERED = re.compile(rf"\b(?:{_ORDERS}|asks?\b|asked\b|wants\b)")
_LINKS = word_set("link links url urls website site webpage page article blog post visit browse web online")
_SEVERAL = word_set("links urls websites sites webpages pages articles posts blogs")


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """What one run may use: how plainly each tool was asked for, and how often by a plan.

    ``clauses``: the words that asked for each tool. ``delegates``: the request hands itself over to a
    document ("do what the list says"). ``links``: it speaks of pages and links; ``follows``: of more of them
    than it spells out. ``unclaimed``: what the request says beside questions and beside the words that
    plainly asked for some tool.
    """

    strengths: Mapping[str, Strength]
    clauses: Mapping[str, tuple[str, ...]]
    calls: Mapping[str, int] | None
    delegates: bool
    links: bool
    follows: bool
    unclaimed: str

    def of(self, tool: str) -> Strength:
        """How plainly the tool was asked for."""
        return self.strengths.get(tool, "none")


def lease(request: str, deeds: Iterable[Deed], plan: object | None = None) -> Lease:
    """The lease that a request gives, or a plan made from it.

    ``plan`` names tools: a sequence of names, of objects or mappings with ``tool`` or ``tools``, or an object
    with such ``tasks``. What a plan does not name is not leased.
    """
    known = list(deeds)
    said = re.findall(r"[a-z]+", request.casefold())
    links = not _LINKS.isdisjoint(said)
    pages = [address for address in addresses(request) if kind_of(address) == "url"]
    planned = None if plan is None else Counter(_planned(plan))
    found, clauses = _strengths(request, known)
    strengths: Mapping[str, Strength] = found
    asked = [clause for name, texts in clauses.items() if strengths[name] == "strong" for clause in texts]
    if planned is not None:
        strengths = {deed.name: "strong" if deed.name in planned else "none" for deed in known}
    return Lease(
        strengths=MappingProxyType(strengths),
        clauses=MappingProxyType({name: tuple(texts) for name, texts in clauses.items()}),
        calls=None if planned is None else MappingProxyType(dict(planned)),
        delegates=_delegates(request, asked),
        links=links,
        follows=links and (not pages or (len(pages) == 1 and not _SEVERAL.isdisjoint(said))),
        unclaimed=_unclaimed(request, asked),
    )


def _delegates(request: str, asked: Sequence[str]) -> bool:
    """Whether it says to do what something else says, beside sentences that plainly ask for a tool."""
    every = sentences(request)
    said = [s for s in every if not any(clause in s for clause in asked)]
    if any(_DELEGATING.search(s) for s in said) or any(_DOING_AS.search(s) for s in every):
        return True
    return _ORDERED.search(request.casefold()) is not None and any(_DOING_SO.search(s) for s in said)


def _unclaimed(request: str, claimed: Sequence[str]) -> str:
    found: list[str] = []
    for sentence in sentences(request):
        for clause in claimed:
            sentence = sentence.replace(clause, " | ")
        found.append(ordering(sentence))
    return f" {canonical(' | '.join(found))} "


def _strengths(request: str, known: Sequence[Deed]) -> tuple[dict[str, Strength], dict[str, list[str]]]:
    found: dict[str, Strength] = {deed.name: "none" for deed in known}
    clauses: dict[str, list[str]] = {}
    before: list[str] = []
    for demand in demands(request, frozenset[str]().union(*(deed.verbs for deed in known))):
        meant = _meant(demand, known)
        for name, strength in meant.items():
            if strength == "strong" and found[name] == "weak":
                clauses[name] = []
            if strength == "strong" or found[name] != "strong":
                clauses.setdefault(name, []).append(demand.clause)
                found[name] = strength
        for name in () if meant else before:  # no tool for this verb: it goes on about the last one
            clauses[name].append(demand.clause)
        before = [name for name in meant or before if found[name] == "strong"]
    return found, clauses


def _meant(demand: Demand, known: Sequence[Deed]) -> dict[str, Strength]:
    """The tools that a demand may mean, and how plainly."""
    scores = {deed.name: _score(demand, deed, known) for deed in known}
    best = max((action + fit for action, fit in scores.values() if action), default=0.0)
    verbal = [deed for deed in known if demand.verb and demand.verb == deed.verb]
    alone = verbal[0].name if len(verbal) == 1 and not _is_about_another(demand, verbal[0], known) else None
    undoing = {deed.name for deed in known if deed.actions & UNDOING}
    found: dict[str, Strength] = {}
    for name, (action, fit) in scores.items():
        near = action + fit >= best - _NEAR
        if demand.loose and not (near and fit >= _TELLING and name not in undoing):
            continue
        if name == alone:
            found[name] = "strong"
        elif action and action + fit >= best - _FAR:
            # Only its description has the verb, and the verb takes nothing away: "the customer is told".
            hinted = action <= 1.0 and name in undoing and demand.actions.isdisjoint(UNDOING)
            plain = near and fit >= _FITTING and not demand.loose and not hinted
            found[name] = "strong" if plain else "weak"
    return found


def _is_about_another(demand: Demand, mine: Deed, known: Sequence[Deed]) -> bool:
    """Whether a verb stands beside nouns that other tools are called by, and by none of this one's."""
    if not mine.named or not demand.near.isdisjoint(mine.named | mine.described):
        return False
    if not demand.things.isdisjoint(mine.things):
        return False
    return any(not demand.near.isdisjoint(deed.named) for deed in known if deed is not mine)


def _score(demand: Demand, deed: Deed, known: Sequence[Deed]) -> tuple[float, float]:
    """How well a tool does what is demanded, and how well it fits what it is demanded of."""
    meant = demand.actions if demand.shapes & {"person", "email"} else demand.actions - _OF_PEOPLE
    action = _action(demand, deed, meant)
    fit = min(2.0, _fit(demand.near, deed) + _FURTHER * _fit(demand.terms - demand.near, deed))
    fit += 0.75 * min(1.6, len(demand.things & deed.things)) + demand.shapes_of(deed)
    rivals = any(other is not deed and other.actions & meant for other in known)
    return action, fit if rivals else fit + _FITTING


def _fit(said: frozenset[str], deed: Deed) -> float:
    return 1.25 * len(said & deed.named) + 0.6 * len(said & deed.described)


def _action(demand: Demand, deed: Deed, meant: frozenset[str]) -> float:
    """By its very verb; by what that verb can stand for, the more of it the better; by its description."""
    if demand.verb == deed.verb:
        return 2.0
    shared = len(meant & deed.actions)
    return min(1.9, 1.45 + 0.15 * shared) if shared else 1.0 if meant & deed.also else 0.0


def _planned(plan: object) -> Iterable[str]:
    if isinstance(plan, str):
        return [plan]
    tasks = getattr(plan, "tasks", None)
    if tasks is not None:
        return [name for task in tasks for name in _planned(task)]
    for key in ("tools", "tool"):
        named: object = (
            cast("Mapping[str, object]", plan).get(key)
            if isinstance(plan, Mapping)
            else getattr(plan, key, None)
        )
        if isinstance(named, str):
            return [named]
        if isinstance(named, Iterable):
            return [str(name) for name in cast("Iterable[object]", named)]
    if isinstance(plan, Iterable):
        return [name for item in cast("Iterable[object]", plan) for name in _planned(item)]
    return []
