"""Permits and the ledger of writes: the intent before the call, the outcome after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, bindparam, literal_column, or_, select, update

from pilotman.guardrails.errors import Conflict, NotFound, PermitRefused
from pilotman.guardrails.level import passes, standing
from pilotman.guardrails.permit import Permit
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.seal import Subject
from pilotman.memory.journal import levels, owned
from pilotman.memory.journal.records import EffectRow, EffectState, Switched
from pilotman.memory.journal.runs import check_owner
from pilotman.memory.storage.codec import encode, load, maybe_moment, micros, moment, text
from pilotman.memory.storage.schema import effects, permits
from pilotman.memory.storage.statement import Query

_TIMELESS = frozenset({"run_id", "step", "tenant", "user", "chain", "tool", "digest"})
"""What a permit is for: the same whenever it is issued again."""


def issue(connection: Connection, permit: Permit, *, owner: str) -> Permit:
    """Store a permit. Issued again (after a crash, decided anew) it gets the new policy version and expiry.

    Raises:
        Fenced: the run is another process's.
        Conflict: the same id is taken by a permit for something else.
    """
    check_owner(connection, permit.run_id, owner)
    known = permit_by_id(connection, permit.permit_id)
    values = {f.name: encode(getattr(permit, f.name)) for f in fields(permit)}
    if known is None:
        place = _digest_place("permits", permit.permit_id)
        subject = _subject(connection, permit.run_id)
        values["digest"] = owned.close_word(connection, subject, place, permit.digest)
        _ISSUED.run(connection, values)
        return permit
    if any(getattr(known, name) != getattr(permit, name) for name in _TIMELESS):
        raise Conflict(f"permit {permit.permit_id} was issued for another call", hint="nothing was changed")
    renewed = {name: value for name, value in values.items() if name not in _TIMELESS}
    connection.execute(update(permits).where(permits.c.permit_id == permit.permit_id).values(**renewed))
    return permit


def permit_by_id(connection: Connection, permit_id: str) -> Permit | None:
    """The permit as it was issued last, or None."""
    row = _PERMIT.one(connection, {"permit_id": permit_id})
    if row is None:
        return None
    times = {name: moment(row[name]) for name in ("issued_at", "expires_at")}
    values: dict[str, Any] = {**row, **times, "chain": tuple(load(row["chain"]))}
    subject, place = _subject(connection, row["run_id"]), _digest_place("permits", permit_id)
    values["digest"] = owned.word(connection, subject, place, row["digest"])
    return Permit(**values)


_ISSUED = Query.inserting(permits, *(f.name for f in fields(Permit)))
_PERMIT = Query(
    select(*(permits.c[f.name] for f in fields(Permit))).where(permits.c.permit_id == bindparam("permit_id"))
)


def intend(connection: Connection, effect: EffectRow, *, owner: str) -> tuple[EffectRow, bool]:
    """Write the intent down, or find the write with the same key. A write that did not happen is taken over.

    Raises:
        Fenced: the run is another process's.
        Switched: the level does not let it start.
        PermitRefused: the journal has no such permit for this run and tool, or it served another effect.
    """
    check_owner(connection, effect.run_id, owner)
    known = by_key(connection, effect.tenant, effect.key)
    if known is not None and known.state not in ("not_applied", "compensated"):
        return known, False
    check_level(connection, effect)
    effect_id = effect.effect_id if known is None else known.effect_id
    _spend(connection, effect, effect_id)
    values = {f.name: encode(getattr(effect, f.name)) for f in fields(effect)}
    attempts = 1 if known is None else known.attempts + 1
    values |= {"effect_id": effect_id, "owner": owner, "state": "intended", "attempts": attempts}
    values |= {"settled_at": None, "result": None}
    values["message"] = _sealed(connection, effect.run_id, effect_id, "")
    key = owned.close_later(connection, effect.run_id, _key_place(effect_id), values["key"])
    values |= {"key": owned.key_digest(connection, effect.tenant, values["key"]), "key_text": key}
    place, subject = _digest_place("effects", effect_id), _subject(connection, effect.run_id)
    values["digest"] = owned.close_word(connection, subject, place, effect.digest)
    if known is None:
        _INTENDED.run(connection, values)
    else:
        connection.execute(update(effects).where(effects.c.effect_id == effect_id).values(**values))
    return _record(connection, values), True


_INTENDED = Query.inserting(effects, *(f.name for f in fields(EffectRow)), "key_text")


def _subject(connection: Connection, run_id: str) -> Subject | None:
    return owned.owner(connection, run_id).subject


def _key_place(effect_id: str) -> str:
    return f"effects.key_text/{effect_id}"


def _digest_place(table: str, name: str) -> str:
    return f"{table}.digest/{name}"


def _message_place(effect_id: str) -> str:
    return f"effects.message/{effect_id}"


def _sealed(connection: Connection, run_id: str, effect_id: str, message: str) -> bytes:
    return owned.close_later(connection, run_id, _message_place(effect_id), text(message))


def check_level(connection: Connection, effect: EffectRow) -> None:
    """See that the level lets this write start, as of this statement.

    Raises:
        Switched: it does not.
    """
    settings = levels.current(connection, effect.tenant)
    if not settings:
        return
    permit = permit_by_id(connection, effect.permit_id)
    kind = cast("Effect", effect.effect)
    at = standing(
        settings,
        tenant=effect.tenant,
        chain=() if permit is None else permit.chain,
        tool=effect.tool,
        effect=kind,
    )
    if not passes(at.level, effect=kind, approved=permit is not None and permit.approval_id is not None):
        raise Switched(at.level)


def _spend(connection: Connection, effect: EffectRow, effect_id: str) -> None:
    """Bind the permit to the effect, once and for all."""
    names = ("permit_id", "run_id", "tenant", "tool")
    wanted = {f"its_{name}": getattr(effect, name) for name in names}
    if not _SPENT.run(connection, {**wanted, "effect_id": effect_id}):
        raise PermitRefused(
            f"permit {effect.permit_id} was not issued for this run and tool, or it served another write; "
            "nothing was written"
        )


_SPENT = Query(
    update(permits)
    .where(
        permits.c.permit_id == bindparam("its_permit_id"),
        permits.c.run_id == bindparam("its_run_id"),
        permits.c.tenant == bindparam("its_tenant"),
        permits.c.tool == bindparam("its_tool"),
        or_(permits.c.effect_id.is_(None), permits.c.effect_id == bindparam("effect_id")),
    )
    .values(effect_id=bindparam("effect_id"))
)


def settle(
    connection: Connection,
    effect_id: str,
    *,
    state: EffectState,
    attempt: int | None,
    result: str | None,
    message: str,
    now: datetime,
) -> EffectRow:
    """Write the outcome down. What was applied stays; that it was not is only believed of the last attempt.

    Raises:
        NotFound: no intent was written down.
        Conflict: it was applied and this says otherwise, or a later attempt is under way.
    """
    known = by_id(connection, effect_id, lock=True)
    if known.state == state:
        return known
    if known.state == "applied":
        raise Conflict(
            f"effect {effect_id} was applied and cannot become {state}", hint="nothing was changed"
        )
    if state != "applied" and attempt is not None and attempt != known.attempts:
        raise Conflict(
            f"effect {effect_id} is at attempt {known.attempts}, this is about {attempt}",
            hint="nothing was changed",
        )
    new: dict[str, Any] = {
        "state": state,
        "result": result,
        "message": text(message),
        "settled_at": micros(now),
    }
    stored = _sealed(connection, known.run_id, effect_id, message)
    _SETTLED.run(connection, {**new, "message": stored, "its_id": effect_id})
    return replace(known, **{**new, "settled_at": now})


_SETTLED = Query(
    update(effects)
    .where(effects.c.effect_id == bindparam("its_id"))
    .values({effects.c[name]: bindparam(name) for name in ("state", "result", "message", "settled_at")})
)


def compensate(connection: Connection, effect_id: str, *, by: str, now: datetime) -> None:
    """Note that an effect was taken back; what else is known of it stays."""
    run_id = _RUN.value(connection, {"effect_id": effect_id})
    message = _sealed(connection, run_id, effect_id, f"taken back by run {by}")
    _COMPENSATED.run(connection, {"its_id": effect_id, "message": message, "settled_at": micros(now)})


_RUN = Query(select(effects.c.run_id).where(effects.c.effect_id == bindparam("effect_id")))
_COMPENSATED = Query(
    update(effects)
    .where(effects.c.effect_id == bindparam("its_id"), effects.c.state == literal_column("'applied'"))
    .values(
        state=literal_column("'compensated'"),
        message=bindparam("message"),
        settled_at=bindparam("settled_at"),
    )
)


def by_id(
    connection: Connection, effect_id: str, *, tenant: str | None = None, lock: bool = False
) -> EffectRow:
    """One write.

    Raises:
        NotFound: there is none, or it is another tenant's.
    """
    row = (_LOCKED if lock else _BY_ID).one(connection, {"effect_id": effect_id})
    if row is None or (tenant is not None and row["tenant"] != tenant):
        raise NotFound(f"there is no effect {effect_id}")
    return _record(connection, row)


def by_key(connection: Connection, tenant: str, key: str) -> EffectRow | None:
    """The tenant's write with this idempotency key, or None."""
    key = text(key)
    row = _BY_KEY.one(connection, {"tenant": tenant, **owned.key_forms(connection, tenant, key)})
    return None if row is None else replace(_record(connection, row), key=key)


