"""The support team: a customer asks; what the records and policies say, and what was changed, come out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from opentelemetry.trace import TracerProvider
from pydantic import BaseModel, Field

from pilotman.agents import Models, Specialist, Tool, ToolContext, tool
from pilotman.guardrails import Budget, Call, Decision, Policy, Principal
from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory import Memory
from pilotman.retrieval import Corpus
from pilotman.supervisor import Intake, Supervisor
from pilotman.supervisor.teams.shop import CHANGEABLE, Change, Shop, SQLiteShop

TASK_TYPE = "support"
MAX_REQUEST = 20_000
"""Characters of a customer's request."""
STAFF = "support"
"""The role whose holders may see and change other customers' data."""

DESCRIPTION = "Answers customers of a shop: refunds, orders, policies, changes of their account."
RECEPTIONIST = "Classifies what a customer asks for, so that nothing in the request is forgotten."
ARCHIVIST = (
    "Looks up the shop's policies: refunds, account changes, shipping, cancellations, privacy, complaints."
)
CLERK = "Looks up the customer's orders, refunds and account, and updates the account."
CORRESPONDENT = "Drafts the answer to the customer: salutation, tone, what has to be said."
ARCHIVIST_PROMPT = """\
Find the policy for each thing that the customer asks for and quote it literally. If no policy treats it, \
say so."""
CLERK_PROMPT = """\
Look up what the customer asks about. Update the account only as the customer asked for, with exactly the \
values that they gave. Say in which state a refund is, with its dates and amount."""
CORRESPONDENT_PROMPT = """\
Write the reply to the customer from the reports that you were given: friendly, short, no promise that no \
policy makes. Say what was changed only if a report says that it was; say of what waits for a person that \
it waits."""

_INTENTS: Mapping[str, tuple[str, ...]] = {
    "refund status": ("refund", "money back", "reimburse", "returned"),
    "account update": (
        "update",
        "change my",
        "new address",
        "new email",
        "new phone",
        "moved",
        "correct my",
        "'s email",
        "'s phone",
        "'s address",
    ),
    "shipping": ("ship", "deliver", "parcel", "tracking", "arrive"),
    "cancellation": ("cancel", "subscription"),
    "privacy": ("privacy", "personal data", "delete my", "gdpr"),
    "complaint": ("complain", "unacceptable", "angry", "lawyer", "disappointed", "terrible"),
}
_ORDER = re.compile(r"\b[A-Z]{1,3}-\d{3,8}\b")
_NEW = r"(?:\s+(?:address|number))?\s*(?:(?:in|on|of) my account\s*)?(?:to|is|:|=)\s*(?:now\s+)?"
_VALUES: Mapping[str, re.Pattern[str]] = {
    "email": re.compile(rf"\be-?mail{_NEW}([^@\s<>]+@[\w-]+(?:\.[\w-]+)+)", re.IGNORECASE),
    "phone": re.compile(rf"\b(?:phone|telephone|mobile){_NEW}(\+?\d[\d ()/-]{{5,23}}\d)", re.IGNORECASE),
    "address": re.compile(rf"(?<!mail )\baddress{_NEW}(\d*[^@.!?;\n]{{5,200}})", re.IGNORECASE),
}
_OWNER = re.compile(
    r"\b([A-Za-z][\w.-]*)['\u2019]s (?:new )?(?:e-?mail|phone|mobile|address|account)", re.IGNORECASE
)

OrderId = Annotated[
    str, Field(pattern=r"^[A-Z]{1,3}-\d{3,8}$", description="the order's number, such as A-1001")
]
Customer = Annotated[
    str | None, Field(max_length=100, description="sign-in name, if not the asking customer")
]
Email = Annotated[
    str | None, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="the new one")
]
Address = Annotated[str | None, Field(min_length=5, max_length=300, description="the new postal address")]
Phone = Annotated[str | None, Field(pattern=r"^\+?[\d ()/-]{6,24}$", description="the new one")]
Message = Annotated[str, Field(min_length=1, max_length=MAX_REQUEST, description="what the customer wrote")]


