"""Policy versions of each supervisor, in the database: they only grow, and going back is somebody's act."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select

from pilotman.guardrails.errors import Conflict
from pilotman.guardrails.permit import Permit
from pilotman.memory.storage.codec import micros, text
from pilotman.memory.storage.schema import policies, runs
from pilotman.memory.storage.statement import Query


class StalePolicy(Conflict):
    """A permit was decided by a policy that another one has replaced. It was not issued."""

    code = "stale_policy"


def install(connection: Connection, supervisor: str, version: str, *, now: datetime) -> bool:
    """Add a version that was never there. Gives whether the version is the newest."""
    _one_at_a_time(connection)
    known = versions(connection, supervisor)
    if version not in known:
        _add(connection, supervisor, version, number=len(known) + 1, by="", reason="first use", now=now)
        return True
    return known[-1] == version


def restore(
    connection: Connection, supervisor: str, version: str, *, by: str, reason: str, now: datetime
) -> None:
    """Make a version the newest again; that it was is kept."""
    _one_at_a_time(connection)
    number = len(versions(connection, supervisor)) + 1
    _add(connection, supervisor, version, number=number, by=by, reason=reason, now=now)


def versions(connection: Connection, supervisor: str) -> list[str]:
    """All that were ever in force, the newest last."""
    return [row["version"] for row in _VERSIONS.rows(connection, {"supervisor": text(supervisor)})]


def check(connection: Connection, permit: Permit) -> None:
    """See that the policy that decided about a permit is the one in force.

    Raises:
        StalePolicy: another one has replaced it.
    """
    newest = _NEWEST.value(connection, {"run_id": permit.run_id})
    if newest is not None and newest != permit.policy_version:
        raise StalePolicy(
            f"policy {permit.policy_version} was replaced by {newest}; nothing was written",
            hint="go on with the new policy, or have an operator call restore_policy",
        )


_VERSIONS = Query(
    select(policies.c.version)
    .where(policies.c.supervisor == bindparam("supervisor"))
    .order_by(policies.c.number)
)
_NEWEST = Query(
    select(policies.c.version)
    .join(runs, runs.c.supervisor == policies.c.supervisor)
    .where(runs.c.run_id == bindparam("run_id"))
    .order_by(policies.c.number.desc())
    .limit(1)
)


def _add(
    connection: Connection,
    supervisor: str,
    version: str,
    *,
    number: int,
    by: str,
    reason: str,
    now: datetime,
) -> None:
    values = {"supervisor": text(supervisor), "number": number, "version": version}
    values |= {"by": text(by), "reason": text(reason), "at": micros(now)}
    connection.execute(insert(policies), values)


def _one_at_a_time(connection: Connection) -> None:
    """SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE")
