"""The support team's clerk: looks up what belongs to a customer, and changes the customer's account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field

from pilotman.agents import Tool, ToolContext, ToolFailure, ToolResult, tool
from pilotman.guardrails import Principal
from pilotman.supervisor.teams.shop import CHANGEABLE, Change, Shop

STAFF = "support"
"""The role whose holders may see and change other customers' data."""

MAX_ORDERS = 100
"""Orders that one request may name."""
LOOKED_UP = 4
"""Orders that one call looks up; of the others it says that it did not."""

OrderId = Annotated[str, Field(pattern=r"^[A-Z]{1,3}-\d{3,8}$")]
OrderIds = Annotated[
    list[OrderId],
    Field(min_length=1, max_length=MAX_ORDERS, description="the orders' numbers, such as A-1001"),
]
Customer = Annotated[
    str | None, Field(max_length=100, description="sign-in name, if not the asking customer")
]
Email = Annotated[
    str | None,
    Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="the new one"),
]
Address = Annotated[str | None, Field(min_length=5, max_length=300, description="the new postal address")]
Phone = Annotated[str | None, Field(pattern=r"^\+?[\d ()/-]{6,24}$", description="the new one")]


def may_see(principal: Principal, customer: str | None) -> bool:
    """Whether this customer's data is the asking user's own, or the user works for support."""
    return customer in (None, "", principal.user) or STAFF in principal.roles


class Clerk:
    """Tools over a shop. The principal's user is the customer who asks; strangers' data is not found."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def tools(self) -> list[Tool[..., Any]]:
        """Three reads and one write, with its look-up and its compensation."""
        ours = tool(effect="read", third_party=False)
        update = tool(effect="write", third_party=False)(self.update_account)
        update.precondition(self.can_be_updated)
        update.lookup(self.find_update)
        update.compensate(self.change_back)
        # Customers write what stands in an account.
        return [
            ours(self.refund_status),
            ours(self.order_status),
            tool(effect="read")(self.account_details),
            update,
        ]

    def refund_status(self, order_ids: OrderIds, ctx: ToolContext) -> ToolResult:
        """Look up the status of the refund for orders: its state, amount and dates."""
        return _each(order_ids, lambda order_id: self._refund(order_id, ctx.principal))

    def order_status(self, order_ids: OrderIds, ctx: ToolContext) -> ToolResult:
        """Look up orders: what was bought, when, for how much, and whether it was delivered."""
        return _each(order_ids, lambda order_id: self._order(order_id, ctx.principal))

    def _refund(self, order_id: str, principal: Principal) -> dict[str, Any]:
        tenant = principal.tenant
        order = self._shop.order(tenant=tenant, order_id=order_id)
        if order is None or not may_see(principal, order.customer):
            return _unknown(order_id)
        refund = self._shop.refund(tenant=tenant, order_id=order_id)
        if refund is None:
            summary = f"no refund was asked for order {order_id}, which is {order.status}."
            return {"summary": summary, "found": False}
        paid = f", paid on {refund.paid_on}" if refund.paid_on else ""
        summary = f"the refund of {refund.amount} for order {order_id} is {refund.state}"
        summary += f", requested on {refund.requested_on}{paid}."
        return {"summary": summary, "found": True, **asdict(refund)}

    def _order(self, order_id: str, principal: Principal) -> dict[str, Any]:
        order = self._shop.order(tenant=principal.tenant, order_id=order_id)
        if order is None or not may_see(principal, order.customer):
            return _unknown(order_id)
        summary = f"order {order_id} ({order.item}, {order.total}) of {order.placed_on} is {order.status}."
        told = {name: value for name, value in asdict(order).items() if name != "customer"}
        return {"summary": summary, "found": True, **told}

    def account_details(self, ctx: ToolContext, customer: Customer = None) -> dict[str, Any]:
        """Look up the customer's account: name, email, postal address, phone."""
        wanted = customer or ctx.principal.user
        found = self._shop.account(tenant=ctx.principal.tenant, customer=wanted)
        if found is None or not may_see(ctx.principal, customer):
            return {"summary": f"no account of {wanted} can be shown.", "found": False}
        # Not named as what ``update_account`` takes: what is on file is no new value.
        on_file = {f"{name}_on_file": getattr(found, name) for name in CHANGEABLE}
        said = ", ".join(f"{name} {getattr(found, name)}" for name in CHANGEABLE)
        return {"summary": f"on file for {found.name}: {said}.", "found": True, "name": found.name, **on_file}

    def update_account(
        self,
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> dict[str, Any]:
        """Update the customer's account: a new email, postal address or phone. Give only what changes."""
        made = self._shop.change(
            tenant=ctx.principal.tenant,
            customer=customer or ctx.principal.user,
            fields=_given(email, address, phone),
            key=ctx.idempotency_key,
        )
        if made is None:
            raise ToolFailure("the account is gone; nothing was changed")
        return _changed(made)

    def can_be_updated(
        self,
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> Mapping[str, Any]:
        """Before anybody is asked: there is an account and a new value."""
        if not _given(email, address, phone):
            raise ToolFailure("no new value was given; nothing was changed", kind="validation")
        wanted = customer or ctx.principal.user
        if self._shop.account(tenant=ctx.principal.tenant, customer=wanted) is None:
            raise ToolFailure(f"there is no account of {wanted}; nothing was changed")
        return {"own": may_see(ctx.principal, customer)}

    def find_update(
        self,
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> dict[str, Any] | None:
        """The change that was made with this key, which tells more than the arguments."""
        del email, address, phone, customer
        made = self._shop.find_change(tenant=ctx.principal.tenant, key=ctx.idempotency_key)
        return None if made is None else _changed(made)

    def change_back(
        self,
        done: dict[str, Any],
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> None:
        """Put the old values back."""
        del email, address, phone
        self._shop.change(
            tenant=ctx.principal.tenant,
            customer=customer or ctx.principal.user,
            fields=done["before"],
            key=f"{ctx.idempotency_key}:undone",
        )


def _each(order_ids: Sequence[str], look: Callable[[str], dict[str, Any]]) -> ToolResult:
    """What is found about each order, at most ``LOOKED_UP`` of them, and which were left out."""
    wanted = list(dict.fromkeys(order_ids))
    found = [look(order_id) for order_id in wanted[:LOOKED_UP]]
    said = "; ".join(one["summary"].rstrip(".") for one in found)
    value = {"summary": f"{said}.", "orders": found}
    left = ", ".join(wanted[LOOKED_UP:])
    if left:
        return ToolResult.partial(value, f"too many at once, not looked up: {left}")
    return ToolResult.ok(value)


def _unknown(order_id: str) -> dict[str, Any]:
    return {"summary": f"there is no order {order_id} of this customer.", "found": False}


def _given(email: str | None, address: str | None, phone: str | None) -> dict[str, str]:
    fields = {"email": email, "address": address, "phone": phone}
    return {name: value for name, value in fields.items() if value is not None}


def _changed(made: Change) -> dict[str, Any]:
    said = ", ".join(f"{name} is now {value}" for name, value in made.after.items())
    return {
        "summary": f"account of {made.customer}: {said}",
        "before": dict(made.before),
        "after": dict(made.after),
    }
