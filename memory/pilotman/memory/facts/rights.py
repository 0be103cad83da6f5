"""Who may do what to facts: the owner, operators, other persons of the tenant; a run only with a permit."""

from __future__ import annotations

from pilotman.guardrails.errors import Conflict, PermissionDenied, PermitRefused
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.memory.facts.rows import missing
from pilotman.memory.storage.statement import Row
from pilotman.memory.store.acting import Acting, acting


def permitted() -> Acting | None:
    """The run that moves, if one does.

    Raises:
        PermitRefused: it does, and no permitted write of it is being executed.
    """
    run = acting.get()
    if run is not None and run.writes is None:
        what = "what is remembered is written by tools that may write"
        raise PermitRefused(what, hint='do it in a tool with effect="write"')
    return run


def seen(row: Row, principal: Principal) -> Row:
    """The row, if the principal may know of it: the owner, everybody where nobody owns it, operators.

    Raises:
        NotFound: they may not.
    """
    if row["owner"] in (None, principal.user) or OPERATOR in principal.roles:
        return row
    raise missing(row["fact_id"])


def owned(row: Row, principal: Principal) -> Row:
    """The row, if the principal may change it: who owns it, and operators.

    Raises:
        NotFound: somebody else's.
        PermissionDenied: it belongs to nobody.
    """
    seen(row, principal)
    if row["owner"] is None and OPERATOR not in principal.roles:
        what = f"the fact {row['fact_id']} belongs to the whole tenant"
        raise PermissionDenied(what, hint=f"this needs the role {OPERATOR}")
    return row


def check_open(row: Row) -> None:
    """See that it can still be changed.

    Raises:
        Conflict: it was retracted, or forgotten.
    """
    if row["retracted_at"] is not None or row["body"] is None:
        raise Conflict(f"the fact {row['fact_id']} was retracted already", hint="nothing was changed")


def check_approver(row: Row, principal: Principal, approved_by: Principal) -> None:
    """Another person of the tenant, or an operator.

    Raises:
        PermissionDenied: it is neither.
    """
    other = approved_by.user not in (principal.user, row["owner"], row["recorded_by"])
    if approved_by.tenant != principal.tenant or not (other or OPERATOR in approved_by.roles):
        raise PermissionDenied(
            "nobody makes trusted what they remembered themselves",
            hint=f"another person of the tenant approves it, or somebody with the role {OPERATOR}",
        )
