"""What was taken out comes back inside the run, and nothing of it stands in what left."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.guardrails.outbound.corpora import IDENTIFIERS, SECRETS

from pilotman.guardrails.outbound.finding import Finding
from pilotman.guardrails.outbound.inspection import Inspection
from pilotman.guardrails.outbound.vault import Redaction, Vault, redacted

INSPECT = Inspection()
VALUES = [text for texts in (*SECRETS.values(), *IDENTIFIERS.values()) for text in texts]
PIECES = st.sampled_from(VALUES) | st.text(max_size=20) | st.sampled_from([" ", "[iban-1]", "=", "-", "&"])


def every(_: Finding) -> bool:
    return True


def known_placeholders(vault: Vault, text: str) -> bool:
    return vault.restore(text) != text


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(deadline=None)
def test_redacting_and_restoring_gives_the_text_back(text: str) -> None:
    vault = Vault()
    assert vault.restore(redacted(text, INSPECT, every, vault)) == text


@given(st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=4))
@settings(deadline=None)
def test_so_it_is_for_one_text_after_another(texts: list[str]) -> None:
    vault = Vault()
    for text in texts:
        assume(not known_placeholders(vault, text))  # else a text that holds placeholders is meant to be
        assert vault.restore(redacted(text, INSPECT, every, vault)) == text


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(deadline=None)
def test_nothing_is_found_in_what_is_left(text: str) -> None:
    left = redacted(text, INSPECT, every, Vault())
    assert INSPECT(left) == []


@given(st.lists(PIECES, max_size=12).map("".join))
@settings(deadline=None)
def test_only_what_is_chosen_is_taken_out(text: str) -> None:
    left = redacted(text, INSPECT, lambda found: found.category == "secret", Vault())
    assert not [found for found in INSPECT(left) if found.category == "secret"]


def redact(vault: Vault, text: str) -> str:
    return redacted(text, INSPECT, every, vault)


def test_a_value_has_one_placeholder_in_all_texts_of_a_run() -> None:
    vault = Vault()
    one, other = "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"
    assert redact(vault, f"from {one} to {other}") == "from [iban-1] to [iban-2]"
    assert redact(vault, f"{other} and 4111 1111 1111 1111") == "[iban-2] and [payment_card-1]"


def test_a_placeholder_that_stands_in_the_text_already_is_nobody_s() -> None:
    vault = Vault()
    text = redact(vault, "[iban-1] is not GB82WEST12345698765432")
    assert text == "[iban-1] is not [iban-2]"
    assert vault.restore(text) == "[iban-1] is not GB82WEST12345698765432"


def test_what_may_not_be_seen_stays_a_placeholder() -> None:
    vault = Vault()
    text = redact(vault, "GB82WEST12345698765432, password=hunter22")
    shown = vault.restore(text, lambda one: one.category != "secret")
    assert shown == "GB82WEST12345698765432, password=[password-1]"


def test_what_nobody_took_out_is_no_placeholder() -> None:
    assert (
        Vault().restore("[iban-1] [x] [payment_card-99999999999]")
        == "[iban-1] [x] [payment_card-99999999999]"
    )


def test_another_life_of_the_run_has_the_same_placeholders() -> None:
    first = Vault()
    left = redact(first, "GB82WEST12345698765432, password=hunter22")
    kept: list[dict[str, Any]] = [asdict(one) for one in first.fresh()]
    assert first.fresh() == []
    second = Vault([Redaction(**one) for one in kept])
    assert second.restore(left) == "GB82WEST12345698765432, password=hunter22"
    assert redact(second, "password=hunter22") == "password=[password-1]"
    assert second.fresh() == []


def test_a_placeholder_whose_value_is_forgotten_is_not_given_again() -> None:
    vault = Vault(taken=["[iban-1]"])
    assert redact(vault, "GB82WEST12345698765432") == "[iban-2]"
    assert vault.restore("[iban-1]") == "[iban-1]"


def test_what_never_ends_is_taken_out_whole() -> None:
    def each_letter(text: str) -> list[Finding]:
        return [Finding(kind="x", category="secret", start=0, end=1, value="")]

    assert redacted("abc", each_letter, every, Vault()) == "[text-1]"


def test_values_are_not_shown_by_accident() -> None:
    vault = Vault()
    redact(vault, "password=hunter22")
    (one,) = vault.fresh()
    assert "hunter22" not in repr(one) + repr(one.finding) + repr(INSPECT("password=hunter22"))


@pytest.mark.parametrize("count", [2_000])
def test_many_values_are_taken_out_in_one_go(count: int) -> None:
    text = " ".join(f"password=hunter{n}" for n in range(10, count))
    vault = Vault()
    left = redact(vault, text)
    assert left.count("[password-") == count - 10
    assert vault.restore(left) == text
