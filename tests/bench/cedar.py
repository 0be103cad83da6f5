"""What a decision costs: ``CedarPolicy`` beside the raw engine on the same policies and the same call.

Raw is ``cedarpy`` with policies and schema parsed before. ``one leg`` is one request that holds exactly what
the policies read; ``two legs`` two of them in one batch, which is the work that most decisions are made of;
``whole context`` one request with everything that the shipped schema has, as somebody sends it who does not
know what policies read. Rounds are interleaved; microseconds; ratios are between the p95.

    python tests/bench/cedar.py [ROUNDS]
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import cedarpy
from rich.console import Console
from rich.table import Table

from pilotman.guardrails import Call, Label, Principal
from pilotman.guardrails.cedar import CedarPolicy

ROUNDS = 2000
ONE, TWO = "raw, one leg", "raw, two legs"
ALICE = Principal(tenant="acme", user="alice", roles=frozenset({"sre", "staff"}))
CAROL = replace(ALICE, user="carol")
PAGE = Label(author="third_party", trusted=False, tenant="acme")
WORDS = Label(author="user", trusted=True, tenant="acme")
CALL = Call(
    tool="pay",
    args={"amount": 120, "to": "Bob Ltd", "note": "for March"},
    principal=ALICE,
    agent="clerk",
    labels={"amount": frozenset({WORDS}), "to": frozenset({WORDS}), "note": frozenset({PAGE})},
    run_labels=frozenset({PAGE, WORDS}),
    scopes=frozenset({"payments:write"}),
    tools_used=("read_mail", "look_up"),
    now=datetime(2026, 5, 5, 10, 30, tzinfo=UTC),
)
SCHEMA = """
type Label = { tainted: Bool, authors: Set<String>, sensitivities: Set<String>, tenants: Set<String> };
entity Role;
entity User in [Role] = { tenant: String, user: String };
entity Agent = { tenant: String, name: String };
entity Tool = { tenant: String, name: String, effect: String, declared: Bool };
action "write";
action "pay" in [Action::"write"] appliesTo {
  principal: [User, Agent], resource: [Tool], context: {
    approved: Bool, leg: String, requester: User, agent: String, carried: Label, run: Label,
    args: { amount: Long, to: String, note: String }, facts: {},
    labels: { amount: Label, to: Label, note: Label }, tools_used: Set<String>, scopes: Set<String>,
    now: { epoch: Long, date: String, hour: Long, minute: Long, weekday: Long } } };
