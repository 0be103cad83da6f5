"""How far calls may go at the moment: levels from off to full. A kill switch is the level ``off``.

A setting is about a scope of calls; the level that holds for a call is the lowest of all that cover it.
``off``: no call at all (what became of a write that was begun is still looked up). ``read_only``: reads; a
write becomes a draft. ``constrained``: every write needs a person's yes, also where policies allow it.
``full``: what policies say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, get_args

from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.guardrails.policy import Decision, Effect, Level
from pilotman.guardrails.principal import Principal

LEVELS: tuple[Level, ...] = get_args(Level)
"""The lowest first."""
EVERY_TENANT: Final = "*"
OPERATOR: Final = "operator"
"""The role of those who run the installation: they may set levels for any tenant, and for all."""
MAX_WORDS: Final = 500
"""Characters of a name or a reason."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The calls that a setting is about: those that fit every part that is named.

    ``tenant``: ``*`` is every tenant. ``agent``: its calls and those of all that it delegates to. ``effect``:
    the class of tools that have it.

    Raises:
        InvalidRequest: an empty or endless name, or no such effect.
    """

    tenant: str
    agent: str | None = None
    tool: str | None = None
    effect: Effect | None = None

    def __post_init__(self) -> None:
        for what in ("tenant", "agent", "tool"):
            name = getattr(self, what)
            if name is not None:
                _words(name, f"the {what} of a level")
        if self.effect is not None and self.effect not in get_args(Effect):
            raise InvalidRequest(
                f"{self.effect!r} is no effect of a tool", hint=f"one of {', '.join(get_args(Effect))}"
            )

    def covers(self, *, tenant: str, chain: Sequence[str], tool: str | None, effect: Effect | None) -> bool:
        """Whether these calls are among it. ``tool`` and ``effect`` None: whatever the agent calls."""
        return (
            self.tenant in (EVERY_TENANT, tenant)
            and (self.agent is None or self.agent in chain)
            and self.tool in (None, tool)
            and self.effect in (None, effect)
        )

    def __str__(self) -> str:
        named = (("agent", self.agent), ("tool", self.tool), ("effect", self.effect))
        parts = [f"{what} {name}" for what, name in named if name is not None] or ["everything"]
        tenant = "every tenant" if self.tenant == EVERY_TENANT else f"tenant {self.tenant}"
        return f"{', '.join(parts)} in {tenant}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A level that somebody set. The last one of its scope counts; earlier ones are the history.

    ``number`` counts a journal's settings from 1, 0: not stored yet. ``as_operator``: they had that role.

    Raises:
        InvalidRequest: no such level, or no reason.
    """

    scope: Scope
    level: Level
    reason: str
    by: str
    at: datetime
    as_operator: bool = False
    number: int = 0

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise InvalidRequest(f"{self.level!r} is no level", hint=f"one of {', '.join(LEVELS)}")
        _words(self.reason, "the reason for a level")

    def __str__(self) -> str:
        return f"{self.by} set {self.scope} to {self.level}: {self.reason}"


def _words(text: str, what: str) -> None:
    if not text.strip() or len(text) > MAX_WORDS:
        raise InvalidRequest(f"{what} needs 1 to {MAX_WORDS} characters", hint="say it in a few words")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The level that holds for some calls, and for the record why it is not full."""

    level: Level = "full"
    why: str = ""


def lowest(levels: Iterable[Level]) -> Level:
    """The one that lets the least through; of none, full."""
    return LEVELS[min(map(LEVELS.index, levels), default=-1)]


def standing(
    settings: Iterable[Setting],
    *,
    tenant: str,
    chain: Sequence[str],
    tool: str | None = None,
    effect: Effect | None = None,
) -> Standing:
    """What the settings in force say about these calls. ``chain``: the agent and all supervisors above it."""
    covering = [s for s in settings if s.scope.covers(tenant=tenant, chain=chain, tool=tool, effect=effect)]
    level = lowest(setting.level for setting in covering)
    why = next((str(setting) for setting in covering if setting.level == level), "")
    return Standing(level=level, why="" if level == "full" else why)


def passes(level: Level, *, effect: Effect, approved: bool) -> bool:
    """Whether a call that policies allow may start. ``approved``: a person said yes to exactly this call."""
    if effect == "read":
        return level != "off"
    return level == "full" or (level == "constrained" and approved)


@dataclass(frozen=True)
class Held(Decision):
    """A denial by the level, not by a policy: at ``read_only`` the call is worth a draft."""

    level: Level = field(default="off", kw_only=True)


def capped(decision: Decision, at: Standing, *, effect: Effect, approved: bool) -> Decision:
    """What the policies said, as far as the level lets it go. Never more than they said."""
    if at.level == "off":
        return Held("deny", (at.why,), level="off")
    if decision.verdict == "deny" or passes(at.level, effect=effect, approved=approved):
        return decision
    if at.level == "read_only":
        return Held("deny", (at.why, *decision.reasons), level="read_only")
    return Decision.escalate(at.why, *decision.reasons)


def authorise(setting: Setting, principal: Principal, *, ceiling: Level) -> None:
    """See that the principal may set this.

    Anyone may within their own tenant, up to ``ceiling``: the level that an operator set last on the very
    scope. Operators may set anything.

    Raises:
        PermissionDenied: another tenant's or all tenants' level, or above what an operator set.
    """
    if OPERATOR in principal.roles:
        return
    if setting.scope.tenant != principal.tenant:
        raise PermissionDenied(
            f"{principal.user} may set levels for the tenant {principal.tenant} only; nothing was changed",
            hint=f"another's, or all tenants' ({EVERY_TENANT!r}), need the role {OPERATOR!r}",
        )
    if lowest((setting.level, ceiling)) != setting.level:
        raise PermissionDenied(
            f"{setting.scope} was set to {ceiling} by an operator; nothing was changed",
            hint=f"going above it needs the role {OPERATOR!r}",
        )