_WITH_ID = select(effects).where(effects.c.effect_id == bindparam("effect_id"))
_BY_ID, _LOCKED = Query(_WITH_ID), Query(_WITH_ID.with_for_update())
_BY_KEY = Query(
    select(effects).where(
        effects.c.tenant == bindparam("tenant"),
        or_(*(effects.c.key == bindparam(form) for form in ("key", "digest", "old"))),
    )
)


def of_run(connection: Connection, run_id: str) -> list[EffectRow]:
    """A run's writes in the order of their intents."""
    return [_record(connection, row) for row in _OF_RUN.rows(connection, {"run_id": run_id})]


_OF_RUN = Query(
    select(effects)
    .where(effects.c.run_id == bindparam("run_id"))
    .order_by(effects.c.intended_at, effects.c.effect_id)
)


def _record(connection: Connection, row: Mapping[Any, Any]) -> EffectRow:
    """A row as a record. What was forgotten has no message, and the digest of its key stands for the key."""
    values: dict[str, Any] = dict(row)
    values |= {"intended_at": moment(row["intended_at"]), "settled_at": maybe_moment(row["settled_at"])}
    subject, effect_id = _subject(connection, row["run_id"]), row["effect_id"]
    values["message"] = owned.words(connection, subject, _message_place(effect_id), row["message"])
    key = owned.words(connection, subject, _key_place(effect_id), values.pop("key_text"))
    values["key"] = key or row["key"]
    values["digest"] = owned.word(connection, subject, _digest_place("effects", effect_id), row["digest"])
    return EffectRow(**values)
