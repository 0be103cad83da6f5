"""Questions to people, in the database: a row for each call, under the question that lists it.

Where a call belongs is decided by guardrails' ``place``, which answer counts by its ``Approval``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from pilotman.guardrails.approval import Answer, Approval, ApprovalState, AskedCall
from pilotman.guardrails.docket import Unasked, place
from pilotman.guardrails.errors import NotFound, PermitRefused
from pilotman.guardrails.permit import Permit
from pilotman.guardrails.policy import Call
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten
from pilotman.memory.journal import owned
from pilotman.memory.journal.runs import check_owner, get
from pilotman.memory.storage.codec import dump, load, maybe_moment, micros, moment, text
from pilotman.memory.storage.schema import approvals
from pilotman.memory.storage.statement import Query

_QUESTION = func.coalesce(approvals.c.question_id, approvals.c.approval_id)
_ORDER = (approvals.c.created_at, approvals.c.approval_id)


def request(
    connection: Connection,
    asked: Sequence[Approval],
    *,
    run_id: str,
    owner: str,
    most: int | None,
    now: datetime,
) -> list[Approval | Unasked]:
    """Store questions of one run, each about one call: the questions that list them now, or why not.

    Raises:
        Fenced: the run is another process's.
    """
    check_owner(connection, run_id, owner)
    tenant = get(connection, run_id).tenant
    rows = _OF_RUN_LOCKED.rows(connection, {"run_id": run_id})
    known = {question.approval_id: question.at(now) for question in _questions(connection, rows)}
    placed: list[Approval | Unasked] = []
    for new in asked:
        found = place(list(known.values()), new, most=most)
        if isinstance(found, Approval) and found.calls is new.calls:  # else it is listed already
            open_ = known.get(found.approval_id)
            calls = new.calls if open_ is None else (*open_.calls, *new.calls)
            values = _values(found, number=len(calls), tenant=tenant)
            connection.execute(insert(approvals), _sealed(connection, run_id, values["approval_id"], values))
            found = known[found.approval_id] = (open_ or new).listing(calls)
        placed.append(found)
    return placed


def check_not_refused(connection: Connection, permit: Permit, *, now: datetime) -> None:
    """See that nobody said no to exactly this call in its run; a yes that the permit names overrides that.

    Raises:
        PermitRefused: somebody did, or did not answer in time.
    """
    blind = owned.hidden(connection, owned.owner(connection, permit.run_id).subject, permit.digest)
    said = _SAID.rows(connection, {"run_id": permit.run_id, "digest": permit.digest, "blind": blind})
    states = {row["approval_id"]: row["state"] for row in said}
    late = [row for row in said if row["state"] == "pending" and row["expires_at"] <= micros(now)]
    if states.get(permit.approval_id) != "approved" and (late or "rejected" in states.values()):
        raise PermitRefused("a person said no to exactly this call in this run; nothing was written")


_SAID = Query(
    select(approvals.c.approval_id, approvals.c.state, approvals.c.expires_at).where(
        approvals.c.run_id == bindparam("run_id"),
        or_(approvals.c.digest == bindparam("digest"), approvals.c.digest == bindparam("blind")),
        or_(approvals.c.kind == "call", approvals.c.kind == "repeat"),
    )
)


def by_id(
    connection: Connection, approval_id: str, *, tenant: str, now: datetime, lock: bool = False
) -> Approval:
    """The question that has this id, or lists the call that has it, as it stands now.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    known = _PLACE.one(connection, {"approval_id": approval_id})
    if known is None or known["tenant"] != tenant:
        raise NotFound(f"there is no approval {approval_id}")
    rows = (_OF_QUESTION_LOCKED if lock else _OF_QUESTION).rows(connection, known)
    found = _questions(connection, rows)
    if not found:
        raise Forgotten(f"approval {approval_id} was forgotten")
    return found[0].at(now)


_PLACE = Query(
    select(approvals.c.tenant, approvals.c.run_id, _QUESTION.label("question")).where(
        approvals.c.approval_id == bindparam("approval_id")
    )
)
_IN_RUN = select(approvals).where(approvals.c.run_id == bindparam("run_id")).order_by(*_ORDER)
_OF_RUN, _OF_RUN_LOCKED = Query(_IN_RUN), Query(_IN_RUN.with_for_update())
_IN_QUESTION = _IN_RUN.where(bindparam("question") == _QUESTION)
_OF_QUESTION, _OF_QUESTION_LOCKED = Query(_IN_QUESTION), Query(_IN_QUESTION.with_for_update())


def listing(
    connection: Connection, *, tenant: str, run_id: str | None, state: ApprovalState | None, now: datetime
) -> list[Approval]:
    """A tenant's questions as they stand now, oldest first."""
    query = select(approvals).where(approvals.c.tenant == tenant)
    if run_id is not None:
        query = query.where(approvals.c.run_id == run_id)
    if state is not None:  # an expired one may still be stored as pending; a question is more than one row
        some = select(_QUESTION).where(
            approvals.c.tenant == tenant, approvals.c.state.in_(sorted({state, "pending"}))
        )
        query = query.where(_QUESTION.in_(some))
    rows = connection.execute(query.order_by(*_ORDER)).mappings()
    found = [question.at(now) for question in _questions(connection, rows)]
    return [question for question in found if state is None or question.state == state]


def of_run(connection: Connection, run_id: str, *, now: datetime) -> list[Approval]:
    """A run's questions as they stand now, oldest first."""
    rows = _OF_RUN.rows(connection, {"run_id": run_id})
    return [question.at(now) for question in _questions(connection, rows)]


