"""Questions to people, in the database. Which answer counts is decided by guardrails' ``Approval``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, insert, select, update

from pilotman.guardrails.approval import Approval, ApprovalState
from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.principal import Principal
from pilotman.memory.codec import dump, encode, load, maybe_moment, micros, moment, text
from pilotman.memory.runs import check_owner, get
from pilotman.memory.schema import approvals


def request(connection: Connection, asked: Sequence[Approval], *, run_id: str, owner: str) -> None:
    """Store questions of one run; those that are known stay as they are.

    Raises:
        Fenced: the run is another process's.
    """
    check_owner(connection, run_id, owner)
    tenant = get(connection, run_id).tenant
    ids = [approval.approval_id for approval in asked]
    known = set(
        connection.execute(select(approvals.c.approval_id).where(approvals.c.approval_id.in_(ids))).scalars()
    )
    rows = [{**_values(a), "tenant": tenant} for a in asked if a.approval_id not in known]
    if rows:
        connection.execute(insert(approvals), rows)


def by_id(
    connection: Connection, approval_id: str, *, tenant: str, now: datetime, lock: bool = False
) -> Approval:
    """One question as it stands now.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    query = select(approvals).where(approvals.c.approval_id == approval_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None or row["tenant"] != tenant:
        raise NotFound(f"there is no approval {approval_id}")
    return _record(row).at(now)


def listing(
    connection: Connection, *, tenant: str, run_id: str | None, state: ApprovalState | None, now: datetime
) -> list[Approval]:
    """A tenant's questions as they stand now, oldest first."""
    query = select(approvals).where(approvals.c.tenant == tenant)
    if run_id is not None:
        query = query.where(approvals.c.run_id == run_id)
    if state is not None:  # an expired one may still be stored as pending
        query = query.where(approvals.c.state.in_(sorted({state, "pending"})))
    rows = connection.execute(query.order_by(approvals.c.created_at, approvals.c.approval_id)).mappings()
    found = [_record(row).at(now) for row in rows]
    return [approval for approval in found if state is None or approval.state == state]


def of_run(connection: Connection, run_id: str, *, now: datetime) -> list[Approval]:
    """A run's questions as they stand now, oldest first."""
    rows = connection.execute(_OF_RUN, {"run_id": run_id}).mappings()
    return [_record(row).at(now) for row in rows]


_OF_RUN = (
    select(approvals)
    .where(approvals.c.run_id == bindparam("run_id"))
    .order_by(approvals.c.created_at, approvals.c.approval_id)
)


def answer(
    connection: Connection,
    approval_id: str,
    *,
    tenant: str,
    state: Literal["approved", "rejected"],
    by: Principal,
    digest: str | None,
    comment: str,
    new_args: Mapping[str, Any] | None,
    now: datetime,
) -> Approval:
    """Store a person's answer: of two at once, exactly one wins.

    Raises:
        NotFound: there is none, or it is another tenant's.
        Conflict: it was answered before, it has expired, or something else was shown.
    """
    asked = by_id(connection, approval_id, tenant=tenant, now=now, lock=True)
    answered = asked.answered(state, by=by, now=now, digest=digest, comment=comment, new_args=new_args)
    connection.execute(
        update(approvals)
        .where(approvals.c.approval_id == approval_id)
        .values(
            state=state,
            decided_by=dump(by.to_dict()),
            decided_at=micros(now),
            comment=text(comment),
            new_args=None if new_args is None else dump(new_args),
        )
    )
    return answered


def _values(approval: Approval) -> dict[str, Any]:
    values = {f.name: encode(getattr(approval, f.name)) for f in fields(approval)}
    decided_by = approval.decided_by
    return values | {
        "requested_by": dump(approval.requested_by.to_dict()),
        "decided_by": None if decided_by is None else dump(decided_by.to_dict()),
    }


def _record(row: Mapping[Any, Any]) -> Approval:
    decided_by, new_args = row["decided_by"], row["new_args"]
    values: dict[str, Any] = {
        **row,
        "args": load(row["args"]),
        "reasons": tuple(load(row["reasons"])),
        "requested_by": Principal.from_dict(load(row["requested_by"])),
        "decided_by": None if decided_by is None else Principal.from_dict(load(decided_by)),
        "new_args": None if new_args is None else load(new_args),
        "created_at": moment(row["created_at"]),
        "expires_at": moment(row["expires_at"]),
        "decided_at": maybe_moment(row["decided_at"]),
    }
    del values["tenant"]
    return Approval(**values)
