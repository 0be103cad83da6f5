"""Runs that are forgotten: what they said is erased; ids, times, kinds and digests stay.

Of an event's data its digest stays, so that the run's chain still verifies, and an event ``run_erased`` says
that this was done on purpose.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, or_, select, update

from pilotman.memory.event import NewEvent
from pilotman.memory.journal import events as events_
from pilotman.memory.journal import queue
from pilotman.memory.journal import runs as runs_
from pilotman.memory.journal.book import SUPERVISOR, is_book
from pilotman.memory.journal.owned import GONE, OWNERS, hidden, key_digest, owner, reblinded
from pilotman.memory.journal.records import ENDED
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.database import SCRUB
from pilotman.memory.storage.schema import approvals, effects, events, items, payloads, runs, transitions
from pilotman.memory.storage.statement import Statement
from pilotman.memory.storage.stored import ERASED, erased, is_erased

RUN_ERASED = "run_erased"
SAID_ERASED = "said_erased"
"""Kinds of events that tell why nothing but a digest is left of events before."""
FRAME = frozenset(
    {
        *("run_started", "run_resumed", "state_changed", "task_started", "retry_scheduled", SAID_ERASED),
        *("model_call_started", "model_call_completed", "tool_call_started", "tool_call_completed"),
    }
)
"""Kinds of events that hold the request, or ids, names, digests, times and numbers alone."""
ANSWER = frozenset({"answer_validated", "run_completed"})
"""Kinds of events that hold what a run came to."""


def hide(connection: Connection, run_ids: Collection[str], *, now: datetime) -> None:
    """From the commit on nobody is served these runs, and nothing more is kept of what they say."""
    _HIDE.each(connection, [(micros(now), one) for one in sorted(run_ids)])


_HIDE = Statement("UPDATE runs SET forgotten_at = ? WHERE run_id = ? AND forgotten_at IS NULL")


def erase(connection: Connection, run_id: str, *, tenant: str, actor: str, now: datetime) -> bool:
    """Erase a run's content; False: that was done before. One that is driven is asked to stop.

    Raises:
        NotFound: the tenant has no such run.
    """
    row = connection.execute(_FOUND, {"run_id": run_id}).one_or_none()
    if row is None or row.tenant != tenant:
        raise runs_.missing(run_id)
    if row.done:
        return False
    key = _digested(connection, tenant, row.idempotency_key)
    _erase_record(connection, run_id, key, ended=row.state in ENDED, now=now)
    connection.info.get(OWNERS, {}).pop(run_id, None)
    _erase_events(connection, run_id)
    nothing = {"body": None, "redacted": ""}
    connection.execute(update(payloads).where(payloads.c.run_id == run_id).values(nothing))
    connection.execute(update(transitions).where(transitions.c.run_id == run_id).values(reason=ERASED))
    _erase_effects(connection, run_id, tenant=tenant)
    _erase_approvals(connection, run_id, now=now)
    queue.remove(connection, run_id)
    key = f"{RUN_ERASED}:{micros(now)}" if is_book(run_id) else RUN_ERASED
    said = NewEvent(kind=RUN_ERASED, actor=actor, data=GONE, key=key, at=now)
    events_.append(connection, [events_.prepare(run_id, said)])
    connection.info[SCRUB] = True
    return True


_later = events.alias()
_after = select(_later.c.seq).where(_later.c.run_id == events.c.run_id, _later.c.seq > events.c.seq)
DONE = (
    select(events.c.seq)
    .where(
        events.c.run_id == runs.c.run_id,
        events.c.kind == RUN_ERASED,
        or_(runs.c.supervisor != SUPERVISOR, ~_after.exists()),
    )
    .correlate(runs)
    .exists()
)
"""Whether a run is erased. A book may have been opened again since."""
_FOUND = select(runs.c.tenant, runs.c.state, runs.c.idempotency_key, DONE.label("done")).where(
    runs.c.run_id == bindparam("run_id")
)


def _erase_record(
    connection: Connection, run_id: str, key: str | None, *, ended: bool, now: datetime
) -> None:
    values = {
        "forgotten_at": func.coalesce(runs.c.forgotten_at, micros(now)),
        "request": ERASED,
        "principal": ERASED,
        "cancel_requested": None if ended else ERASED,
        "idempotency_key": key,
        "active": False,  # its conversation is free
    }
    connection.execute(update(runs).where(runs.c.run_id == run_id).values(values))


def erase_said(
    connection: Connection, run_id: str, keys: Collection[str], *, actor: str, now: datetime
) -> None:
    """Erase what the events of a run with these keys say, and only that; an event of the run tells of it."""
    gone = [seq for key in sorted(keys) for seq in _erase_events(connection, run_id, key=key)]
    _tell(connection, run_id, gone, actor=actor, now=now)


def erase_what_came(connection: Connection, run_id: str, *, answer: bool, actor: str, now: datetime) -> None:
    """Erase what a run read, thought, asked and found; the request stays, and what it was done about it, by
    ids and times. Without ``answer`` the answer stays too."""
    spared = FRAME if answer else FRAME | ANSWER
    gone = _erase_events(connection, run_id, but=spared)
    nothing = {"body": None, "redacted": ""}
    connection.execute(update(payloads).where(payloads.c.run_id == run_id).values(nothing))
    connection.execute(update(effects).where(effects.c.run_id == run_id).values(message=ERASED))
    _erase_approvals(connection, run_id, now=now)
    if answer:
        connection.execute(delete(items).where(items.c.run_id == run_id))
    _tell(connection, run_id, gone, actor=actor, now=now)


def _tell(connection: Connection, run_id: str, gone: list[int], *, actor: str, now: datetime) -> None:
    """An event of the run that tells of the events that were erased."""
    if gone:
        data = {"events": gone}
        said = NewEvent(kind=SAID_ERASED, actor=actor, data=data, key=f"{SAID_ERASED}:{gone[0]}", at=now)
        events_.append(connection, [events_.prepare(run_id, said)])
        connection.info[SCRUB] = True


def _erase_events(
    connection: Connection, run_id: str, *, key: str | None = None, but: Collection[str] = ()
) -> list[int]:
    """Of all events, or of the one with a key, but those of some kinds: their numbers."""
    query = select(events.c.seq, events.c.data).where(events.c.run_id == run_id, events.c.kind.not_in(but))
    if key is not None:
        stored = hidden(connection, owner(connection, run_id).subject, key)
        query = query.where(events.c.key.in_((key, stored)))
    rows = [row for row in connection.execute(query).all() if not is_erased(row.data)]
    gone = [{"its_run": run_id, "its_seq": seq, "gone": erased(data)} for seq, data in rows]
    if gone:
        where = (events.c.run_id == bindparam("its_run"), events.c.seq == bindparam("its_seq"))
        connection.execute(update(events).where(*where).values(data=bindparam("gone")), gone)
    return [seq for seq, _ in rows]


def _erase_effects(connection: Connection, run_id: str, *, tenant: str) -> None:
    """The digest of a write's key stays: that it was done is still known, and it is not done again."""
    rows = connection.execute(
        select(effects.c.effect_id, effects.c.key).where(effects.c.run_id == run_id)
    ).all()
    for effect_id, key in rows:
        values = {"message": ERASED, "key_text": None, "key": _digested(connection, tenant, key)}
        connection.execute(update(effects).where(effects.c.effect_id == effect_id).values(values))


def _erase_approvals(connection: Connection, run_id: str, *, now: datetime) -> None:
    values = dict.fromkeys(("args", "question", "reasons", "requested_by", "comment"), ERASED)
    told = func.coalesce(approvals.c.told_at, micros(now))  # nobody is told of it any more
    connection.execute(
        update(approvals)
        .where(approvals.c.run_id == run_id)
        .values(values | {"decided_by": None, "new_args": None, "asked": None, "told_at": told})
    )


def _digested(connection: Connection, tenant: str, key: str | None) -> str | None:
    """The digest of a key, which older versions kept as it was, or by a digest that can be guessed."""
    if key is None:
        return None
    return (reblinded if key.startswith("#") else key_digest)(connection, tenant, key)