def answer(
    connection: Connection,
    approval_id: str,
    *,
    tenant: str,
    state: Answer,
    by: Principal,
    digest: str | None,
    only: Collection[str] | None,
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
    answered = asked.answered(
        state, by=by, now=now, digest=digest, only=only, comment=comment, new_args=new_args
    )
    said: dict[str, Any] = {
        "state": state,
        "decided_by": dump(by.to_dict()),
        "decided_at": micros(now),
        "comment": text(comment),
        "new_args": None if new_args is None else dump(new_args),
    }
    before = {call.approval_id for call in asked.pending}
    decided = [c.approval_id for c in answered.calls if c.approval_id in before and c.state != "pending"]
    for name in decided:
        sealed = _sealed(connection, answered.run_id, name, said)
        connection.execute(update(approvals).where(approvals.c.approval_id == name).values(sealed))
    return answered


# rows


@cache
def _call() -> TypeAdapter[Call]:
    return TypeAdapter(Call)


def _values(asked: Approval, *, number: int, tenant: str) -> dict[str, Any]:
    """A question about one call as a row; it is the ``number``-th of the question whose id it has."""
    call = asked.calls[0]
    told = _call().dump_python(call.call, mode="json", exclude={"args"})
    return {
        "approval_id": call.approval_id,
        "question_id": asked.approval_id,
        "run_id": asked.run_id,
        "tenant": tenant,
        "tool": text(asked.tool),
        "args": dump(call.args),
        "question": text(asked.question),
        "digest": call.digest,
        "reasons": dump(asked.reasons),
        "requested_by": dump(asked.requested_by.to_dict()),
        "created_at": micros(call.asked_at),
        "expires_at": micros(call.expires_at),
        "kind": asked.kind,
        "step": text(call.step),
        "state": call.state,
        "decided_by": None if call.decided_by is None else dump(call.decided_by.to_dict()),
        "decided_at": None if call.decided_at is None else micros(call.decided_at),
        "comment": text(call.comment),
        "new_args": None if call.new_args is None else dump(call.new_args),
        "asked": dump(
            {
                "digest": call.digest,
                "number": number,
                "chain": call.chain,
                "target": call.target,
                "call": told,
            }
        ),
    }


_OWNED = frozenset(
    {"args", "question", "reasons", "requested_by", "decided_by", "comment", "new_args", "asked"}
)
"""Columns of content."""


def _sealed(
    connection: Connection, run_id: str, approval_id: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Values as they are stored."""
    subject = owned.owner(connection, run_id).subject
    stored: dict[str, Any] = {
        name: value
        if name not in _OWNED or value is None
        else owned.close(connection, subject, _place(approval_id, name), value)
        for name, value in values.items()
    }
    if "digest" in values:  # it is looked for
        stored["digest"] = owned.hidden(connection, subject, values["digest"])
    return stored


def _place(approval_id: str, column: str) -> str:
    return f"approvals.{column}/{approval_id}"


def _opened(connection: Connection, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as it was before it was sealed.

    Raises:
        Forgotten: it was.
    """
    subject, values = owned.owner(connection, row["run_id"]).subject, dict(row)
    for name in _OWNED:
        if row[name] is not None:
            place = _place(row["approval_id"], name)
            values[name] = owned.disclose(connection, subject, place, row[name]).decode()
    return values


def _questions(connection: Connection, rows: Iterable[Mapping[Any, Any]]) -> list[Approval]:
    """The questions of which these are the rows, in the order of their first ones, less the forgotten."""
    found: dict[str, list[tuple[int, Approval]]] = {}
    for stored in rows:
        try:
            row = _opened(connection, stored)
        except Forgotten:
            continue
        kept: Mapping[str, Any] = {} if row["asked"] is None else load(row["asked"])
        one = _question(row, _asked_call(row, kept))
        found.setdefault(one.approval_id, []).append((kept.get("number", 1), one))
    parts = ([one for _, one in sorted(known, key=itemgetter(0))] for known in found.values())
    return [first.listing([first.calls[0], *(one.calls[0] for one in more)]) for first, *more in parts]


def _question(row: Mapping[Any, Any], call: AskedCall) -> Approval:
    """A row as a question about its call alone."""
    return Approval(
        approval_id=row["question_id"] or row["approval_id"],
        run_id=row["run_id"],
        tool=row["tool"],
        args=call.args,
        question=row["question"],
        digest=call.digest,
        reasons=tuple(load(row["reasons"])),
        requested_by=call.call.principal,
        created_at=call.asked_at,
        expires_at=call.expires_at,
        kind=row["kind"],
        step=call.step,
        state=call.state,
        decided_by=call.decided_by,
        decided_at=call.decided_at,
        comment=call.comment,
        new_args=call.new_args,
        calls=(call,),
    )


def _asked_call(row: Mapping[Any, Any], kept: Mapping[str, Any]) -> AskedCall:
    """What a row says of its call; ``kept`` is what it knows besides, nothing in journals of old."""
    decided_by, new_args = row["decided_by"], row["new_args"]
    told: dict[str, Any] = dict(kept.get("call", {}))
    told |= {"tool": row["tool"], "args": load(row["args"]), "principal": load(row["requested_by"])}
    return AskedCall(
        approval_id=row["approval_id"],
        digest=kept.get("digest", row["digest"]),
        call=_call().validate_python(told),
        asked_at=moment(row["created_at"]),
        expires_at=moment(row["expires_at"]),
        step=row["step"],
        chain=tuple(kept.get("chain", ())),
        target=tuple(kept.get("target", ())),
        state=row["state"],
        decided_by=None if decided_by is None else Principal.from_dict(load(decided_by)),
        decided_at=maybe_moment(row["decided_at"]),
        comment=row["comment"],
        new_args=None if new_args is None else load(new_args),
    )