def intake(request: str | Mapping[str, Any] | BaseModel) -> Intake:
    """A customer's request: words, or an object with a field ``text``.

    Raises:
        InvalidRequest: no words, or too many.
    """
    fields = request.model_dump() if isinstance(request, BaseModel) else request
    words = fields if isinstance(fields, str) else fields.get("text")
    if not isinstance(words, str) or not words.strip():
        raise InvalidRequest("the request is empty", hint="write what the customer asks for")
    if len(words) > MAX_REQUEST:
        raise InvalidRequest(f"the request has {len(words):,} characters; {MAX_REQUEST:,} are allowed")
    intents = classify(words)
    orders = list(dict.fromkeys(_ORDER.findall(words)))
    facts: dict[str, Any] = {"intents": intents, **_values(words)}
    if orders:
        facts |= {"order_id": orders[0], "order_ids": orders[:20]}
    severity = 20 if "complaint" in intents else 10
    return Intake(
        text=words.strip(), query=words.strip(), facts=facts, severity=severity, task_type=TASK_TYPE
    )


def _values(text: str) -> dict[str, str]:
    """The new values that a request gives, and whose account it names if it is not the writer's own."""
    found = {name: match[1].strip() for name, pattern in _VALUES.items() if (match := pattern.search(text))}
    owner = _OWNER.search(text)
    return {**found, "customer": owner[1].lower()} if owner else found


def classify(text: str) -> list[str]:
    """What a request is about, by its words; ``other`` if nothing is recognised."""
    said = text.lower()
    return [intent for intent, signs in _INTENTS.items() if any(sign in said for sign in signs)] or ["other"]


def support_policy(call: Call, /) -> Decision | None:
    """What the support team may do by itself: look, and update the account of the customer who asks."""
    if call.effect == "read" and call.declared:
        return Decision.allow("the support team may look")
    if call.tool != "update_account":
        return None
    customer = call.args.get("customer")
    if may_see(call.principal, customer):
        return Decision.allow("customers may change their own account")
    return Decision.escalate(f"the account of {customer} is not that of {call.principal.user}, who asks")


def may_see(principal: Principal, customer: str | None) -> bool:
    """Whether this customer's data is the asking user's own, or the user works for support."""
    return customer in (None, "", principal.user) or STAFF in principal.roles


def reading_tools(shop: Shop) -> list[Tool[..., Any]]:
    """What the clerk can look up. Somebody else's data is not found."""

    @tool(effect="read", third_party=False)
    def refund_status(order_id: OrderId, ctx: ToolContext) -> dict[str, Any]:
        """Look up the status of the refund for an order: its state, amount and dates."""
        tenant = ctx.principal.tenant
        order = shop.order(tenant=tenant, order_id=order_id)
        if order is None or not may_see(ctx.principal, order.customer):
            return {"summary": f"there is no order {order_id} of this customer.", "found": False}
        refund = shop.refund(tenant=tenant, order_id=order_id)
        if refund is None:
            return {
                "summary": f"no refund was asked for order {order_id}, which is {order.status}.",
                "found": False,
            }
        paid = f", paid on {refund.paid_on}" if refund.paid_on else ""
        summary = f"the refund of {refund.amount} for order {order_id} is {refund.state}"
        summary += f"; it was requested on {refund.requested_on}{paid}."
        return {"summary": summary, "found": True, **asdict(refund)}

    @tool(effect="read", third_party=False)
    def order_status(order_id: OrderId, ctx: ToolContext) -> dict[str, Any]:
        """Look up an order: what was bought, when, for how much, and whether it was delivered."""
        order = shop.order(tenant=ctx.principal.tenant, order_id=order_id)
        if order is None or not may_see(ctx.principal, order.customer):
            return {"summary": f"there is no order {order_id} of this customer.", "found": False}
        summary = f"order {order_id} ({order.item}, {order.total}) of {order.placed_on} is {order.status}."
        told = {name: value for name, value in asdict(order).items() if name != "customer"}
        return {"summary": summary, "found": True, **told}

    @tool(effect="read")
    def account_details(ctx: ToolContext, customer: Customer = None) -> dict[str, Any]:
        """Look up the customer's account: name, email, postal address, phone."""
        wanted = customer or ctx.principal.user
        found = shop.account(tenant=ctx.principal.tenant, customer=wanted)
        if found is None or not may_see(ctx.principal, customer):
            return {"summary": f"no account of {wanted} can be shown.", "found": False}
        # Not named as what ``update_account`` takes: what is on file is no new value.
        on_file = {f"{name}_on_file": getattr(found, name) for name in CHANGEABLE}
        said = ", ".join(f"{name} {getattr(found, name)}" for name in CHANGEABLE)
        return {"summary": f"on file for {found.name}: {said}.", "found": True, "name": found.name, **on_file}

    return [refund_status, order_status, account_details]


