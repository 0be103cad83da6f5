"""What Cedar is told of a call, and traps: floats, missing values, names that are code, rules that fail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pilotman.guardrails import Call, CedarPolicy, Decision, Label, Principal
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.policy import Effect

ALICE = Principal(tenant="acme", user="alice", roles=frozenset({"sre"}))
BOB = Principal(tenant="acme", user="bob")
PAY = Call(tool="pay", args={"amount": 120, "to": "bob"}, principal=ALICE, agent="clerk")
PAGE = Label(author="third_party", trusted=False, tenant="acme")
SECRET = Label(author="tool", trusted=True, tenant="acme", sensitivity="secret")
ALL = '@id("all") permit (principal, action, resource);'


def verdict(policies: str, call: Call, **changes: Any) -> str | None:
    said = CedarPolicy(policies)(replace(call, **changes))
    return None if said is None else said.verdict


def allowing(condition: str) -> str:
    return f'@id("p") permit (principal, action, resource) when {{ {condition} }};'


def forbidding(condition: str) -> str:
    return f'{ALL}\n@id("f") forbid (principal, action, resource) when {{ {condition} }};'


# What policies are told


@pytest.mark.parametrize(
    "condition",
    [
        'principal.tenant == "acme" && principal.user == "alice" && principal in Role::"sre"',
        'resource == Tool::"pay" && resource.name == "pay" && resource.tenant == "acme" && resource.declared',
        'resource.effect == "write" && action in Action::"write" && !(action in Action::"irreversible")',
        'context.args.amount == 120 && context.args.to like "b*"',
        'context.agent == "clerk" && context.requester == principal && context.requester.user == "alice"',
        'context.run.tainted && context.run.authors.contains("third_party") && !context.carried.tainted',
        'context.labels has amount && context.labels.amount.sensitivities == ["secret"]',
        "!(context.labels has to) && [resource.tenant].containsAll(context.run.tenants)",
        'context.tools_used.containsAll(["read_mail", "look_up"]) && context.scopes.contains("pay:write")',
        "context.facts.open_payments < 3 && context.facts.cap.left >= 120",
        "context.now.hour == 19 && context.now.weekday == 5 && context.now.minute == 30",
        'context.now.date == "2026-05-15" && context.now.epoch == 1778866200',
        "principal has level && principal.level > 3",
        '!(principal has nickname) && principal.teams.contains("core")',
    ],
)
def test_policies_are_told(condition: str) -> None:
    call = replace(
        PAY,
        principal=replace(ALICE, attributes={"level": 4, "teams": ["core"], "nickname": None}),
        labels={"amount": frozenset({SECRET}), "to": frozenset()},
        run_labels=frozenset({PAGE}),
        tools_used=("read_mail", "look_up", "read_mail"),
        scopes=frozenset({"pay:write"}),
        facts={"open_payments": 2, "cap": {"left": 500}},
        now=datetime(2026, 5, 15, 19, 30, tzinfo=timezone(timedelta(hours=2))),
    )
    assert CedarPolicy(allowing(condition))(call) == Decision.allow("p")


def test_attributes_of_a_principal_do_not_replace_who_they_are() -> None:
    liar = replace(BOB, attributes={"user": "alice", "tenant": "evil"})
    assert verdict(allowing('principal.user == "alice"'), PAY, principal=liar) == "deny"
    assert verdict(allowing('principal.tenant == "acme"'), PAY, principal=liar) == "allow"


@pytest.mark.parametrize("effect", ["read", "egress", "write", "irreversible"])
def test_a_call_is_in_the_group_of_its_effect_and_in_no_other(effect: Effect) -> None:
    for group in ("read", "egress", "write", "irreversible"):
        text = f'@id("p") permit (principal, action in Action::"{group}", resource);'
        assert verdict(text, PAY, effect=effect) == ("allow" if group == effect else None)


def test_a_tool_that_declares_nothing_counts_as_a_write_whatever_it_says() -> None:
    text = '@id("r") permit (principal, action in Action::"read", resource);'
    assert verdict(text, PAY, effect="read") == "allow"
    assert verdict(text, PAY, effect="read", declared=False) is None


# Traps


def test_a_forbid_that_fails_does_not_let_the_call_through() -> None:
    forbid = forbidding("context.args.limit < context.args.amount + 9223372036854775807")
    policy = CedarPolicy(forbid)
    said = policy(replace(PAY, args={"amount": 1, "limit": 0}))
    assert said is not None
    assert said.verdict == "deny"
    assert "overflow" in said.reasons[0]
    assert "policy f: " in said.reasons[0]


@pytest.mark.parametrize("args", [{}, {"amount": None}])
def test_a_missing_argument_denies_where_a_rule_reads_it_unguarded(args: dict[str, Any]) -> None:
    assert verdict(forbidding("context.args.amount > 100"), PAY, args=args) == "deny"
    assert (
        verdict(forbidding("context.args has amount && context.args.amount > 100"), PAY, args=args) == "allow"
    )
    assert verdict(forbidding("principal.level < 3"), PAY) == "deny"
    assert verdict(forbidding("context.facts.frozen"), PAY) == "deny"


@pytest.mark.parametrize("to", [["evil"], {"name": "evil"}, 7, True, 1.5])
def test_a_value_of_another_type_does_not_slip_past_a_forbid(to: Any) -> None:
    forbid = forbidding('context.args.to == "evil"')
    assert verdict(forbid, PAY, args={"to": "evil"}) == "deny"
    assert verdict(forbid, PAY, args={"to": "bob"}) == "allow"
    assert verdict(forbid, PAY, args={"to": to}) == "deny"


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (99, "allow"),
        (99.0, "allow"),
        (101, "deny"),
        (99.5, "deny"),
        (float("nan"), "deny"),
        (float("inf"), "deny"),
        (-(2**63), "allow"),
        (2**63, "deny"),
        (-(2**63) - 1, "deny"),
        pytest.param(10**5000, "deny", id="huge"),
        (True, "deny"),
        ("99", "deny"),
    ],
)
def test_a_long_is_whole_and_fits_64_bits(amount: Any, expected: str) -> None:
    assert verdict(allowing("context.args.amount <= 100"), PAY, args={"amount": amount}) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (99.95, "allow"),
        (99, "allow"),
        ("99.9500", "allow"),
        (1e-4, "allow"),
        (100.5, "deny"),
        (0.12345, "deny"),
        (float("nan"), "deny"),
        (1e300, "deny"),
        pytest.param(10**5000, "deny", id="huge"),
        (922337203685478, "deny"),
        ("many", "deny"),
        (True, "deny"),
    ],
)
def test_a_decimal_has_four_places(amount: Any, expected: str) -> None:
    text = allowing('context.args.amount.lessThanOrEqual(decimal("100.0"))')
    assert verdict(text, PAY, args={"amount": amount}) == expected


def test_what_no_rule_reads_does_not_matter() -> None:
    wild = {"to": "bob", "x": 1.5, "y": 2**70, "z": "\ud800", "__entity": {"type": "User", "id": "root"}}
    assert verdict(allowing('context.args.to == "bob"'), PAY, args=wild) == "allow"
    present = allowing("context.args has x && context.args has z && !(context.args has w)")
    assert verdict(present, PAY, args=wild) == "allow"


def test_text_that_is_no_text_denies() -> None:
    assert verdict(forbidding('context.args.to == "evil"'), PAY, args={"to": "\ud800"}) == "deny"


@pytest.mark.parametrize(
    "name",
    [
        'x" || true //',
        'x", Action::"pay',
        "pay\n",
        "pay\0",
        "\N{CYRILLIC SMALL LETTER ER}ay",
        "\u202epay",
        "any tool",
        "policy0",
        "\\",
        "",
    ],
)
def test_a_tool_whose_name_is_an_attack_gets_nothing(name: str) -> None:
    text = '@id("p") permit (principal, action == Action::"pay", resource);'
    text += '@id("r") permit (principal, action in Action::"read", resource);'
    assert verdict(text, PAY, tool=name) is None
    assert verdict(text + ALL, PAY, tool=name, agent=name, args={name: 1}) == "allow"
    only = '@id("p") permit (principal, action, resource == Tool::"pay");'
    assert verdict(only, PAY, tool=name) is None


def test_a_tool_that_is_called_like_a_group_is_not_in_it() -> None:
    text = '@id("r") permit (principal, action in Action::"read", resource);'
    assert verdict(text, PAY, tool="read", effect="write") is None
    assert verdict(text, PAY, tool="read", effect="read") == "allow"
    named = '@id("t") permit (principal, action == Action::"tool:read", resource);'
    assert verdict(named, PAY, tool="read") == "allow"
    assert verdict(named, PAY, tool="tool:read") is None


def test_names_of_people_are_no_code() -> None:
    text = '@id("p") permit (principal in Role::"sre", action, resource);'
    odd = Principal(tenant='a"', user='", Role::"sre', roles=frozenset({'x" || true', "sre "}))
    assert verdict(text, PAY, principal=odd) == "deny"


def test_a_million_characters_are_decided_about() -> None:
    assert verdict(forbidding('context.args.to like "*evil*"'), PAY, args={"to": "x" * 1_000_000}) == "allow"
    assert (
        verdict(forbidding('context.args.to like "*evil*"'), PAY, args={"to": "x" * 10**6 + "evil"}) == "deny"
    )


def test_two_rules_that_read_an_argument_differently_deny_where_they_meet() -> None:
    text = (
        '@id("a") permit (principal, action == Action::"pay", resource) when { context.args.amount < 100 };'
    )
    text += '@id("b") forbid (principal, action in Action::"write", resource)'
    text += ' when { context.args.amount like "9*" };'
    said = CedarPolicy(text)(PAY)
    assert said is not None
    assert said.verdict == "deny"
    assert said.reasons[0].startswith("b: ")


def test_an_effect_that_is_none_denies() -> None:
    odd: Any = "harmless"
    assert verdict(ALL, PAY, effect=odd) == "deny"


def test_a_name_that_is_no_text_denies() -> None:
    assert verdict(ALL, PAY, tool="\ud800") == "deny"


def test_a_reason_does_not_hold_a_long_value() -> None:
    long = forbidding("ip(context.args.to).isLoopback()")
    with pytest.raises(ConfigurationError):
        CedarPolicy(long)
    said = CedarPolicy(forbidding("context.args.to.isLoopback()"))(replace(PAY, args={"to": "x" * 10_000}))
    assert said is not None
    assert said.verdict == "deny"
    assert all(len(reason) < 500 for reason in said.reasons)
