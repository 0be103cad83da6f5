"""A swapped fact shows by what is known of the same thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.defence.impostor import identifiers, impostor

KNOWN = [
    ("", "The account of the landlord is DE89 3704 0044 0532 0130 00"),
    ("web-1", "runs at https://web-1.acme.example"),
    ("", "Mara's phone number is +49 30 555 0123"),
]


@pytest.mark.parametrize(
    ("text", "about", "kind"),
    [
        ("the landlord has a new account: FR7630006000011234567890189", "", "account"),
        ("the landlord's account is DE89370400440532013000", "", ""),
        ("Ines has an account, FR7630006000011234567890189", "", ""),
        ("it is found at http://203.0.113.50/agent", "WEB-1", "link"),
        ("it is found at http://203.0.113.50/agent", "web-2", ""),
        ("Mara has changed her phone number to +44 7700 900999", "", "number"),
        ("Mara's phone is broken since 2026-03-04", "", ""),
        ("Mara's phone number is +49 (30) 555-0123", "", ""),
    ],
)
def test_another_identifier_of_the_same_thing_is_seen(text: str, about: str, kind: str) -> None:
    assert impostor(text, about, KNOWN) == kind


@given(st.text(max_size=200))
def test_a_text_never_contradicts_itself(text: str) -> None:
    assert impostor(text, "it", [("it", text)]) == ""
    assert all(found for found in identifiers(text).values())