def writing_tools(shop: Shop) -> list[Tool[..., Any]]:
    """What the clerk can change."""

    @tool(effect="write", third_party=False)
    def update_account(
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> dict[str, Any]:
        """Update the customer's account: a new email, postal address or phone. Give only what changes."""
        made = shop.change(
            tenant=ctx.principal.tenant,
            customer=customer or ctx.principal.user,
            fields=_given(email, address, phone),
            key=ctx.idempotency_key,
        )
        assert made is not None  # the precondition found the account
        return _changed(made)

    @update_account.precondition
    def can_be_updated(
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> Mapping[str, Any]:
        if not _given(email, address, phone):
            raise ValueError("no new value was given; nothing was changed")
        wanted = customer or ctx.principal.user
        if shop.account(tenant=ctx.principal.tenant, customer=wanted) is None:
            raise ValueError(f"there is no account of {wanted}; nothing was changed")
        return {"own": may_see(ctx.principal, customer)}

    @update_account.lookup
    def find_update(
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> dict[str, Any] | None:
        del email, address, phone, customer  # the key alone tells
        made = shop.find_change(tenant=ctx.principal.tenant, key=ctx.idempotency_key)
        return None if made is None else _changed(made)

    @update_account.compensate
    def change_back(
        done: dict[str, Any],
        ctx: ToolContext,
        email: Email = None,
        address: Address = None,
        phone: Phone = None,
        customer: Customer = None,
    ) -> None:
        del email, address, phone
        key, who = f"{ctx.idempotency_key}:undone", customer or ctx.principal.user
        shop.change(tenant=ctx.principal.tenant, customer=who, fields=done["before"], key=key)

    return [update_account]


def desk_tools(shop: Shop) -> tuple[list[Tool[..., Any]], list[Tool[..., Any]]]:
    """The receptionist's and the correspondent's tools."""

    @tool(effect="read", third_party=False)
    def classify_request(message: Message) -> dict[str, Any]:
        """Classify what the customer asks for: refund status, account update, shipping, and so on."""
        intents = classify(message)
        return {"summary": f"the request is about: {', '.join(intents)}.", "intents": intents}

    @tool(effect="read", third_party=False)
    def reply_frame(ctx: ToolContext) -> dict[str, str]:
        """Look up how the answer to this customer begins and ends."""
        account = shop.account(tenant=ctx.principal.tenant, customer=ctx.principal.user)
        return {
            "salutation": f"Dear {account.name}," if account else "Good day,",
            "closing": "Kind regards, your support team",
        }

    return [classify_request], [reply_frame]


def support_team(
    *,
    models: Models | None = None,
    memory: Memory | None = None,
    corpus: Corpus | None = None,
    budget: Budget | None = None,
    shop: Shop | None = None,
    policy: Sequence[Policy] = (),
    tracer_provider: TracerProvider | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Supervisor:
    """A team for the customers of a shop; the principal's user is the customer who asks.

    ``shop`` holds the accounts and orders (default: an empty one), ``corpus`` the policies to quote.
    ``policy`` has further policies, which must agree with the team's own.
    """
    shop = shop or SQLiteShop(clock=clock)
    sorting, framing = desk_tools(shop)
    return Supervisor(
        "support",
        [
            Specialist("receptionist", RECEPTIONIST, tools=sorting),
            Specialist("archivist", ARCHIVIST, prompt=ARCHIVIST_PROMPT),
            Specialist(
                "clerk", CLERK, tools=[*reading_tools(shop), *writing_tools(shop)], prompt=CLERK_PROMPT
            ),
            Specialist("correspondent", CORRESPONDENT, tools=framing, prompt=CORRESPONDENT_PROMPT),
        ],
        description=DESCRIPTION,
        models=models,
        policy=[support_policy, *policy],
        budget=budget,
        memory=memory,
        corpus=corpus,
        intake=intake,
        tracer_provider=tracer_provider,
        clock=clock,
    )


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
