"""Holds and receipts of one installation. What is done about them leaves events."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from pilotman.guardrails.errors import Conflict, InvalidRequest, NotFound
from pilotman.guardrails.principal import Principal
from pilotman.memory.event import NewEvent
from pilotman.memory.forgetting.hold import Hold
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.receipt import Receipt, counted, digest_of
from pilotman.memory.forgetting.tables import holds, receipts
from pilotman.memory.journal.journal import Journal
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import dump, load, maybe_moment, micros, moment
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.statement import Row

ACTOR = "memory"


class _Changed(Exception):
    """Another process was faster."""


class Archive:
    """Keeps holds and receipts in the journal's database."""

    def __init__(self, journal: Journal, *, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._clock = clock

    # holds

    async def place(self, hold: Hold, *, principal: Principal) -> None:
        """Have a hold from now on. The same one again changes nothing."""

        def work(connection: Connection) -> None:
            if connection.execute(select(holds.c.hold_id).where(holds.c.hold_id == hold.hold_id)).first():
                return
            connection.execute(
                insert(holds),
                {
                    "hold_id": hold.hold_id,
                    "tenant": hold.tenant,
                    "what": dump(written(hold.what)),
                    "reason": hold.reason,
                    "placed_by": hold.placed_by,
                    "placed_at": micros(hold.placed_at),
                },
            )

        said = {"hold_id": hold.hold_id, "tenant": hold.tenant, "what": written(hold.what)}
        await self._journal.record(principal, [self._event("hold_placed", hold.hold_id, said)], work)

    async def release(self, hold_id: str, *, principal: Principal, reason: str) -> Hold:
        """End a hold of the principal's tenant.

        Raises:
            NotFound: there is no such hold in this tenant.
            Conflict: it was released before.
        """
        now = self._clock()

        def work(connection: Connection) -> Hold:
            query = select(holds).where(holds.c.hold_id == hold_id, holds.c.tenant == principal.tenant)
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                raise NotFound(f"there is no hold {hold_id}", hint="Memory.holds lists them")
            hold = _hold(dict(row))
            if hold.released_at is not None:
                raise Conflict(f"the hold {hold_id} was released by {hold.released_by}")
            connection.execute(
                update(holds)
                .where(holds.c.hold_id == hold_id)
                .values(released_by=principal.user, released_at=micros(now))
            )
            return replace(hold, released_by=principal.user, released_at=now)

        event = self._event("hold_released", hold_id, {"hold_id": hold_id, "reason": reason})
        return await self._journal.record(principal, [event], work)

    async def holds(self, tenant: str, *, history: bool = False) -> list[Hold]:
        """The tenant's holds, oldest first; with ``history`` those that were released too."""
        query = select(holds).where(holds.c.tenant == tenant).order_by(holds.c.placed_at, holds.c.hold_id)
        if not history:
            query = query.where(holds.c.released_at.is_(None))
        return [_hold(row) for row in await self._rows(query)]

    # receipts

    async def keep(self, receipt: Receipt, order: Order, marks: Iterable[str]) -> Receipt:
        """Store a receipt for these marks and those that it had, in place of what it was; as it is now. What
        it names as ``erased`` stays named, with how many things went there. Two processes may be at it."""
        known = select(receipts.c.marks).where(receipts.c.receipt_id == receipt.receipt_id)
        given, named = set(marks), dict.fromkeys(sorted(receipt.erased), 0)
        while True:
            before = await self._journal.read(lambda connection: connection.execute(known).scalar())
            covered = sorted({*given, *(() if before is None else _marks(before))})
            receipt = replace(receipt, erased=named | counted(covered), digest=digest_of(covered))
            row = _row(receipt, order, covered)

            def work(connection: Connection, before: bytes | None = before, row: Row = row) -> None:
                lock(connection, f"receipt\n{row['receipt_id']}")
                if connection.execute(known).scalar() != before:
                    raise _Changed
                its = receipts.c.receipt_id == row["receipt_id"]
                if not connection.execute(update(receipts).where(its).values(row)).rowcount:
                    connection.execute(insert(receipts), row)

            with suppress(_Changed):
                await self._journal.record(order.archivist, [self._told(receipt)], work)
                return receipt

    def _told(self, receipt: Receipt) -> NewEvent:
        said = {"receipt_id": receipt.receipt_id, "digest": receipt.digest, "erased": dict(receipt.erased)}
        said |= {"held": dict(receipt.held), "open": dict(receipt.open), "by": receipt.by}
        said |= {"left": dict(receipt.left)}
        name = "forgotten" if receipt.is_complete else "forgetting"
        return self._event(name, f"{receipt.receipt_id}:{receipt.digest}:{len(receipt.open)}", said)

    async def receipts(self, tenant: str) -> list[Receipt]:
        """The tenant's receipts, newest first."""
        query = select(receipts).where(receipts.c.tenant == tenant).order_by(receipts.c.asked_at.desc())
        return [_receipt(row) for row in await self._rows(query)]

    async def unfinished(self) -> list[tuple[str, Selector, Receipt, list[str]]]:
        """Tenant, selector, receipt and marks of what was begun and could not be brought to its end."""
        query = select(receipts).where(receipts.c.unreached.is_not(None)).order_by(receipts.c.asked_at)
        return [
            (row["tenant"], read(load(row["what"])), _receipt(row), _marks(row["marks"]))
            for row in await self._rows(query)
        ]

    async def marks(self, receipt_id: str, *, tenant: str) -> list[str]:
        """What a receipt's digest covers, sorted.

        Raises:
            NotFound: there is no such receipt in this tenant.
        """
        query = select(receipts.c.marks).where(
            receipts.c.receipt_id == receipt_id, receipts.c.tenant == tenant
        )
        found = await self._journal.read(lambda connection: connection.execute(query).scalar_one_or_none())
        if found is None:
            raise NotFound(f"there is no receipt {receipt_id}", hint="Memory.receipts lists them")
        return _marks(found)

    async def _rows(self, query: Select[Any]) -> list[Row]:
        return await self._journal.read(
            lambda connection: [dict(row) for row in connection.execute(query).mappings()]
        )

    def _event(self, kind: str, key: str, data: Mapping[str, Any]) -> NewEvent:
        return NewEvent(kind=kind, actor=ACTOR, data=data, key=f"{kind}:{key}", at=self._clock())


def written(selector: Selector) -> dict[str, Any]:
    """A selector as JSON holds it."""
    named = {name: value for name, value in vars(selector).items() if value is not None}
    if selector.before is not None:
        named["before"] = selector.before.isoformat()
    return named


def read(data: Mapping[str, Any]) -> Selector:
    """The selector back."""
    before = data.get("before")
    fields: dict[str, Any] = {**data, "before": None if before is None else datetime.fromisoformat(before)}
    return Selector(**fields)


def checked(selector: Selector) -> Selector:
    """A selector that selects something.

    Raises:
        InvalidRequest: it is empty.
    """
    if selector.is_empty:
        raise InvalidRequest(
            "an empty selector selects nothing", hint="name a user, a source, a run or a fact"
        )
    return selector


def _hold(row: Mapping[str, Any]) -> Hold:
    return Hold(
        hold_id=row["hold_id"],
        tenant=row["tenant"],
        what=read(load(row["what"])),
        reason=row["reason"],
        placed_by=row["placed_by"],
        placed_at=moment(row["placed_at"]),
        released_by=row["released_by"],
        released_at=maybe_moment(row["released_at"]),
    )


def _row(receipt: Receipt, order: Order, covered: Sequence[str]) -> Row:
    return {
        "receipt_id": receipt.receipt_id,
        "tenant": order.tenant,
        "what": dump(written(order.what)),
        "asked_by": receipt.by,
        "asked_at": micros(receipt.at),
        "erased": dump(receipt.erased),
        "held": dump(receipt.held),
        "unreached": dump(receipt.open) if receipt.open else None,
        "remains": dump(receipt.left) if receipt.left else None,
        "digest": receipt.digest,
        "marks": zlib.compress("\n".join(covered).encode()),
    }


def _receipt(row: Mapping[str, Any]) -> Receipt:
    return Receipt(
        receipt_id=row["receipt_id"],
        erased=load(row["erased"]),
        held=load(row["held"]),
        digest=row["digest"],
        by=row["asked_by"],
        at=moment(row["asked_at"]),
        open=load(row["unreached"]) if row["unreached"] else {},
        left=load(row["remains"]) if row["remains"] else {},
    )


def _marks(packed: bytes) -> list[str]:
    return [line for line in zlib.decompress(packed).decode().split("\n") if line]
