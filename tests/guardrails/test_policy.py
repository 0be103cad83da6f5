"""Deny wins, silence denies writes, and a policy that is broken opens nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Call, Decision, Policy, Principal
from pilotman.guardrails.policy import Effect, Verdict, decide, default_policy, version_of

effects = st.sampled_from(get_args(Effect))
opinions = st.none() | st.sampled_from(get_args(Verdict)).map(lambda verdict: Decision(verdict, (verdict,)))
BOB = Principal(tenant="t", user="bob")


def call(effect: Effect = "write", **changes: Any) -> Call:
    return replace(Call(tool="restart", args={"host": "web-1"}, effect=effect), **changes)


def saying(opinion: Decision | None) -> Policy:
    return lambda _call: opinion


@given(st.lists(opinions), effects, st.booleans())
def test_deny_over_escalate_over_allow(said: list[Decision | None], effect: Effect, approved: bool) -> None:
    verdict = decide([saying(o) for o in said], call(effect, approved_by=BOB if approved else None)).verdict
    heard = {o.verdict for o in said if o is not None}
    if "deny" in heard:
        assert verdict == "deny"
    elif "escalate" in heard:
        assert verdict == ("allow" if approved else "escalate")
    elif "allow" in heard:
        assert verdict == "allow"
    else:
        assert verdict == ("allow" if effect == "read" else "deny")


@given(st.lists(opinions), st.lists(opinions), effects)
def test_one_more_policy_never_opens_what_another_one_closed(
    said: list[Decision | None], more: list[Decision | None], effect: Effect
) -> None:
    before = decide([saying(o) for o in said], call(effect))
    if any(o is not None and o.verdict != "allow" for o in said):
        rank = {"allow": 0, "escalate": 1, "deny": 2}
        assert rank[decide([saying(o) for o in said + more], call(effect)).verdict] >= rank[before.verdict]


@given(st.permutations([Decision.allow("a"), Decision.escalate("e"), None, Decision.deny("d")]))
def test_the_order_of_policies_does_not_matter(said: list[Decision | None]) -> None:
    assert decide([saying(o) for o in said], call()) == Decision.deny("d")


def raising(_: Call) -> Decision | None:
    raise RuntimeError("no connection")


async def later(_: Call) -> Decision | None:
    return Decision.allow("too late")


@pytest.mark.parametrize(
    "broken",
    [raising, later, lambda _: True, lambda _: "allow", lambda _: Decision("yes")],  # type: ignore[arg-type]
)
@pytest.mark.parametrize("effect", get_args(Effect))
def test_a_broken_policy_denies_reads_too(broken: Any, effect: Effect) -> None:
    assert decide([broken, saying(Decision.allow())], call(effect)).verdict == "deny"


def test_a_person_does_not_overrule_a_denial() -> None:
    policies = [saying(Decision.escalate("a person decides")), saying(Decision.deny("never"))]
    assert decide(policies, call(approved_by=BOB)) == Decision.deny("never")


def test_an_approval_allows_what_was_escalated_and_says_who_gave_it() -> None:
    assert decide([saying(Decision.escalate("risky"))], call(approved_by=BOB)).reasons == (
        "risky",
        "approved by bob",
    )


def test_a_read_whose_effect_nobody_declared_is_a_write() -> None:
    assert decide([], call("read", declared=False)).verdict == "deny"
    assert decide([default_policy], call("read", declared=False)).verdict == "deny"


def test_without_a_policy_of_ones_own() -> None:
    verdicts = {effect: decide([default_policy], call(effect)).verdict for effect in get_args(Effect)}
    assert verdicts == {
        "read": "allow",
        "egress": "escalate",
        "write": "escalate",
        "irreversible": "escalate",
    }


def test_the_digest_of_a_call_covers_the_tool_and_every_argument() -> None:
    base = call()
    assert replace(base, agent="other", scopes=frozenset({"x"})).digest == base.digest
    assert replace(base, tool="stop").digest != base.digest
    assert replace(base, args={"host": "web-2"}).digest != base.digest
    assert replace(base, args={"host": "web-1", "force": None}).digest != base.digest


def test_versions_tell_policies_apart_and_are_stable() -> None:
    def one(_: Call) -> Decision | None:
        return Decision.allow("one")

    def two(_: Call) -> Decision | None:
        return Decision.deny("two")

    class Named:
        version = "2026-01"

        def __call__(self, call: Call, /) -> Decision | None:
            return None

    class Unnamed:
        def __call__(self, call: Call, /) -> Decision | None:
            return None

    assert version_of([one]) == version_of([one])
    assert (
        len({version_of(p) for p in ([one], [two], [one, two], [two, one], [Named()], [Unnamed()], [])}) == 7
    )
