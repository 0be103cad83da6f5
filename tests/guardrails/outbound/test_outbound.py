"""What an author says about kinds and categories, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails import Outbound
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.outbound.finding import Category, Finding
from pilotman.guardrails.outbound.outbound import Action, opinion


def nothing(_: str) -> list[Finding]:
    return []


CATEGORIES: dict[str, Category] = {"github_token": "secret", "iban": "identifier", "email": "contact"}


def test_by_default_secrets_stay_identifiers_are_asked_about_and_contacts_pass() -> None:
    plain = Outbound()
    asked = {kind: plain.in_arguments("send", kind, category) for kind, category in CATEGORIES.items()}
    assert asked == {"github_token": "block", "iban": "escalate", "email": "pass"}
    answered = {kind: plain.in_answers(kind, category) for kind, category in CATEGORIES.items()}
    assert answered == {"github_token": "redact", "iban": "redact", "email": "pass"}
    assert not any(plain.hides(kind, category) for kind, category in CATEGORIES.items())


def test_a_kind_goes_before_its_category_and_a_tool_before_all_tools() -> None:
    said = Outbound(
        arguments={"identifier": "block", "iban": "redact"},
        answers={"identifier": "pass", "iban": "block"},
        tools={"pay": {"identifier": "pass"}},
        models=["identifier"],
    )
    assert said.in_arguments("send", "iban", "identifier") == "redact"
    assert said.in_arguments("send", "payment_card", "identifier") == "block"
    assert said.in_arguments("pay", "iban", "identifier") == "pass"
    assert said.in_arguments("pay", "password", "secret") == "block"
    assert said.in_answers("iban", "identifier") == "block"
    assert said.in_answers("national_id", "identifier") == "pass"
    assert said.hides("iban", "identifier")


def test_a_value_is_the_user_s_own_only_where_its_kind_may_be() -> None:
    token = Finding(kind="github_token", category="secret", start=0, end=1, value="x")
    iban = Finding(kind="iban", category="identifier", start=0, end=1, value="x")
    assert not Outbound().is_own(token, {"x"})
    assert Outbound().is_own(iban, {"x"})
    assert not Outbound().is_own(iban, {"y"})
    assert Outbound(own=["github_token"]).is_own(token, {"x"})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"arguments": {"secret": "hide"}}, "no action"),
        ({"links": "allow"}, "no action"),
        ({"tools": {"pay": {"iban": "yes"}}}, "no action"),
        ({"answers": {"ibans": "pass"}}, "no kind"),
        ({"own": ["person"]}, "no kind"),
        ({"own": "iban"}, "is a list"),
        ({"hosts": "docs.example.com"}, "is a list"),
        ({"regions": ["Germany"]}, "no region"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        Outbound(**settings)
    assert refused.value.hint


def test_with_further_detectors_further_kinds_can_be_named() -> None:
    Outbound(answers={"person": "redact"}, detectors=[nothing])


def test_every_setting_is_part_of_the_version() -> None:
    several: list[dict[str, Any]] = [
        {},
        {"arguments": {"iban": "pass"}},
        {"answers": {"iban": "pass"}},
        {"tools": {"pay": {"iban": "pass"}}},
        {"own": []},
        {"models": ["iban"]},
        {"links": "pass"},
        {"hosts": ["a.example"]},
        {"regions": ["DE"]},
        {"detectors": [nothing]},
    ]
    versions = [Outbound(**settings).version for settings in several]
    assert len(set(versions)) == len(versions)
    assert Outbound().version == versions[0]


def test_a_block_goes_before_a_question_and_a_question_before_nothing() -> None:
    acts: list[tuple[Action, str]] = [("pass", "a"), ("escalate", "b"), ("block", "c"), ("block", "c")]
    assert (opinion(acts).verdict, opinion(acts).reasons) == ("deny", ("c",))
    assert (opinion(acts[:2]).verdict, opinion(acts[:2]).reasons) == ("escalate", ("b",))
    assert opinion(acts[:1]).verdict == "allow"
    assert opinion([("redact", "d")]).verdict == "escalate", "somebody put it there after it was redacted"
