"""Policy and information flow for one run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from pilotman.guardrails.gate.evidence import HARMLESS, Evidence, Standing
from pilotman.guardrails.gate.deeds import deed
from pilotman.guardrails.gate.demands import names, sentences
from pilotman.guardrails.gate.lease import Lease, Strength, lease
from pilotman.guardrails.gate.literals import addresses, canonical, kind_of
from pilotman.guardrails.gate.records import forms, stands
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import Part, parts
from pilotman.guardrails.gate.values import fits, is_money
from pilotman.guardrails.wording.words import terms
from pilotman.guardrails.policy import Call, Decision, Effect, Policy, decide
from pilotman.guardrails.principal import Principal

Finding: TypeAlias = tuple[str, str]
"""``ok``, ``ask`` or ``no``, and why."""

_SHAPES = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"#[\w-]+",
        r"(?:https?://|www\.)\S+",
        r"(?=\w*[-_]?\d)[a-zA-Z]+[-_]?\d[\w-]*",
    )
)
_SECRETS = frozenset({"password", "secret", "pin", "passcode", "token", "key"})
_ORIGINS = frozenset({"from", "sourc", "source", "own", "my", "sender", "payer", "debit", "origin"})


class ToolInfo(Protocol):
    """What the gate knows of a tool: pinned metadata, never what a server says later."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def effect(self) -> Effect | None: ...
    @property
    def args_schema(self) -> Mapping[str, Any]: ...
    @property
    def third_party(self) -> bool | Sequence[str]: ...


