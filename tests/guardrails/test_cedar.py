"""Policies in Cedar: three answers, every leg asked, and what cannot be evaluated lets nothing through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilotman.guardrails import Call, CedarPolicy, Decision, Label, Policy, Principal
from pilotman.guardrails.policy import Effect, decide, default_policy, version_of

ALICE = Principal(tenant="acme", user="alice", roles=frozenset({"sre"}))
CAROL = Principal(tenant="acme", user="carol", roles=frozenset({"sre"}))
BOB = Principal(tenant="acme", user="bob")
P07 = """
@id("sre-may-restart") @description("SREs may restart services in their own tenant, once a person said yes")
permit (principal in Role::"sre", action == Action::"restart_service", resource)
when { context.approved && resource.tenant == principal.tenant };
"""
RESTART = Call(tool="restart_service", args={"service": "nginx"}, principal=ALICE, agent="operator")
PAY = Call(tool="pay", args={"amount": 120, "to": "bob"}, principal=ALICE, agent="clerk")
UNTOLD = "Cedar cannot be told of this call"
PAGE = Label(author="third_party", trusted=False, tenant="acme")
SECRET = Label(author="tool", trusted=True, tenant="acme", sensitivity="secret")
ALL = '@id("all") permit (principal, action, resource);'


def verdict(policies: str, call: Call, **changes: Any) -> str | None:
    said = CedarPolicy(policies)(replace(call, **changes))
    return None if said is None else said.verdict


# Three answers


def test_an_sre_is_asked_first_and_may_then_and_others_may_not() -> None:
    policy = CedarPolicy(P07)
    assert policy.check() == []
    reason = "sre-may-restart: SREs may restart services in their own tenant, once a person said yes"
    assert policy(RESTART) == Decision.escalate(reason)
    assert policy(replace(RESTART, approved_by=CAROL)) == Decision.allow(reason)
    assert policy(replace(RESTART, principal=BOB)) == Decision.deny(
        "no policy permits restart_service for the user acme/bob"
    )


def test_a_call_that_no_permit_speaks_of_gets_no_opinion_so_that_reads_pass_and_writes_do_not() -> None:
    read = replace(RESTART, tool="disk_usage", effect="read")
    policy = CedarPolicy(P07)
    assert policy(read) is None
    assert decide([policy], read).verdict == "allow"
    assert decide([policy], replace(read, effect="write")).verdict == "deny"


def test_a_forbid_denies_also_where_no_permit_speaks() -> None:
    forbid = '@id("f") forbid (principal, action in [Action::"read"], resource) when { context.run.tainted };'
    call = replace(PAY, effect="read")
    assert verdict(forbid, call) is None
    assert verdict(forbid, call, run_labels=frozenset({PAGE})) == "deny"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [("", "escalate"), ("@approvable ", "escalate"), ('@approvable("no") ', "deny")],
)
def test_a_permit_that_reads_the_approval_asks_unless_it_says_no(annotation: str, expected: str) -> None:
    text = f'{annotation}@id("p") permit (principal, action, resource) when {{ context.approved }};'
    assert verdict(text, PAY) == expected
    assert verdict(text, PAY, approved_by=CAROL) == "allow"


def test_a_forbid_sees_a_supposed_approval_only_if_it_is_approvable() -> None:
    forbid = "forbid (principal, action, resource) unless { context.approved };"
    asks = f'{ALL} @id("f") @approvable {forbid}'
    assert verdict(asks, PAY) == "escalate"
    assert verdict(asks, PAY, approved_by=CAROL) == "allow"
    denies = f'{ALL} @id("f") {forbid}'
    assert verdict(denies, PAY) == "deny"
    assert verdict(denies, PAY, approved_by=CAROL) == "allow"


def test_one_approvable_policy_does_not_show_the_supposed_approval_to_another() -> None:
    text = '@id("a") permit (principal in Role::"boss", action, resource) when { context.approved };'
    text += '@id("b") @approvable("no") permit (principal, action, resource) when { context["approved"] };'
    assert verdict(text, PAY) == "deny"
    assert verdict(text, PAY, approved_by=CAROL) == "allow"


def test_what_a_yes_would_not_lift_is_not_asked() -> None:
    text = (
        P07.replace("restart_service", "pay")
        + '@id("no") forbid (principal, action, resource) when { context.args.to == "bob" };'
    )
    assert CedarPolicy(text)(PAY) == Decision.deny("no")


# Legs


def test_the_agent_is_asked_once_policies_name_agents() -> None:
    users = '@id("u") permit (principal in Role::"sre", action, resource);'
    assert verdict(users, PAY) == "allow"
    both = f'{users} @id("a") permit (principal == Agent::"clerk", action == Action::"pay", resource);'
    assert verdict(both, PAY) == "allow"
    assert verdict(both, PAY, agent="hijacked") == "deny"
    assert verdict(both, PAY, agent="") == "deny"
    assert verdict(both, PAY, tool="delete") == "deny"
    assert verdict(both, PAY, principal=BOB) == "deny"


def test_a_child_has_no_right_that_a_supervisor_above_it_lacks() -> None:
    text = '@id("u") permit (principal is User, action, resource);'
    for name in ("desk", "clerk"):
        text += f'@id("{name}") permit (principal == Agent::"{name}", action, resource);'
    assert verdict(text, PAY, agent="clerk", chain=("desk", "clerk")) == "allow"
    assert verdict(text, PAY, agent="clerk", chain=("visitor", "desk", "clerk")) == "deny"
    text += '@id("f") forbid (principal == Agent::"desk", action == Action::"pay", resource);'
    assert verdict(text, PAY, agent="clerk", chain=("desk", "clerk")) == "deny"


def test_a_forbid_about_agents_needs_no_permit_for_the_others() -> None:
    text = '@id("u") permit (principal is User, action, resource);'
    text += '@id("f") forbid (principal == Agent::"intern", action, resource);'
    assert verdict(text, PAY) == "allow"
    assert verdict(text, PAY, agent="intern") == "deny"


def test_an_approver_must_have_the_right_too() -> None:
    assert verdict(P07, RESTART, approved_by=CAROL) == "allow"
    assert verdict(P07, RESTART, approved_by=BOB) == "deny"
    assert verdict(P07, RESTART, approved_by=replace(CAROL, tenant="evil")) == "deny"


def test_policies_can_refuse_who_approves_a_call_of_their_own() -> None:
    text = (
        P07
        + """@id("four-eyes") forbid (principal is User, action, resource)
    when { context.leg == "approver" && principal == context.requester };"""
    )
    assert verdict(text, RESTART) == "escalate"
    assert verdict(text, RESTART, approved_by=ALICE) == "deny"
    assert verdict(text, RESTART, approved_by=replace(ALICE, roles=frozenset({"sre", "boss"}))) == "deny"
    assert verdict(text, RESTART, approved_by=CAROL) == "allow"


def test_an_approver_may_be_somebody_who_may_only_approve() -> None:
    text = """@id("clerks") permit (principal in Role::"clerk", action, resource)
    when { context.leg == "user" && context.approved };
    @id("bosses") permit (principal in Role::"boss", action, resource) when { context.leg == "approver" };"""
    clerk, boss = (replace(BOB, user=role, roles=frozenset({role})) for role in ("clerk", "boss"))
    assert verdict(text, PAY, principal=clerk) == "escalate"
    assert verdict(text, PAY, principal=clerk, approved_by=boss) == "allow"
    assert verdict(text, PAY, principal=clerk, approved_by=clerk) == "deny"
    assert verdict(text, PAY, principal=boss) == "deny"


def test_roles_that_the_same_person_has_as_approver_do_not_help_them_as_requester() -> None:
    text = '@id("p") permit (principal in Role::"boss", action, resource) when { context.approved };'
    boss = replace(ALICE, roles=frozenset({"boss"}))
    assert verdict(text, PAY, principal=ALICE, approved_by=boss) == "deny"
    assert verdict(text, PAY, principal=boss, approved_by=ALICE) == "deny"
    assert verdict(text, PAY, principal=boss, approved_by=boss) == "allow"


def test_no_two_principals_share_a_name() -> None:
    text = '@id("p") permit (principal == User::"a/b/c", action, resource);'
    assert verdict(text, PAY, principal=Principal(tenant="a", user="b/c")) == "allow"
    assert verdict(text, PAY, principal=Principal(tenant="a/b", user="c")) == "deny"
    slash = text.replace("a/b/c", "a%2Fb/c")
    assert verdict(slash, PAY, principal=Principal(tenant="a/b", user="c")) == "allow"
    assert verdict(slash, PAY, principal=Principal(tenant="a%2Fb", user="c")) == "deny"


# Versions


def test_any_change_of_text_changes_the_version(tmp_path: Path) -> None:
    (tmp_path / "a.cedar").write_text(P07)
    first = CedarPolicy(P07)
    assert CedarPolicy(tmp_path / "a.cedar").version == first.version == CedarPolicy(P07).version
    assert CedarPolicy(P07 + " ").version != first.version
    assert CedarPolicy(P07, schema=SCHEMA).version != first.version
    assert CedarPolicy(P07, schema=SCHEMA + "\n").version != CedarPolicy(P07, schema=SCHEMA).version
    assert version_of([CedarPolicy(P07)]) == version_of([first]) != version_of([CedarPolicy(ALL)])


# A schema of one's own

SCHEMA = """
entity Role;
entity User in [Role] { tenant: String, level?: Long };
entity Tool { tenant: String };
action "ops";
action restart_service in ["ops"] appliesTo {
  principal: [User], resource: [Tool], context: { approved: Bool, args: { service: String, force?: Bool } }
};
"""


def test_a_schema_may_declare_less_than_we_tell() -> None:
    policy = CedarPolicy(P07, schema=SCHEMA)
    assert policy.check() == []
    said = [
        policy(RESTART),
        policy(replace(RESTART, approved_by=CAROL)),
        policy(replace(RESTART, principal=BOB)),
    ]
    assert [decision and decision.verdict for decision in said] == ["escalate", "allow", "deny"]
    assert policy(replace(RESTART, tool="other")) is None


def test_groups_of_a_schema_hold_and_so_does_the_group_of_the_effect() -> None:
    text = '@id("o") permit (principal, action in Action::"ops", resource);'
    text += '@id("i") forbid (principal, action in Action::"irreversible", resource);'
    policy = CedarPolicy(text, schema=SCHEMA)
    assert policy(RESTART) == Decision.allow("o")
    assert policy(replace(RESTART, effect="irreversible")) == Decision.deny("i")
    assert policy(replace(RESTART, tool="ops")) is None


def test_what_a_schema_requires_must_be_there_if_a_rule_reads_it() -> None:
    text = '@id("p") permit (principal, action == Action::"restart_service", resource)'
    text += ' when { context.args.service != "db" };'
    policy = CedarPolicy(text, schema=SCHEMA)
    assert policy(RESTART) == Decision.allow("p")
    said = policy(replace(RESTART, args={"force": True}))
    assert said == Decision.deny(f"{UNTOLD}: args.service is missing, and the schema requires it")
    assert policy(replace(RESTART, args={"service": 3})) == Decision.deny(
        f"{UNTOLD}: args.service is a whole number; policies read it as String"
    )


# Defaults and programs


@pytest.mark.parametrize("effect", ["read", "egress", "write", "irreversible"])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("approver", [None, CAROL])
def test_the_shipped_policies_agree_with_no_policy_where_nothing_is_labelled(
    effect: Effect, declared: bool, approver: Principal | None
) -> None:
    call = replace(PAY, effect=effect, declared=declared, approved_by=approver)
    assert decide([CedarPolicy.default()], call).verdict == decide([default_policy], call).verdict


def test_the_shipped_policies_have_no_findings() -> None:
    assert CedarPolicy.default().check() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"effect": "irreversible", "approved_by": ALICE}, "deny"),
        ({"effect": "irreversible", "approved_by": CAROL}, "allow"),
        ({"effect": "write", "approved_by": ALICE}, "allow"),
        ({"approved_by": replace(CAROL, tenant="evil")}, "deny"),
        ({"run_labels": frozenset({replace(PAGE, tenant="evil")})}, "deny"),
        ({"run_labels": frozenset({replace(PAGE, tenant="evil")}), "effect": "read"}, "deny"),
        ({"run_labels": frozenset({SECRET})}, "escalate"),
        ({"labels": {"to": frozenset({PAGE})}}, "escalate"),
        ({"run_labels": frozenset({SECRET}), "labels": {"to": frozenset({PAGE})}}, "deny"),
        (
            {"run_labels": frozenset({SECRET}), "labels": {"to": frozenset({PAGE})}, "effect": "egress"},
            "deny",
        ),
        ({"run_labels": frozenset({SECRET}), "labels": {"to": frozenset({PAGE})}, "effect": "read"}, "allow"),
    ],
)
def test_the_shipped_policies_keep_tenants_apart_and_secrets_in(
    changes: dict[str, Any], expected: str
) -> None:
    said = CedarPolicy.default()(replace(PAY, **changes))
    assert said is not None
    assert said.verdict == expected


def no_exfiltration(call: Call) -> Decision | None:
    secret = any(label.sensitivity == "secret" for label in call.run_labels)
    foreign = any(label.author == "third_party" for label in call.labels.get("body", frozenset()))
    if call.tool == "send_mail" and secret and foreign:
        return Decision.deny("secrets were read and the body comes from a third party")
    return None


def in_working_hours(call: Call) -> Decision | None:
    return (
        Decision.escalate("outside working hours") if call.effect != "read" and call.now.hour >= 18 else None
    )


def test_cedar_and_python_rules_decide_together(tmp_path: Path) -> None:
    (tmp_path / "policies.cedar").write_text(P07)
    (tmp_path / "schema.cedarschema").write_text(SCHEMA)
    cedar = CedarPolicy(tmp_path / "policies.cedar", schema=tmp_path / "schema.cedarschema")
    assert not cedar.check()
    rules: list[Policy] = [cedar, no_exfiltration, in_working_hours]
    morning, evening = (datetime(2026, 5, 5, hour, tzinfo=UTC) for hour in (9, 19))
    assert decide(rules, replace(RESTART, now=morning)).verdict == "escalate"
    assert decide(rules, replace(RESTART, now=evening, approved_by=CAROL)).verdict == "allow"
    assert decide(rules, replace(RESTART, now=morning, principal=BOB)).verdict == "deny"
    mail = Call(tool="send_mail", args={"body": "…"}, principal=ALICE, now=morning)
    assert decide(rules, mail).verdict == "deny"
    assert decide(rules, replace(mail, tool="disk_usage", effect="read")).verdict == "allow"
