"""Forgetting, store by store: each forgets at once, what cannot be reached is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from pilotman.guardrails.errors import PermissionDenied, PilotmanError
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Keys, Subject
from pilotman.memory.forgetting.archive import Archive, checked
from pilotman.memory.forgetting.order import Order, Store
from pilotman.memory.forgetting.receipt import Erased, Receipt, joined
from pilotman.memory.selector import Selector


def _receipt_id() -> str:
    return f"rcp_{uuid4().hex[:20]}"


AWAY = "it is not at hand in the process that tried last"
KEYS = "keys"
"""What a receipt calls the owners' keys."""


@dataclass(slots=True)
class _Tally:
    """What came of an order so far."""

    marks: set[str]
    held: dict[str, int] = field(default_factory=dict[str, int])
    open: dict[str, str] = field(default_factory=dict[str, str])
    left: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, store: str, erased: Erased) -> None:
        self.marks = joined(self.marks, store, erased.marks)
        if erased.held:
            self.held[store] = erased.held
        if erased.left:  # the first time: when it is gone on from, some of it is not found again
            self.left.setdefault(store, erased.left)


class Forgetting:
    """Reaches every store of an installation.

    ``echoes`` hold ids and digests only: that one of them cannot be reached keeps no key alive. ``first`` are
    asked before all; what they have is gone with this process, nobody else goes on there.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        echoes: Sequence[Store],
        *,
        first: Sequence[Store] = (),
        keys: Keys | None,
        archive: Archive,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = _receipt_id,
    ) -> None:
        self._first = tuple(first)
        self._stores = tuple(stores)
        self._echoes = tuple(echoes)
        self._keys = keys
        self._archive = archive
        self._clock = clock
        self._new_id = new_id

    async def forget(self, what: Selector, *, principal: Principal) -> Receipt:
        """Erase what is selected in the principal's tenant, but what is under a legal hold.

        Who is no operator can have forgotten what is theirs: the selector has to name them as the user. Of a
        user who is selected as a whole, and of whom nothing is held, the key is destroyed too.

        Raises:
            InvalidRequest: the selector is empty.
            PermissionDenied: it is not theirs, and they are no operator; nothing was changed.
        """
        _check(checked(what), principal)
        receipt = Receipt(
            receipt_id=self._new_id(), erased={}, held={}, digest="", by=principal.user, at=self._clock()
        )
        return await self._carry_out(receipt, what, [], tenant=principal.tenant)

    async def go_on(self) -> list[Receipt]:
        """Try again what could not be reached when it was to be forgotten."""
        return [
            await self._carry_out(receipt, what, marks, tenant=tenant)
            for tenant, what, receipt, marks in await self._archive.unfinished()
        ]

    async def _carry_out(
        self, receipt: Receipt, what: Selector, marks: Sequence[str], *, tenant: str
    ) -> Receipt:
        went = _items(marks)
        order = Order(tenant=tenant, what=what, holds=await self._archive.holds(tenant), erased=went)
        ours = dict.fromkeys((one.name for one in (*self._stores, *self._echoes)), "not yet")
        away = {name: AWAY for name in receipt.open if name not in ours and name != KEYS}
        begun = replace(receipt, open={**ours, **away})
        tally = _Tally(set(marks), left=dict(receipt.left), open=away)
        await self._archive.keep(begun, order, tally.marks)  # from here on a crash is gone on from
        for store in (*self._first, *self._stores):
            await self._ask(store, order, tally, begun)
        if not tally.open and not tally.held:
            await self._destroy(order, tally, begun)
        told = replace(order, erased=_items(tally.marks))
        for store in self._echoes:
            await self._ask(store, told, tally, begun)
        asked = (store.name for store in (*self._stores, *self._echoes))
        covered = {name: 0 for name in asked if name not in tally.open}
        done = replace(receipt, erased=covered, held=tally.held, open=tally.open, left=tally.left)
        return await self._archive.keep(done, order, tally.marks)

    async def _ask(self, store: Store, order: Order, tally: _Tally, begun: Receipt) -> None:
        """Have a store erase what is meant. What it finds is noted before: a crash does not lose count."""
        try:
            found = await store.find(order)
            tally.take(store.name, found)
            if found.marks or found.left:
                await self._archive.keep(replace(begun, left=tally.left), order, tally.marks)
            tally.take(store.name, await store.erase(order))
        except PilotmanError as error:
            tally.open[store.name] = str(error)

    async def _destroy(self, order: Order, tally: _Tally, begun: Receipt) -> None:
        """Destroy the key of a user who is meant as a whole."""
        user = order.what.user
        if self._keys is None or user is None or order.what != Selector(user=user):
            return
        subject = Subject(order.tenant, user)
        try:
            key = await asyncio.to_thread(self._keys.find, subject)
            if key is not None:
                tally.take(KEYS, Erased(marks=frozenset({f"key:{key.key_id.hex()} -"})))
                await self._archive.keep(replace(begun, left=tally.left), order, tally.marks)
                await asyncio.to_thread(self._keys.destroy, subject)
        except PilotmanError as error:
            tally.open[KEYS] = str(error)


def _items(marks: Iterable[str]) -> frozenset[str]:
    return frozenset(mark.split(" ")[1] for mark in marks)


def _check(what: Selector, principal: Principal) -> None:
    if what.user != principal.user and OPERATOR not in principal.roles:
        raise PermissionDenied(
            f"{principal.user} may have forgotten what is theirs alone",
            hint=f"Selector(user={principal.user!r}, …), or ask somebody with the role {OPERATOR!r}",
        )
