"""Levels in the database. Settings are only ever added: the last one of a scope counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, literal_column, or_, select

from pilotman.guardrails.level import EVERY_TENANT, Scope, Setting, authorise, passes
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.records import InFlight
from pilotman.memory.storage.codec import encode, load, micros, moment
from pilotman.memory.storage.schema import effects, levels, permits
from pilotman.memory.storage.statement import Query

_SCOPE = (levels.c.tenant, levels.c.agent, levels.c.tool, levels.c.effect)
_ANY = ""
"""How a part of a scope is stored that is not named: unlike NULL it is equal to itself."""


def put(connection: Connection, setting: Setting, *, principal: Principal) -> Setting:
    """Add a setting, if the principal may. One at a time: SQLite has one writer, PostgreSQL locks the table.

    Raises:
        PermissionDenied: another tenant's or all tenants' level, or above what an operator set.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE levels IN SHARE ROW EXCLUSIVE MODE")  # readers go on
    scope = _scope(setting.scope)
    last = connection.execute(_BY_OPERATOR, scope).scalar_one_or_none()
    authorise(setting, principal, ceiling=last or "full")
    stored = replace(setting, number=connection.execute(_NEXT).scalar_one())
    names = ("number", "level", "reason", "by", "as_operator")
    values = {name: encode(getattr(stored, name)) for name in names}
    connection.execute(insert(levels), {**values, **scope, "at": micros(stored.at)})
    return stored


_BY_OPERATOR = (
    select(levels.c.level)
    .where(*(column == bindparam(column.name) for column in _SCOPE), levels.c.as_operator)
    .order_by(levels.c.number.desc())
    .limit(1)
)
_NEXT = select(func.coalesce(func.max(levels.c.number), literal_column("0")) + literal_column("1"))


def _scope(scope: Scope) -> dict[str, Any]:
    return {column.name: encode(getattr(scope, column.name)) or _ANY for column in _SCOPE}


def current(connection: Connection, tenant: str | None) -> list[Setting]:
    """The last setting of each scope that concerns a tenant (None: of all scopes), oldest first."""
    if tenant is None:
        return [_record(row) for row in _CURRENT.rows(connection, {})]
    return [_record(row) for row in _CURRENT_OF.rows(connection, {"tenant": tenant})]


def history(connection: Connection, tenant: str | None) -> list[Setting]:
    """Every setting that concerns a tenant, or of all, oldest first."""
    query = select(levels).order_by(levels.c.number)
    if tenant is not None:
        query = query.where(levels.c.tenant.in_((EVERY_TENANT, tenant)))
    return [_record(row) for row in connection.execute(query).mappings()]


_LAST = select(func.max(levels.c.number)).group_by(*_SCOPE)
_ALL_CURRENT = select(levels).where(levels.c.number.in_(_LAST)).order_by(levels.c.number)
_CURRENT = Query(_ALL_CURRENT)
_CURRENT_OF = Query(
    _ALL_CURRENT.where(or_(levels.c.tenant == EVERY_TENANT, levels.c.tenant == bindparam("tenant")))
)


def _record(row: Mapping[Any, Any]) -> Setting:
    scope = Scope(
        tenant=row["tenant"],
        agent=row["agent"] or None,
        tool=row["tool"] or None,
        effect=row["effect"] or None,
    )
    return Setting(
        scope=scope,
        level=row["level"],
        reason=row["reason"],
        by=row["by"],
        at=moment(row["at"]),
        as_operator=row["as_operator"],
        number=row["number"],
    )


def in_flight(connection: Connection, tenant: str | None) -> list[InFlight]:
    """The writes of a tenant (None: of all) that were begun and not settled, oldest first."""
    query = _IN_FLIGHT if tenant is None else _IN_FLIGHT.where(effects.c.tenant == tenant)
    found: list[InFlight] = []
    for row in connection.execute(query):
        values = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]  # documented, its underscore avoids columns
        since, chain = moment(values.pop("intended_at")), tuple(load(values.pop("chain")))
        approved = values.pop("approval_id") is not None
        found.append(InFlight(**values, since=since, chain=chain, approved=approved))
    return found


_NAMES = ("effect_id", "tenant", "run_id", "step", "tool", "effect", "owner", "intended_at")
_IN_FLIGHT = (
    select(*(effects.c[name] for name in _NAMES), permits.c.chain, permits.c.approval_id)
    .join(permits, permits.c.permit_id == effects.c.permit_id)
    .where(literal_column("effects.state = 'intended'"))
    .order_by(effects.c.intended_at, effects.c.effect_id)
)


def stopped(writes: Sequence[InFlight], setting: Setting) -> list[InFlight]:
    """Those writes that would not have started under this setting."""
    covers = setting.scope.covers
    return [
        write
        for write in writes
        if covers(tenant=write.tenant, chain=write.chain, tool=write.tool, effect=write.effect)
        and not passes(setting.level, effect=write.effect, approved=write.approved)
    ]
