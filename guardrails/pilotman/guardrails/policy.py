"""What a policy sees and says. A policy is a callable; several are combined here, purely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import CoroutineType
from typing import Any, Literal, Protocol, TypeAlias, cast, get_args

from pilotman.guardrails.digest import digest
from pilotman.guardrails.label import Label
from pilotman.guardrails.principal import Principal

Effect: TypeAlias = Literal["read", "egress", "write", "irreversible"]
Level: TypeAlias = Literal["off", "read_only", "constrained", "full"]
Verdict: TypeAlias = Literal["allow", "deny", "escalate"]

NOBODY = Principal(tenant="nobody", user="nobody")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One proposed tool call with its labels and the run so far.

    ``chain`` is the delegation from the outermost supervisor down to ``agent``, empty outside of a team.
    ``declared`` is False where the tool's author named no effect: it then counts as a write.
    ``now`` is timezone-aware; ``facts`` were gathered before the decision by the tool's preconditions.
    ``found``: by argument the kinds of secrets and identifiers that stand in it, and their categories, such
    as ``{"iban", "identifier"}``; of a call that is no read.
    """

    tool: str
    args: Mapping[str, Any]
    effect: Effect = "write"
    declared: bool = True
    principal: Principal = NOBODY
    agent: str = ""
    chain: tuple[str, ...] = ()
    labels: Mapping[str, frozenset[Label]] = field(default_factory=dict[str, frozenset[Label]])
    run_labels: frozenset[Label] = frozenset()
    scopes: frozenset[str] = frozenset()
    tools_used: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    found: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    approved_by: Principal | None = None
    now: datetime = _EPOCH

    @property
    def digest(self) -> str:
        """Digest of the tool and its exact arguments."""
        return digest({"tool": self.tool, "args": dict(self.args)})


@dataclass(frozen=True)
class Decision:
    """Allow, deny or escalate (ask a person), with reasons for the record and the approver."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()

    @classmethod
    def allow(cls, *reasons: str) -> Decision:
        return cls("allow", reasons)

    @classmethod
    def deny(cls, *reasons: str) -> Decision:
        return cls("deny", reasons)

    @classmethod
    def escalate(cls, *reasons: str) -> Decision:
        return cls("escalate", reasons)


class Policy(Protocol):
    """The port: a callable. None means no opinion."""

    def __call__(self, call: Call, /) -> Decision | None: ...


def default_policy(call: Call, /) -> Decision | None:
    """What holds when no policy is given: reads pass, declared writes ask a person, undeclared are denied."""
    if call.effect == "read" and call.declared:
        return Decision.allow("reads are allowed")
    if not call.declared:
        return Decision.deny("the tool declares no effect, so it counts as a write; declare one to use it")
    return Decision.escalate(f"no policy is set: a person decides about {call.effect}")


def confined_policy(call: Call, /) -> Decision | None:
    """What holds when no policy is given and the request must ask for what is written.

    The gate decides, but a person about what cannot be taken back.
    """
    if not call.declared:
        return default_policy(call)
    if call.effect == "irreversible":
        return Decision.escalate("no policy is set: a person decides about what cannot be taken back")
    return Decision.allow("the gate decides")


def four_eyes(call: Call, /) -> Decision | None:
    """Nobody approves what they asked for themselves. It allows nothing: give it beside other policies."""
    by, asker = call.approved_by, call.principal
    if by is not None and (by.tenant, by.user) == (asker.tenant, asker.user):
        return Decision.deny("somebody else than who asked for it has to approve it")
    return None


def decide(policies: Sequence[Policy], call: Call) -> Decision:
    """Combine: deny over escalate over allow; if all are silent, reads pass and everything else is denied.

    An escalation that a person has answered with yes (``call.approved_by``) counts as allowed.
    A policy that raises, or answers with anything but a ``Decision`` or None, denies.
    """
    opinions = [_ask(policy, call) for policy in policies]
    for verdict in ("deny", "escalate", "allow"):
        matching = [o for o in opinions if o is not None and o.verdict == verdict]
        if not matching:
            continue
        reasons = tuple(reason for opinion in matching for reason in opinion.reasons)
        if verdict == "escalate" and call.approved_by is not None:
            return Decision.allow(*reasons, f"approved by {call.approved_by.user}")
        return Decision(matching[0].verdict, reasons)
    if call.effect == "read" and call.declared:
        return Decision.allow("no policy objects to this read")
    return Decision.deny(f"no policy allows {call.effect} {call.tool}")


def _ask(policy: Policy, call: Call) -> Decision | None:
    try:
        opinion = cast("object", policy(call))
    except Exception as error:  # a broken policy must not open the gate
        return Decision.deny(f"a policy failed: {type(error).__name__}: {error}")
    if opinion is None or (isinstance(opinion, Decision) and opinion.verdict in get_args(Verdict)):
        return opinion
    kind = type(opinion).__name__
    if isinstance(opinion, CoroutineType):  # an async policy: nobody will await its answer
        opinion.close()
    return Decision.deny(f"a policy answered {kind} instead of a Decision or None")


def version_of(policies: Sequence[Policy]) -> str:
    """A version of the whole: each policy's ``version`` where it has one, else its code's digest."""
    return digest([_version(policy) for policy in policies])[:12]


def _version(policy: Policy) -> str:
    version = getattr(policy, "version", None)
    if isinstance(version, str):
        return version
    code = getattr(policy, "__code__", None) or getattr(type(policy).__call__, "__code__", None)
    if code is None:
        return repr(type(policy))
    return digest([code.co_code.hex(), repr([c for c in code.co_consts if not hasattr(c, "co_code")])])
