"""What the gate costs: ``Gate.decide`` beside the evaluation of its own thirty policies, and ``observe``.

Raw is ``policy.decide`` over the same policies and the same call: thirty Python functions, or one
``CedarPolicy`` of thirty, the base of the rows that say so. The run has read a mailbox of third parties.
Rounds are interleaved; microseconds; ratios are between the p50 and between the p95.
``observe`` takes in 100 kB each time on a fresh gate.

    python tests/bench/gate.py [ROUNDS]
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from pilotman.guardrails import Call, Decision, Policy, Principal
from pilotman.guardrails.cedar import CedarPolicy
from pilotman.guardrails.gate.gate import Gate
from pilotman.guardrails.policy import Effect, decide

ROUNDS, POLICIES, TAKEN_IN = 1000, 30, 100_000
RAW, CEDAR = "raw, the policies alone", "Cedar: raw, the policies alone"
CAPPED = """permit (principal, action == Action::"transfer_funds", resource)
when {{ context.args.amount < {limit} && context.args.iban like "*" }};"""
INES = Principal(tenant="harbour", user="ines")
REQUEST = "Transfer 1,200.00 euros to DE89370400440532013000 for the berth at Fish Quay."
PAY = Call(
    tool="transfer_funds",
    args={"iban": "DE89370400440532013000", "amount": 1200, "note": "the berth at Fish Quay"},
    principal=INES,
)
READ = Call(tool="read_inbox", args={"folder": "inbox"}, effect="read")


@dataclass(frozen=True)
class Tool:
    """A tool's pinned metadata."""

    name: str
    description: str
    effect: Effect
    args_schema: Mapping[str, Any]
    third_party: bool = False


def tools(*, third_party: bool) -> list[Tool]:
    """One write, one read and twenty more that nobody asks for."""
    string = {"type": "string"}
    properties = {"iban": string, "amount": {"type": "number"}, "note": string}
    pay = Tool("transfer_funds", "Transfers money to an account.", "write", {"properties": properties})
    inbox = Tool("read_inbox", "Lists emails.", "read", {"properties": {"folder": string}}, third_party)
    more = [Tool(f"close_gate_{n}", "Closes a lock gate.", "write", {"properties": {}}) for n in range(20)]
    return [pay, inbox, *more]


def policies(count: int) -> list[Policy]:
    """Policies that all have an opinion on payments."""

    def one(limit: int) -> Policy:
        def capped(call: Call, /) -> Decision | None:
            amount = call.args.get("amount", 0)
            return Decision.allow() if amount < limit else Decision.escalate(f"more than {limit}")

        return capped

    return [one(10_000 + n) for n in range(count)]


def gate(policy: list[Policy], *, third_party: bool = True) -> Gate:
    return Gate(policy, principal=INES, request=REQUEST, tools=tools(third_party=third_party))


def text(size: int) -> str:
    """Lines as they stand in a mailbox."""
    line = "{n} Mara wrote on 2026-05-05 that the rope of pier {n} costs 40 euros, see acme.example/{n}\n"
    return "".join(line.format(n=n) for n in range(size // 80))[:size]


def rivals() -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    several = policies(POLICIES)
    run, fresh, read = gate(several), gate(several), text(10_000)
    run.observe(READ, read)
    wrong = Call(tool="transfer_funds", args={**PAY.args, "iban": "FR7630006000011234567890189"})
    unasked = Call(tool="close_gate_7", args={})
    expected = [(fresh, PAY, "allow"), (run, wrong, "deny"), (run, unasked, "deny"), (run, READ, "allow")]
    cedar = CedarPolicy("\n".join(CAPPED.format(limit=10_000 + n) for n in range(POLICIES)))
    written = gate([cedar])
    written.observe(READ, read)
    expected += [(written, PAY, "allow"), (written, wrong, "deny")]
    assert all(one.decide(call).verdict == verdict for one, call, verdict in expected)
    return {
        RAW: lambda: decide(several, PAY),
        "allow, nothing read": lambda: fresh.decide(PAY),
        "allow, 10 kB of others read": lambda: run.decide(PAY),
        "deny, another target": lambda: run.decide(wrong),
        "deny, nobody asked": lambda: run.decide(unasked),
        "a read": lambda: run.decide(READ),
        CEDAR: lambda: decide([cedar], PAY),
        "Cedar: allow, 10 kB of others read": lambda: written.decide(PAY),
        "Cedar: deny, another target": lambda: written.decide(wrong),
    }


def measure(rivals: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each call, sorted, the rivals taking turns."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    gc.disable()
    for _ in range(rounds):
        for name, rival in rivals.items():
            start = time.perf_counter()
            rival()
            found[name].append((time.perf_counter() - start) * 1e6)
    gc.enable()
    return {name: sorted(times) for name, times in found.items()}


def taken_in(rounds: int) -> dict[str, list[float]]:
    """Microseconds to take in a result, sorted, trusted and foreign taking turns."""
    read = text(TAKEN_IN)
    found: dict[str, list[float]] = {"observe, trusted": [], "observe, third party": []}
    for _ in range(rounds):
        for name, times in found.items():
            run = gate([], third_party=name.endswith("party"))
            start = time.perf_counter()
            run.observe(READ, read)
            times.append((time.perf_counter() - start) * 1e6)
    return {name: sorted(times) for name, times in found.items()}


def _at(times: list[float], share: float) -> float:
    return times[int(len(times) * share)]


def main(rounds: int) -> None:
    table = Table(title=f"microseconds, {POLICIES} policies, {rounds} rounds; observe: {TAKEN_IN // 1000} kB")
    for column in ("what", "p50", "p95", "p50 / raw", "p95 / raw"):
        table.add_column(column, justify="left" if column == "what" else "right")
    decided, read = measure(rivals(), rounds), taken_in(max(5, rounds // 50))
    for name, found in {**decided, **read}.items():
        base = decided[CEDAR if name.startswith("Cedar") else RAW]
        shares = (0.5, 0.95)
        ratios = [
            f"{_at(found, share) / _at(base, share):.1f}" if name in decided else "" for share in shares
        ]
        table.add_row(name, *(f"{_at(found, share):.0f}" for share in shares), *ratios)
    Console(width=110).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