class Gate:
    """Decides about each call of one run: user policies, and whether the request asks for this very call.

    Args:
        policy: one or several policies; the stricter of them and of the gate wins.
        principal: who asks.
        request: the user's own words: the root of all trust.
        tools: what may be called; a tool without an effect is a write.
        facts: authenticated facts of the application (the user's own address, today's date).
        plan: a plan made from the request before anything else was read; it then is the lease.
    """

    def __init__(
        self,
        policy: Policy | Sequence[Policy] | None = None,
        *,
        principal: Principal,
        request: str,
        tools: Iterable[ToolInfo],
        facts: Mapping[str, Any] = MappingProxyType({}),
        plan: object | None = None,
    ) -> None:
        self._policies = () if policy is None else tuple(policy) if isinstance(policy, Sequence) else (policy,)
        self._principal = principal
        self._tools = {tool.name: tool for tool in tools}
        self._deeds = {
            name: deed(name, tool.description, tool.args_schema) for name, tool in self._tools.items()
        }
        self._request = Request(request, facts)
        writes = [self._deeds[name] for name, tool in self._tools.items() if tool.effect != "read"]
        self._lease: Lease = lease(request, writes, plan)
        self._links = self._lease.links
        self._evidence = Evidence(self._request)
        self._done: Counter[str] = Counter()
        self._targets: Counter[tuple[str, frozenset[str]]] = Counter()
        self._used: list[str] = []

    def decide(self, call: Call) -> Decision:
        """Allow, deny or escalate one proposed call."""
        tool = self._tools.get(call.tool)
        if tool is None:
            return Decision.deny(f"{call.tool} is none of this run's tools")
        effect: Effect = tool.effect or "write"
        call = replace(
            call,
            effect=effect,
            declared=tool.effect is not None,
            principal=self._principal,
            tools_used=tuple(self._used),
        )
        own = self._judge(call, tool)
        if not self._policies:
            return own
        return _stricter(decide((*self._policies, _allowing), call), own)

    def observe(self, call: Call, result: object) -> None:
        """Take in what an allowed call returned."""
        tool = self._tools.get(call.tool)
        third_party = True if tool is None else tool.third_party
        self._evidence.observe(call.args, result, third_party=third_party)
        self._used.append(call.tool)
        if tool is not None and tool.effect != "read":
            self._done[call.digest] += 1
            self._targets[call.tool, _targets(self._parts(call, tool))] += 1

    def _parts(self, call: Call, tool: ToolInfo) -> list[Part]:
        return parts(call.args, tool.args_schema, verb=self._deeds[tool.name].verb)

    def _judge(self, call: Call, tool: ToolInfo) -> Decision:
        if call.effect == "read" and call.declared:
            return Decision.allow("a read")
        found = self._parts(call, tool)
        if call.effect == "egress":
            return self._judge_egress(found)
        if self._done[call.digest]:
            return Decision.deny("exactly this was done already")
        strength = self._lease.of(call.tool)
        if strength == "none" or (strength == "weak" and self._lease.delegates):
            return self._unleased(found, tool)
        findings = [self._finding(part, found, strength, tool.name) for part in found]
        if self._evidence.tainted and not any(self._is_related(part) for part in found):
            findings.append(("no", "nothing in it comes from the request"))
        findings += self._about_words(found, tool.name)
        findings += self._about_counts(call, found, strength)
        return _summed(findings, strength)

    def _is_related(self, part: Part) -> bool:
        """Whether a part of a call follows from the request."""
        if part.role == "content":
            return not self._request.telling.isdisjoint(terms(str(part.value)))
        if part.role == "target":
            return self._is_in_document(part.value)
        return fits(part, self._evidence) == "fits"

    def _unleased(self, found: list[Part], tool: ToolInfo) -> Decision:
        """Nobody asked for this. It is put to a person only if the request names every target."""
        targets = [part for part in found if part.role == "target"]
        if targets and self._lease.calls is None and all(self._request.holds(part.value) for part in targets):
            return Decision.escalate(f"the request does not ask for {tool.name}, but it names what this is about")
        handed = self._lease.delegates and all(self._is_in_document(part.value) for part in targets)
        if handed and self._evidence.tainted:
            return Decision.escalate("the request hands over to a document: a person decides what it may ask")
        return Decision.deny(f"the request does not ask for {tool.name}")

    def _is_in_document(self, value: Any) -> bool:
        """Whether we wrote a value, or somebody did in what was read because the request names it."""
        if self._evidence.standing(value) in (*HARMLESS, "known"):
            return True
        return any(source.bound or source.designated for source in self._evidence.sources(value))

    def _judge_egress(self, found: list[Part]) -> Decision:
        """A read whose destination the caller chooses: where it goes, it takes along what it names."""
        for part in found:
            standing = self._evidence.standing(part.value)
            if standing in HARMLESS:
                continue
            if standing in ("foreign", "known") and self._links:
                return Decision.escalate(f"{part.path} comes from what others wrote")
            if self._evidence.tainted or part.role == "target":
                return Decision.deny(f"{part.path} is not what the request names")
        return Decision.allow("the request names where this goes")

    def _finding(self, part: Part, found: Sequence[Part], strength: Strength, tool: str) -> Finding:
        if part.role == "content":
            return self._about_content(part, strength)
        if part.role == "value":
            return self._about_value(part, strength)
        return self._about_target(part, found, strength, tool)

    def _about_target(self, part: Part, found: Sequence[Part], strength: Strength, tool: str) -> Finding:
        standing = self._evidence.standing(part.value)
        if standing in HARMLESS:
            if standing == "given" and (self._evidence.misplaced(part.value, part.nouns) or self._said_elsewhere(part, tool)):
                return "ask", f"{part.path} ({canonical(str(part.value))[:60]}) is named, but not for this"
            if standing == "designated" and self._is_other_address(part, tool):
                return "ask", f"{part.path} ({canonical(str(part.value))[:60]}) is meant, but not for this"
            if strength == "weak" and standing == "designated" and self._evidence.tainted:
                return "ask", f"the request does not plainly ask for {tool}"
            return "ok", ""
        name = f"{part.path} ({canonical(str(part.value))[:60]})"
        if self._names_another(part, found):
            return ("ask" if standing == "known" else "no"), f"{name} is another than the request names"
        if standing == "known" and strength == "strong" and not part.nouns.isdisjoint(_ORIGINS):
            return "ok", ""
        if self._evidence.tainted and self._is_stranger(part, tool):
            return "no", f"{name} is not whom or what the request names"
        if strength == "weak":
            asked = not self._evidence.tainted
            return ("ask" if asked else "no"), f"{name} is not what the request names"
        if standing == "known":
            return "ask", f"{name} is one of several that the request may mean"
        if standing == "foreign":
            return "ask", f"{name} comes from what others wrote"
        called = not self._names_for(tool).isdisjoint(terms(str(part.value)))
        return "ask" if called or not self._evidence.tainted else "no", f"nobody named {name}"

    def _is_stranger(self, part: Part, tool: str) -> bool:
        """Whether the words that asked for this tool name somebody or something, and this has to do with neither."""
        named = self._names_for(tool)
        sources = self._evidence.sources(part.value)
        return bool(named) and named.isdisjoint(terms(str(part.value))) and not any(named & (s.words | s.sought) for s in sources)

    def _is_other_address(self, part: Part, tool: str) -> bool:
        """Whether this is an address, and the words that asked for the tool give another of its kind."""
        mine = {kind_of(address) for address in addresses(str(part.value))}
        told = {kind_of(a) for clause in self._lease.clauses.get(tool, ()) for a in addresses(clause)}
        return not mine.isdisjoint(told) and self._is_stranger(part, tool)

    def _names_for(self, tool: str) -> frozenset[str]:
        """Stems of the names in the words that asked for a tool; there are none, in all of the request."""
        clauses = self._lease.clauses.get(tool, ())
        found = [name for clause in clauses for name in names(clause)]
        return terms(" ".join(found or [name for said in sentences(self._request.text) for name in names(said)]))

    def _names_another(self, part: Part, found: Sequence[Part]) -> bool:
        """Whether the request itself names another target of this kind, which does not stand elsewhere in the call."""
        mine = addresses(str(part.value))
        if mine:
            if self._request.of(*(kind_of(address) for address in mine)):
                return True
        records = self._evidence.records_with(part.value)
        return any(
            sibling.named and not any(sibling in self._evidence.records_with(other.value) for other in found)
            for record in records
            for sibling in record.group
            if sibling is not record
        )

    def _about_value(self, part: Part, strength: Strength) -> Finding:
        verdict = fits(part, self._evidence)
        if verdict == "fits":
            return "ok", ""
        name = f"{part.path} ({canonical(str(part.value))[:60]})"
        if verdict == "contradicts":
            return ("ask" if strength == "strong" else "no"), f"{name} is not what the request says"
        loose = strength == "strong" and part.nouns.isdisjoint(_SECRETS) and not is_money(part)
        if loose or not self._evidence.tainted:
            return "ok", ""
        return "ask", f"nobody said {name}"

    def _about_content(self, part: Part, strength: Strength) -> Finding:
        text = str(part.value)
        for address in addresses(text):
            if self._evidence.standing(address) in HARMLESS:
                continue
            asks = strength == "strong" and (self._links or not self._evidence.tainted)
            return ("ask" if asks else "no"), f"{part.path} carries {address[:60]}, which the request does not name"
        return "ok", ""

    def _said_elsewhere(self, part: Part, tool: str) -> bool:
        """Whether the words that asked for this tool name another such target, and this one stands elsewhere."""
        shape = next((pattern for pattern in _SHAPES if pattern.fullmatch(str(part.value).strip())), None)
        clauses = self._lease.clauses.get(tool, ())
        if shape is None or any(stands(form, f" {clause} ") for form in forms(part.value) for clause in clauses):
            return False
        return any(shape.search(clause) for clause in clauses)

    def _about_words(self, found: list[Part], tool: str) -> list[Finding]:
        """Words that the request gives in quotes are to be used as they are; no target stands twice."""
        every = " | ".join(canonical(str(part.value)) for part in found)
        asked = " ".join(self._lease.clauses.get(tool, ()))
        wanted = [canonical(q) for q in self._request.quotes if not self._evidence.consumed(q)]
        wanted = [q for q in wanted if q in asked or not asked]
        if wanted and not any(_uses(every, quote) for quote in wanted):
            return [("ask", "the request gives words in quotes, and this does not use them")]
        targets = [(part.path, part.value) for part in found if part.role == "target"]
        if len(set(targets)) < len(targets):
            return [("ask", "the same target stands there twice")]
        return []

    def _about_counts(self, call: Call, found: list[Part], strength: Strength) -> list[Finding]:
        if self._targets[call.tool, _targets(found)]:
            return [("ask", f"{call.tool} was done to the same target already")]
        calls = self._lease.calls
        if calls is not None and sum(n for (name, _), n in self._targets.items() if name == call.tool) >= calls.get(call.tool, 0):
            return [("ask", "the plan has fewer of these calls")]
        return []


def _targets(found: list[Part]) -> frozenset[str]:
    named = [part for part in found if part.role == "target"]
    return frozenset(f"{part.path}={canonical(str(part.value))}" for part in (named or found))


def _uses(text: str, quote: str) -> bool:
    """Whether a text uses words that were given; two thirds of them, as some stand for others ("N days")."""
    wanted = re.findall(r"\w+", quote)
    return quote.rstrip(".,") in text or 3 * sum(word in text for word in wanted) >= 2 * len(wanted) > 0


def _summed(findings: list[Finding], strength: Strength) -> Decision:
    for verdict in ("no", "ask"):
        reasons = tuple(why for said, why in findings if said == verdict)
        if reasons:
            return Decision("deny" if verdict == "no" else "escalate", reasons)
    return Decision.allow("the request asks for this" if strength == "strong" else "the request seems to ask for this")


def _allowing(_: Call) -> Decision:
    return Decision.allow()


def _stricter(one: Decision, other: Decision) -> Decision:
    order = ("allow", "escalate", "deny")
    if order.index(one.verdict) == order.index(other.verdict):
        return Decision(one.verdict, (*one.reasons, *other.reasons))
    return max(one, other, key=lambda d: order.index(d.verdict))