"""


PERMIT = """@id("p{n}") permit (principal in Role::"sre", action == Action::"pay", resource)
when {{ context.args.amount < {limit} && context.approved }};"""
FORBID = """@id("p{n}") forbid (principal, action in Action::"write", resource)
when {{ context.carried.tainted && context.args.to like "*evil{n}*" }};"""


def policies(count: int) -> str:
    """Policies that all cover the call: permits that ask, and forbids."""
    return "\n".join((FORBID if n % 3 else PERMIT).format(n=n, limit=1000 + n) for n in range(count))


def raw(text: str, *, whole: bool, legs: int = 1) -> Callable[[], Any]:
    """The engine alone, a person having said yes."""
    user = {"type": "User", "id": "acme/alice"}
    label = {"tainted": True, "authors": ["third_party"], "sensitivities": ["internal"], "tenants": ["acme"]}
    context: dict[str, Any] = {
        "approved": True,
        "args": {"amount": 120, "to": "Bob Ltd"},
        "carried": {"tainted": True},
    }
    schema = SCHEMA
    if whole:
        context |= {"args": dict(CALL.args), "carried": label, "run": label, "leg": "user", "requester": user}
        context |= {"agent": "clerk", "facts": {}, "labels": dict.fromkeys(CALL.args, label)}
        context |= {"tools_used": ["look_up", "read_mail"], "scopes": ["payments:write"]}
        context["now"] = {"epoch": 1, "date": "2026-05-05", "hour": 10, "minute": 30, "weekday": 2}
    else:
        start = SCHEMA.index("context: {")
        schema = (
            SCHEMA[:start]
            + "context: { approved: Bool, args: { amount: Long, to: String }, carried: { tainted: Bool } } };"
        )
    request = {
        "principal": user,
        "action": {"type": "Action", "id": "pay"},
        "resource": {"type": "Tool", "id": "pay"},
    }
    roles = [{"type": "Role", "id": role} for role in sorted(ALICE.roles)]
    tool = {"tenant": "acme", "name": "pay", "effect": "write", "declared": True}
    entities: list[dict[str, Any]] = [
        {"uid": user, "attrs": {"tenant": "acme", "user": "alice"}, "parents": roles},
        {"uid": {"type": "Tool", "id": "pay"}, "attrs": tool, "parents": []},
    ]
    parsed, known = cedarpy.PolicySet.from_str(text), cedarpy.Schema.from_str(schema)

    def once() -> Any:
        asked = [{**request, "context": json.dumps(context)} for _ in range(legs)]
        return cedarpy.is_authorized_batch(asked, parsed, json.dumps(entities), known)

    assert all(result.allowed for result in once())
    return once


def contenders(count: int) -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    text = policies(count)
    policy, agents = CedarPolicy(text), CedarPolicy(text + AGENTS)
    approved = replace(CALL, approved_by=CAROL)
    refused = replace(CALL, principal=Principal(tenant="acme", user="mallory"))
    expected = [(policy, approved, "allow"), (policy, CALL, "escalate"), (policy, refused, "deny")]
    assert all((said := one(call)) and said.verdict == verdict for one, call, verdict in expected)
    return {
        ONE: raw(text, whole=False),
        TWO: raw(text, whole=False, legs=2),
        "raw, whole context": raw(text, whole=True),
        "raw, parsing policies each time": lambda: cedarpy.is_authorized(REQUEST, text, "[]"),
        "allow (user, approver)": lambda: policy(approved),
        "escalate (user, real and supposed)": lambda: policy(CALL),
        "deny (user, real and supposed)": lambda: policy(refused),
        "allow (user, agent, approver)": lambda: agents(approved),
        "escalate (user, agent)": lambda: agents(CALL),
        "not spoken of": lambda: policy(replace(CALL, tool="read_mail", effect="read")),
    }


AGENTS = '\n@id("clerk") permit (principal == Agent::"clerk", action == Action::"pay", resource);'
REQUEST: dict[str, Any] = {
    "principal": 'User::"a"',
    "action": 'Action::"pay"',
    "resource": 'Tool::"pay"',
    "context": {},
}


def measure(rivals: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each call, sorted, the rivals taking turns."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for rival in rivals.values():
        rival()
    gc.disable()
    for _ in range(rounds):
        for name, rival in rivals.items():
            start = time.perf_counter()
            rival()
            found[name].append((time.perf_counter() - start) * 1e6)
    gc.enable()
    return {name: sorted(times) for name, times in found.items()}


def built(text: str) -> tuple[float, float]:
    """Milliseconds to construct, and for the first call of a tool."""
    start = time.perf_counter()
    policy = CedarPolicy(text)
    middle = time.perf_counter()
    policy(CALL)
    return (middle - start) * 1e3, (time.perf_counter() - middle) * 1e3


def main(rounds: int) -> None:
    table = Table(title=f"microseconds a decision, {rounds} rounds")
    for column in ("policies", "what", "p50", "p95", "/ one leg", "/ two legs"):
        table.add_column(column, justify="left" if column == "what" else "right")
    at = int(rounds * 0.95)
    for count in (1, 10, 30):
        times = measure(contenders(count), rounds)
        for name, found in times.items():
            ratios = [f"{found[at] / times[base][at]:.2f}" for base in (ONE, TWO)]
            table.add_row(str(count), name, f"{found[rounds // 2]:.0f}", f"{found[at]:.0f}", *ratios)
        table.add_section()
    console = Console(width=110)
    console.print(table)
    for count in (1, 10, 30):
        construct, first = built(policies(count))
        console.print(
            f"{count} policies: built in {construct:.0f} ms; a tool's first call takes {first:.1f} ms"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
