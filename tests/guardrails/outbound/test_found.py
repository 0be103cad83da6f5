"""A gate of its own tells policies what stands in arguments, too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilotman.guardrails import Call, CedarPolicy, Decision, Gate, Principal
from pilotman.guardrails.outbound.found import Found
from pilotman.guardrails.policy import Effect

IBAN = "DE89 3704 0044 0532 0130 00"


@dataclass(frozen=True)
class Mail:
    """A tool as a gate knows it."""

    name: str = "send_mail"
    description: str = "Sends a mail."
    effect: Effect = "write"
    third_party: bool = True
    args_schema: dict[str, Any] = field(
        default_factory=lambda: {"properties": {"to": {"type": "string"}, "body": {"type": "string"}}}
    )


def test_what_stands_in_arguments_is_found_when_somebody_looks() -> None:
    found = Found({"to": "bob@example.com", "body": {"a": [IBAN, 1]}, "n": 7})
    assert dict(found) == {
        "to": frozenset({"email", "contact"}),
        "body": frozenset({"iban", "identifier"}),
        "n": frozenset(),
    }
    assert len(found) == 3


def test_policies_of_a_gate_see_it() -> None:
    def no_accounts(call: Call) -> Decision | None:
        return Decision.deny("no accounts") if "iban" in call.found["body"] else None

    cedar = CedarPolicy(
        '@id("all") permit (principal, action, resource);'
        '@id("no") forbid (principal, action, resource) when { context.holds.contains("iban") };'
    )
    for policy in (no_accounts, cedar):
        gate = Gate(
            policy,
            principal=Principal(tenant="acme", user="alice"),
            request=f"Mail bob@example.com that my account is {IBAN}, and then that it is late.",
            tools=[Mail()],
        )
        told = {"to": "bob@example.com", "body": f"my account is {IBAN}"}
        assert gate.decide(Call(tool="send_mail", args=told)).verdict == "deny"
        assert gate.decide(Call(tool="send_mail", args={**told, "body": "it is late"})).verdict != "deny"
