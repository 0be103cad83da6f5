"""The support team: a customer asks; what the records and policies say, and what was changed, come out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from opentelemetry.trace import TracerProvider
from pydantic import BaseModel, Field

from pilotman.agents import Models, Specialist, Tool, ToolContext, tool
from pilotman.guardrails import Budget, Call, Decision, Policy
from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory import Memory
from pilotman.retrieval import Corpus
from pilotman.supervisor import Intake, Supervisor
from pilotman.supervisor.teams.clerk import MAX_ORDERS, Clerk, may_see
from pilotman.supervisor.teams.shop import Shop, SQLiteShop

TASK_TYPE = "support"
MAX_REQUEST = 20_000
"""Characters of a customer's request."""
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
        "set my",
        "new address",
        "new email",
        "new e-mail",
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
_THEIRS = r"(?:e-?mail|phone|telephone|mobile|address|account)"
_NOBODY = r"(?!(?:my|mine|me|our|your|the|this|these|that|an?|all|orders?|future|delivery|invoices?)\b)"
_OWNER = re.compile(
    rf"\b([A-Z][\w.-]*)['\u2019]s (?:new )?{_THEIRS}"
    rf"|\b{_THEIRS}(?: address| number)? (?:of|for)(?: customer| user)? {_NOBODY}([A-Z][\w.-]*\w)",
    re.IGNORECASE,
)
"""Whose: a name in the genitive, or after ``of`` or ``for``. After a wrong guess a person is asked."""

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
        facts["order_ids"] = orders[:MAX_ORDERS]
    severity = 20 if "complaint" in intents else 10
    return Intake(
        text=words.strip(), query=words.strip(), facts=facts, severity=severity, task_type=TASK_TYPE
    )


def _values(text: str) -> dict[str, str]:
    """The new values that a request gives, and whose account it names if it is not the writer's own."""
    found = {name: match[1].strip() for name, pattern in _VALUES.items() if (match := pattern.search(text))}
    owner = _OWNER.search(text)
    return {**found, "customer": (owner[1] or owner[2]).lower()} if owner else found


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
            Specialist("clerk", CLERK, tools=Clerk(shop).tools(), prompt=CLERK_PROMPT),
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
