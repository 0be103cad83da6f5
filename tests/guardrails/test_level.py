"""Levels: the lowest counts, whatever the order, and nothing that is added lets more through."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.guardrails.level import (
    EVERY_TENANT,
    LEVELS,
    Held,
    Scope,
    Setting,
    Standing,
    authorise,
    capped,
    lowest,
    passes,
    standing,
)
from pilotman.guardrails.policy import Decision, Effect, Level
from pilotman.guardrails.principal import Principal

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
EFFECTS: tuple[Effect, ...] = ("read", "egress", "write", "irreversible")
OPEN = {"deny": 0, "escalate": 1, "allow": 2}
"""How much an answer lets through."""

levels = st.sampled_from(LEVELS)
effects = st.sampled_from(EFFECTS)
names = st.sampled_from(["a", "b", "c"])
maybe = st.none() | names
decisions = st.sampled_from([Decision.allow("x"), Decision.escalate("x"), Decision.deny("x")])
scopes = st.builds(
    Scope,
    tenant=st.sampled_from(["acme", "globex", EVERY_TENANT]),
    agent=maybe,
    tool=maybe,
    effect=st.none() | effects,
)
settings = st.builds(
    Setting, scope=scopes, level=levels, reason=st.just("why"), by=st.just("bob"), at=st.just(BEGAN)
)
calls = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from(["acme", "globex"]),
        "chain": st.lists(names, min_size=1, max_size=4),
        "tool": names,
        "effect": effects,
    }
)


def setting(level: Any, **scope: Any) -> Setting:
    named: dict[str, Any] = {"tenant": "acme", **scope}
    return Setting(scope=Scope(**named), level=level, reason="why", by="bob", at=BEGAN)


def level_of(found: list[Setting], **call: Any) -> str:
    about: dict[str, Any] = {"tenant": "acme", "chain": ("desk", "ops"), "tool": "pay", **call}
    return standing(found, **about).level


@given(st.lists(settings), calls)
def test_the_level_is_the_lowest_of_all_that_cover_the_call(found: list[Setting], call: Any) -> None:
    covering: list[Level] = [s.level for s in found if s.scope.covers(**call)]
    at = standing(found, **call)
    assert at.level == lowest(covering) == (min(covering, key=LEVELS.index) if covering else "full")
    assert bool(at.why) == (at.level != "full")


@given(st.lists(settings), settings, calls)
def test_another_setting_never_lets_more_through(found: list[Setting], more: Setting, call: Any) -> None:
    before, after = standing(found, **call), standing([*found, more], **call)
    assert LEVELS.index(after.level) <= LEVELS.index(before.level)


@given(st.lists(settings, max_size=6).flatmap(lambda s: st.tuples(st.just(s), st.permutations(s))), calls)
def test_the_order_of_settings_does_not_matter(both: tuple[list[Setting], list[Setting]], call: Any) -> None:
    assert standing(both[0], **call).level == standing(both[1], **call).level


@given(st.lists(settings), calls, names)
def test_delegation_only_narrows(found: list[Setting], call: Any, agent: str) -> None:
    deeper: dict[str, Any] = {**call, "chain": [*call["chain"], agent]}
    inner = standing(found, **deeper)
    assert LEVELS.index(inner.level) <= LEVELS.index(standing(found, **call).level)


@given(st.lists(settings), calls)
def test_what_holds_for_an_agent_holds_for_each_of_its_calls(found: list[Setting], call: Any) -> None:
    agent = standing(found, tenant=call["tenant"], chain=call["chain"])
    assert LEVELS.index(standing(found, **call).level) <= LEVELS.index(agent.level)


def test_each_part_of_a_scope_that_is_named_must_fit() -> None:
    assert level_of([]) == "full"
    assert level_of([setting("off")]) == "off"
    assert level_of([setting("off", tenant="globex")]) == "full"
    assert level_of([setting("off", tenant=EVERY_TENANT)]) == "off"
    assert level_of([setting("off", agent="desk")]) == "off", "an outer supervisor's holds beneath"
    assert level_of([setting("off", agent="other")]) == "full"
    assert level_of([setting("off", tool="pay", agent="ops", effect="write")], effect="write") == "off"
    assert level_of([setting("off", tool="pay", agent="ops", effect="write")], effect="read") == "full"
    assert level_of([setting("off", tool="pay")], tool=None) == "full", "one tool is not the whole agent"


@given(decisions, levels, effects, st.booleans())
def test_a_level_never_gives_more_than_policies_do(
    said: Decision, level: Any, effect: Effect, approved: bool
) -> None:
    answer = capped(said, Standing(level=level, why="so"), effect=effect, approved=approved)
    assert OPEN[answer.verdict] <= OPEN[said.verdict]
    if answer.verdict == "allow":
        assert passes(level, effect=effect, approved=approved), "or the journal would refuse it"
    if level == "full":
        assert answer == said


@given(decisions, levels, levels, effects, st.booleans())
def test_a_lower_level_never_lets_more_through(
    said: Decision, one: Any, other: Any, effect: Effect, approved: bool
) -> None:
    low, high = sorted((one, other), key=LEVELS.index)
    answers = [capped(said, Standing(level=at), effect=effect, approved=approved) for at in (low, high)]
    assert OPEN[answers[0].verdict] <= OPEN[answers[1].verdict]
    assert passes(low, effect=effect, approved=approved) <= passes(high, effect=effect, approved=approved)


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_each_level_makes_of_a_call_that_policies_allow(effect: Effect) -> None:
    writes = effect != "read"
    at = {level: Standing(level=level, why="so") for level in LEVELS}
    yes = Decision.allow()
    assert capped(yes, at["full"], effect=effect, approved=False).verdict == "allow"
    constrained = capped(yes, at["constrained"], effect=effect, approved=False)
    assert constrained.verdict == ("escalate" if writes else "allow")
    assert capped(yes, at["constrained"], effect=effect, approved=True).verdict == "allow"
    held = capped(yes, at["read_only"], effect=effect, approved=True)
    assert (held == Held("deny", ("so",), level="read_only")) == writes
    assert capped(yes, at["off"], effect=effect, approved=True) == Held("deny", ("so",), level="off")


def test_what_policies_deny_is_no_draft() -> None:
    no = Decision.deny("never")
    assert capped(no, Standing(level="read_only", why="so"), effect="write", approved=False) is no


@given(scopes, levels, levels)
def test_in_their_tenant_anyone_may_go_up_to_what_an_operator_set(
    scope: Scope, level: Any, ceiling: Any
) -> None:
    wanted = Setting(scope=scope, level=level, reason="why", by="bob", at=BEGAN)
    bob = Principal(tenant="acme", user="bob")
    may = scope.tenant == "acme" and LEVELS.index(level) <= LEVELS.index(ceiling)
    if may:
        authorise(wanted, bob, ceiling=ceiling)
    else:
        with pytest.raises(PermissionDenied, match="nothing was changed"):
            authorise(wanted, bob, ceiling=ceiling)
    authorise(wanted, Principal(tenant="x", user="eve", roles=frozenset({"operator"})), ceiling=ceiling)


def test_what_is_no_setting_is_refused_and_says_what_would_be() -> None:
    with pytest.raises(InvalidRequest, match="off, read_only, constrained, full"):
        setting("out")
    with pytest.raises(InvalidRequest, match="read, egress, write, irreversible"):
        setting("off", effect="delete")
    for empty in ({"tool": ""}, {"agent": " "}, {"tenant": ""}, {"tool": "x" * 501}):
        with pytest.raises(InvalidRequest, match="1 to 500"):
            setting("off", **empty)
    with pytest.raises(InvalidRequest, match="reason"):
        Setting(scope=Scope(tenant="acme"), level="off", reason=" ", by="bob", at=BEGAN)
