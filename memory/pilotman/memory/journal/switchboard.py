"""The journal's levels: set, looked at, and asked before each attempt of a write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pilotman.guardrails.level import EVERY_TENANT, OPERATOR, Scope, Setting
from pilotman.guardrails.policy import Level
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal import effects, levels
from pilotman.memory.journal.circuits import CircuitBoard
from pilotman.memory.journal.records import EffectRow, Levels


@dataclass(frozen=True, slots=True)
class _Copy:
    """The settings in force as they were at ``read``, monotonic seconds."""

    read: float
    settings: Sequence[Setting]


class Switchboard(CircuitBoard):
    """Levels of one installation, for all processes that share its database. A part of ``Journal``."""

    _copy: _Copy | None = None

    async def set_level(self, scope: Scope, level: Level, *, principal: Principal, reason: str) -> Levels:
        """Add a setting. A second after this returns, no process begins a write that it forbids.

        Gives the setting, and the writes in flight that it would have stopped.

        Raises:
            InvalidRequest: no such level, or no reason.
            PermissionDenied: the principal may not.
        """
        setting = Setting(
            scope=scope,
            level=level,
            reason=reason,
            by=principal.user,
            at=self._clock(),
            as_operator=OPERATOR in principal.roles,
        )

        def work(connection: Connection) -> Levels:
            stored = levels.put(connection, setting, principal=principal)
            tenant = stored.scope.tenant
            writes = levels.in_flight(connection, None if tenant == EVERY_TENANT else tenant)
            return Levels(settings=(stored,), in_flight=tuple(levels.stopped(writes, stored)))

        try:
            return await self._write(work, mode="full")
        finally:
            self._copy = None

    async def levels(self, tenant: str | None, *, history: bool = False) -> Levels:
        """The last setting of each scope that concerns a tenant (None: all), or all that there ever were, and
        the writes in flight."""
        read = levels.history if history else levels.current

        def work(connection: Connection) -> Levels:
            writes = levels.in_flight(connection, tenant)
            return Levels(settings=tuple(read(connection, tenant)), in_flight=tuple(writes))

        return await self._read(work)

    async def settings(self, *, age: float) -> Sequence[Setting]:
        """The settings in force, of all tenants, as they were at most ``age`` seconds ago."""
        copy = self._copy
        if copy is None or time.monotonic() - copy.read > age:

            def work(connection: Connection) -> _Copy:
                read = time.monotonic()
                return _Copy(read, levels.current(connection, None))

            copy = self._copy = await self._read(work)
        return copy.settings

    async def check_level(self, effect: EffectRow) -> float:
        """See that an attempt of this write may start; gives the monotonic second as of which this holds.

        Raises:
            Switched: it may not.
        """

        def work(connection: Connection) -> float:
            read = time.monotonic()
            effects.check_level(connection, effect)
            return read

        return await self._read(work)
