"""Policy and information flow for one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from pilotman.guardrails.combination import EXFILTRATION
from pilotman.guardrails.gate.deeds import deed
from pilotman.guardrails.gate.evidence import HARMLESS, Evidence
from pilotman.guardrails.gate.finding import Finding, summed
from pilotman.guardrails.gate.judgment import Judgment
from pilotman.guardrails.gate.labels import ArgumentLabels, asked_by, output_of
from pilotman.guardrails.gate.lease import Lease, lease
from pilotman.guardrails.gate.literals import canonical, short_runs
from pilotman.guardrails.gate.pinned import vouched
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import MOST_PARTS, Part, Roles
from pilotman.guardrails.gate.telling import Telling
from pilotman.guardrails.gate.values import fits
from pilotman.guardrails.label import Label
from pilotman.guardrails.outbound.found import Found
from pilotman.guardrails.policy import Call, Decision, Effect, Policy, decide
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.shape import is_mapping
from pilotman.guardrails.wording.actions import UNDOING


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
        tools: what may be called; a tool without an effect is a write, of one whose ``pinned`` is False only
            names are believed.
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
        several = policy if isinstance(policy, Sequence) else () if policy is None else (policy,)
        self._policies: tuple[Policy, ...] = tuple(several)
        self._principal = principal
        self._tools = {tool.name: vouched(tool) for tool in tools}
        self._deeds = {
            name: deed(name, tool.description or "", tool.args_schema) for name, tool in self._tools.items()
        }
        request = short_runs(request)
        self._request = Request(request, facts)
        writes = [self._deeds[name] for name, tool in self._tools.items() if tool.effect != "read"]
        self._lease: Lease = lease(request, writes, plan)
        self._evidence = Evidence(self._request)
        self._telling = Telling(self._lease, self._evidence)
        self._judgments = {
            (name, strong): Judgment(name, self._lease, self._evidence, strong=strong)
            for name in self._tools
            for strong in (True, False)
        }
        self._roles = {
            name: Roles(tool.args_schema, verb=self._deeds[name].verb) for name, tool in self._tools.items()
        }
        self._done: Counter[str] = Counter()
        self._targets: Counter[tuple[str, frozenset[str]]] = Counter()
        self._values: set[tuple[str, frozenset[str], str]] = set()
        self._used: list[str] = []
        self._read: set[Label] = {asked_by(principal.tenant)}

    def decide(self, call: Call) -> Decision:
        """Allow, deny or escalate one proposed call."""
        call = self.labelled(call)
        own = self.judge(call)
        if not self._policies or call.tool not in self._tools:
            return own
        return _stricter(decide((*self._policies, _allowing), call), own)

    def labelled(self, call: Call) -> Call:
        """The call as policies see it: its effect, who asks, its labels and the tools used so far."""
        tool = self._tools.get(call.tool)
        read = frozenset(self._read)
        return replace(
            call,
            effect="write" if tool is None else tool.effect or "write",
            declared=tool is not None and tool.effect is not None,
            principal=self._principal,
            labels=ArgumentLabels(
                call.args, self._evidence, tenant=self._principal.tenant, tools=self._tools, read=read
            ),
            run_labels=read,
            found=call.found or Found(call.args),
            tools_used=tuple(self._used),
        )

    def judge(self, call: Call) -> Decision:
        """What the gate itself says of a labelled call: whether the request asks for it."""
        tool = self._tools.get(call.tool)
        if tool is None:
            return Decision.deny(f"{call.tool} is none of this run's tools")
        digest = _digest(call)
        if digest is None:
            return Decision.deny("the arguments are no JSON")
        if not is_mapping(tool.args_schema):
            return Decision.deny(f"the schema of {call.tool} is no JSON schema")
        own = self._judge(call, tool, digest)
        leaving = EXFILTRATION(call)
        return own if leaving is None else _stricter(own, leaving)

    def observe(self, call: Call, result: object, *, foreign: bool = False) -> None:
        """Take in what an allowed call returned. ``foreign``: others wrote it, whatever the tool declares."""
        tool = self._tools.get(call.tool)
        third_party = True if tool is None else tool.third_party or foreign
        changed = tool is not None and tool.effect not in ("read", "egress")
        self._evidence.observe(call.args, result, source=call.tool, third_party=third_party, done=changed)
        self._used.append(call.tool)
        if tool is None:
            return
        self._read |= output_of(tool, self._principal.tenant, foreign=foreign)
        digest = _digest(call)
        if digest is not None and tool.effect != "read":
            self._done[digest] += 1
            found = self._parts(call, tool)
            done = call.tool, _targets(found)
            self._targets[done] += 1
            self._values |= {(*done, _spelled(part)) for part in found if part.role == "value"}

    def _parts(self, call: Call, tool: ToolInfo) -> list[Part]:
        return self._roles[tool.name].parts(call.args)

    def _judge(self, call: Call, tool: ToolInfo, digest: str) -> Decision:
        if call.effect == "read" and call.declared:
            return Decision.allow("a read")
        strange = _undeclared(call, tool.args_schema)
        if strange:
            return Decision.deny(f"{call.tool} has no parameter {canonical(strange)[:60]}")
        found = self._parts(call, tool)
        if len(found) > MOST_PARTS:
            return Decision.deny(f"more than {MOST_PARTS} values in one call")
        if call.effect == "egress":
            return self._judge_egress(found)
        if self._done[digest]:
            return Decision.deny("exactly this was done already")
        strength = self._lease.of(call.tool)
        told = strength == "strong" or self._is_told(call, found, lasting=tool.effect != "write")
        if not told and (strength == "none" or (strength == "weak" and self._lease.delegates)):
            return self._unleased(found, tool)
        judgment = self._judgments[tool.name, told]
        left_out = judgment.about_left_out(self._roles[tool.name].narrowing(call.args))
        verdict = summed([*judgment.findings(found), *left_out, *self._about_counts(call, found)])
        if verdict.verdict == "allow" and not told and tool.effect != "write" and self._evidence.tainted:
            return Decision.escalate(f"the request does not plainly ask for {tool.name}")
        return verdict

    def _is_told(self, call: Call, found: list[Part], *, lasting: bool) -> bool:
        """Whether the request asks for this very call, although not plainly for the tool.

        It has to spell the call out where it names no verb and the deed takes something away, or where it
        cannot be undone (``lasting``) and another tool has the same parameters: others may have chosen it.
        """
        deed = self._deeds[call.tool]
        undone = deed.actions & UNDOING
        unsaid = bool(undone) and undone.isdisjoint(self._request.actions)
        doubtful = unsaid or (lasting and self._has_rivals(call.tool))
        if self._lease.of(call.tool) == "none" and doubtful and not self._telling.spells_out(found, deed):
            return False
        given = frozenset(call.args)
        contested = any(
            self._lease.of(name) == "strong" and given <= roles.names for name, roles in self._roles.items()
        )
        return self._telling.asks(found, deed, contested=contested, lasting=lasting)

    def _has_rivals(self, tool: str) -> bool:
        said, mine = self._request.every, self._deeds[tool]
        return any(
            len(other.named & said) >= len(mine.named & said)
            and self._roles[name].names == self._roles[tool].names
            for name, other in self._deeds.items()
            if other is not mine and self._tools[name].effect != "read"
        )

    def _unleased(self, found: list[Part], tool: ToolInfo) -> Decision:
        """Nobody asked for this. A person is asked if the request tells of it, or hands over."""
        lasting = tool.effect != "write"
        if self._telling.touches(found, self._deeds[tool.name], lasting=lasting):
            why = f"the request does not ask for {tool.name}, but it names what this is about"
            return Decision.escalate(why)
        if not found and self._completes(tool):
            return Decision.escalate(f"the request does not ask for {tool.name}, but for what it ends")
        handed = self._lease.delegates and self._evidence.tainted
        if handed and self._telling.may_be_handed_over(found, lasting=lasting):
            return Decision.escalate("the request hands over to a document: a person decides what it may ask")
        return Decision.deny(f"the request does not ask for {tool.name}")

    def _completes(self, tool: ToolInfo) -> bool:
        """Whether a call that says nothing is about what calls of this run, that may have asked, changed."""
        named = self._deeds[tool.name].named | self._deeds[tool.name].described
        before = (self._deeds[name] for name, _ in self._targets)
        return any(not named.isdisjoint(deed.named | deed.described) for deed in before)

    def _judge_egress(self, found: list[Part]) -> Decision:
        """A read whose destination the caller chooses: where it goes, it takes along what it names."""
        for part in found:
            standing = self._evidence.standing(part.value)
            if standing in HARMLESS:
                continue
            if self._lease.follows and self._evidence.links_to(part.value):
                continue
            linked = standing == "foreign" and self._evidence.links_to(part.value)
            if linked or (standing in ("foreign", "known") and self._lease.links):
                return Decision.escalate(f"{part.path} comes from what others wrote")
            if self._evidence.tainted or part.role == "target":
                return Decision.deny(f"{part.path} is not what the request names")
        return Decision.allow("the request names where this goes")

    def _is_another(self, call: Call, found: list[Part]) -> bool:
        """Whether the request says several values ("today and tomorrow"), and this one was not done yet."""
        values = [part for part in found if part.role == "value"]
        done = call.tool, _targets(found)
        new = any((*done, _spelled(part)) not in self._values for part in values)
        return new and all(fits(part, self._evidence) == "fits" for part in values)

    def _about_counts(self, call: Call, found: list[Part]) -> list[Finding]:
        if self._targets[call.tool, _targets(found)] and not self._is_another(call, found):
            return [Finding("ask", f"{call.tool} was done to the same target already")]
        done = sum(n for (name, _), n in self._targets.items() if name == call.tool)
        if self._lease.calls is not None and done >= self._lease.calls.get(call.tool, 0):
            return [Finding("ask", "the plan has fewer of these calls")]
        return []


def _spelled(part: Part) -> str:
    return f"{part.path}={canonical(str(part.value))}"


def _digest(call: Call) -> str | None:
    """The digest of a call; None if its arguments are no JSON."""
    try:
        return call.digest
    except (TypeError, ValueError, RecursionError):
        return None


def _undeclared(call: Call, schema: Mapping[str, Any]) -> str | None:
    """The first argument that the tool's schema does not know, where it knows any and allows no others."""
    known = schema.get("properties")
    if not is_mapping(known) or not known or schema.get("additionalProperties"):
        return None
    return next((str(name) for name in call.args if name not in known), None)


def _targets(found: list[Part]) -> frozenset[str]:
    named = [part for part in found if part.role == "target"]
    return frozenset(map(_spelled, named or found))


def _allowing(_: Call) -> Decision:
    return Decision.allow()


def _stricter(one: Decision, other: Decision) -> Decision:
    order = ("allow", "escalate", "deny")
    if order.index(one.verdict) == order.index(other.verdict):
        return Decision(one.verdict, (*one.reasons, *other.reasons))
    return max(one, other, key=lambda d: order.index(d.verdict))
