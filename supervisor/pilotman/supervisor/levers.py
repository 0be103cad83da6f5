"""The verbs about levels and policy versions: what may be done now, and by which rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pilotman.agents.specialist import Specialist
from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.guardrails.level import OPERATOR, Scope
from pilotman.guardrails.policy import Effect, Level
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.records import Levels
from pilotman.supervisor.station import Station
from pilotman.supervisor.team import SEARCH, Team


class Levers:
    """A part of ``Supervisor``. Levels are kept in the memory, for all teams and processes that share it."""

    _team: Team
    _station: Station

    async def set_level(
        self,
        level: Level,
        *,
        principal: Principal,
        reason: str,
        tool: str | None = None,
        effect: Effect | None = None,
        agent: str | None = None,
        tenant: str | None = None,
    ) -> Levels:
        """Say how far calls may go; within a second it holds in every process, and for runs under way.

        ``off``: no call; ``read_only``: writes become drafts; ``constrained``: every write asks a person;
        ``full``: what policies say. It is about the calls that fit all that is named, in ``tenant`` (default:
        the principal's; ``*``: every). An agent's level holds for all that it delegates to. The lowest level
        counts. Another's tenant, all tenants, and going above what an operator set need the role
        ``operator``. Returns the setting and the writes in flight that it would have stopped: they go on.

        Raises:
            PermissionDenied: the principal may not; nothing was changed.
            InvalidRequest: no such level, effect, agent or tool in this team, or no reason.
        """
        _check("tool", tool, {*self._team.tools(), SEARCH})
        _check("agent", agent, set(agents_of(self._team)))
        scope = Scope(
            tenant=principal.tenant if tenant is None else tenant, agent=agent, tool=tool, effect=effect
        )
        await self._station.open()
        return await self._station.journal.set_level(scope, level, principal=principal, reason=reason)

    async def restore_policy(self, *, principal: Principal, reason: str) -> None:
        """Put this supervisor's policy in force again, after another version had replaced it.

        Versions only grow: a supervisor whose policy was replaced, here or in another process, gets no
        permits until its policy is the newest again. Needs the role ``operator``; who did it and why is kept.

        Raises:
            PermissionDenied: the principal is no operator; nothing was changed.
            InvalidRequest: no reason.
        """
        if OPERATOR not in principal.roles:
            raise PermissionDenied(
                "going back to an older policy needs the role operator", hint="ask an operator"
            )
        if not reason.strip():
            raise InvalidRequest("say why the older policy is to hold again")
        await self._station.open()
        await self._station.restore_policy(by=principal.user, reason=reason)

    async def levels(self, *, principal: Principal, history: bool = False) -> Levels:
        """The last setting of each scope (with ``history`` all that there ever were), and writes in flight.

        Those that concern the principal's tenant; an operator sees all.
        """
        await self._station.open()
        tenant = None if OPERATOR in principal.roles else principal.tenant
        return await self._station.journal.levels(tenant, history=history)


def _check(what: str, name: str | None, known: Collection[str]) -> None:
    """A switch with a slip in its name would switch nothing."""
    if name is not None and name not in known:
        listed = ", ".join(sorted(known))
        raise InvalidRequest(f"this team has no {what} named {name}; nothing was changed", hint=listed)


def agents_of(team: Team) -> Iterator[str]:
    """The team's own name and those of all agents beneath."""
    yield team.name
    for member in team.members.values():
        if isinstance(member, Specialist):
            yield member.name
        else:
            yield from agents_of(member)
