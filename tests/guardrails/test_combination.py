"""What is fine alone and not together."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails import Call
from pilotman.guardrails.combination import EXFILTRATION, Combination
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.label import Label

USER = Label(author="user", trusted=True, tenant="acme")
SECRET = Label(author="tool", trusted=True, tenant="acme", sensitivity="secret")
STRANGER = Label(author="third_party", trusted=False, tenant="acme")


def mail(body: set[Label], *read: Label, **fields: Any) -> Call:
    args = {"to": "bob", "body": "…"}
    labels = {"to": frozenset({USER}), "body": frozenset(body)}
    values: dict[str, Any] = {"effect": "write", "labels": labels, "run_labels": frozenset({USER, *read})}
    return Call(tool="send_mail", args=args, **values | fields)


def verdict(rule: Combination, call: Call) -> str | None:
    decision = rule(call)
    return None if decision is None else decision.verdict


def test_secrets_and_strangers_are_fine_alone_and_asked_about_together() -> None:
    assert verdict(EXFILTRATION, mail({SECRET}, SECRET)) is None
    assert verdict(EXFILTRATION, mail({STRANGER}, STRANGER)) is None
    assert verdict(EXFILTRATION, mail({SECRET, STRANGER}, SECRET, STRANGER)) == "escalate"


def test_a_call_that_carries_no_secret_passes() -> None:
    assert verdict(EXFILTRATION, mail({USER}, SECRET, STRANGER)) is None
    assert verdict(EXFILTRATION, mail({STRANGER}, SECRET, STRANGER)) is None


def test_reads_pass_and_named_tools_do_not() -> None:
    call = mail({SECRET}, SECRET, STRANGER, effect="read")
    assert verdict(EXFILTRATION, call) is None
    named = Combination(name="no mail", sensitivity="secret", tools=frozenset({"send_mail"}))
    assert verdict(named, call) == "deny"


def test_tools_used_before_can_be_named() -> None:
    rule = Combination(name="vault, web, mail", used=frozenset({"read_vault", "open_page"}))
    assert verdict(rule, mail({USER}, tools_used=("read_vault",))) is None
    assert verdict(rule, mail({USER}, tools_used=("open_page", "list", "read_vault"))) == "deny"


@pytest.mark.parametrize("wrong", [{}, {"used": "vault"}, {"sensitivity": "very"}, {"author": "me"}])
def test_a_combination_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Combination(name="x", **wrong)
