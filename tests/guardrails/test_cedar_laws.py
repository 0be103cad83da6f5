"""Laws of Cedar policies: a forbid never opens anything, deny wins, and the order of files says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.guardrails import Call, Principal
from pilotman.guardrails.cedar import CedarPolicy
from pilotman.guardrails.policy import Decision, Effect

effects: st.SearchStrategy[Effect] = st.sampled_from(["read", "egress", "write", "irreversible"])
people = st.builds(
    Principal,
    tenant=st.sampled_from(["acme", "evil"]),
    user=st.sampled_from(["alice", "bob"]),
    roles=st.frozensets(st.sampled_from(["sre", "boss"])),
)
values = st.none() | st.integers(-(2**65), 2**65) | st.floats() | st.text() | st.lists(st.integers(0, 3))
calls = st.builds(
    Call,
    tool=st.sampled_from(["pay", "mail", "read", 'x" || true //']),
    args=st.dictionaries(st.sampled_from(["amount", "to"]), values | st.integers(0, 200)),
    effect=effects,
    declared=st.booleans(),
    principal=people,
    agent=st.sampled_from(["clerk", "", "scout"]),
    approved_by=st.none() | people,
)
scopes = st.tuples(
    st.sampled_from(
        ["principal", 'principal in Role::"sre"', "principal is User", 'principal == Agent::"clerk"']
    ),
    st.sampled_from(["action", 'action == Action::"pay"', 'action in [Action::"write", Action::"read"]']),
    st.sampled_from(["resource", 'resource == Tool::"pay"']),
).map(lambda parts: f"({', '.join(parts)})")
conditions = st.sampled_from(
    [
        "",
        "when { context.approved }",
        "unless { context.approved }",
        "when { context.args.amount > 100 }",
        "when { context.args has amount && context.args.amount > 100 }",
        'unless { context.args has to && context.args.to like "b*" }',
        "when { principal.tenant == resource.tenant }",
        'when { context.leg == "approver" && principal == context.requester }',
    ]
)
marks = st.sampled_from(["", "@approvable ", '@approvable("no") '])
permits = st.tuples(marks, scopes, conditions).map(lambda p: f"{p[0]}permit {p[1]} {p[2]};")
forbids = st.tuples(marks, scopes, conditions).map(lambda p: f"{p[0]}forbid {p[1]} {p[2]};")
sets = st.lists(permits | forbids, min_size=1, max_size=5)

OPEN = {"deny": 0, "escalate": 1, None: 1, "allow": 2}
"""None opens nothing by itself: a forbid that a yes would lift may make it a question."""


def said(rules: list[str], call: Call) -> str | None:
    decision = CedarPolicy("\n".join(rules))(call)
    return None if decision is None else decision.verdict


@given(sets, forbids, calls, st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_one_more_forbid_never_opens_anything(rules: list[str], forbid: str, call: Call, place: int) -> None:
    before, after = said(rules, call), said([*rules[:place], forbid, *rules[place:]], call)
    assert OPEN[after] <= OPEN[before]
    if before == "escalate":
        assert after in {"escalate", "deny"}


@given(sets, calls)
@settings(max_examples=100, deadline=None)
def test_the_order_of_rules_and_files_says_nothing(rules: list[str], call: Call) -> None:
    verdict = said(rules, call)
    assert said(rules[::-1], call) == verdict
    with TemporaryDirectory() as folder:
        for number, rule in enumerate(rules):
            (Path(folder) / f"{len(rules) - number}.cedar").write_text(rule)
        decision = CedarPolicy(Path(folder))(call)
    assert (decision and decision.verdict) == verdict


@given(sets, calls)
@settings(max_examples=100, deadline=None)
def test_a_forbid_of_everything_denies_whatever_is_permitted(rules: list[str], call: Call) -> None:
    assert said([*rules, "forbid (principal, action, resource);"], call) == "deny"


@given(sets, calls)
@settings(max_examples=100, deadline=None)
def test_an_escalation_waits_for_a_yes_and_no_more(rules: list[str], call: Call) -> None:
    against = ("permit", "unless { context.approved"), ("forbid", " when { context.approved")
    rules = [rule for rule in rules if not any(effect in rule and on in rule for effect, on in against)]
    rules = [rule for rule in rules if "approver" not in rule]
    if not rules or said(rules, replace(call, approved_by=None)) != "escalate":
        return
    assert said(rules, replace(call, approved_by=call.principal)) != "deny"


@given(calls)
@settings(max_examples=100, deadline=None)
def test_the_same_call_gets_the_same_answer(call: Call) -> None:
    policy = CedarPolicy.default()
    first: Decision | None = policy(call)
    assert first is not None
    assert policy(call) == first == CedarPolicy.default()(call)
