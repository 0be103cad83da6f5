"""What must not break: forms are recognised exactly, and a year or a currency is never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pilotman.agents.rules.formats import dates, find_form, money, numbers


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("email", "write to Jo.X+a@mail.example.org, please", ["Jo.X+a@mail.example.org"]),
        ("uri", "see (https://x.example/a?b=1).", ["https://x.example/a?b=1"]),
        ("ipv4", "10.0.12.7 but not 300.1.1.1 nor 1.2.3.4.5", ["10.0.12.7"]),
        ("hostname", "web-1 and db.eu.example.com, jo@x.example", ["web-1", "db.eu.example.com"]),
        ("hostname", "87.2% of 9.5 requests to 10.0.12.7", ["10.0.12.7"]),
        ("date-time", "since 2026-11-18T06:14:00Z", ["2026-11-18T06:14:00Z"]),
        ("path", "on /var/lib/data.", ["/var/lib/data"]),
        ("uuid", "id 123e4567-e89b-12d3-a456-426614174000", ["123e4567-e89b-12d3-a456-426614174000"]),
        ("percent", "97.5% of 12 %", ["97.5%", "12 %"]),
        ("no-such-form", "x", []),
    ],
)
def test_forms(form: str, text: str, found: list[str]) -> None:
    assert find_form(form, text) == found


def test_dates_in_the_order_of_the_text() -> None:
    text = "from 3 May 2026 or May 4th, 2026 until 2026-05-07, not in June, not on 31 Feb 2026"
    assert dates(text) == ["2026-05-03", "2026-05-04", "2026-05-07"]
    assert find_form("date", "next Monday") == []


def test_money_with_its_currency() -> None:
    assert money("$12.50, 1,250 EUR, USD 3 and 7 pounds") == [
        (Decimal("12.50"), "USD"),
        (Decimal(1250), "EUR"),
        (Decimal(3), "USD"),
        (Decimal(7), "GBP"),
    ]
    assert money("order 1250") == []


def test_numbers_that_stand_alone() -> None:
    assert numbers("3 of web-1 at 10:30 on 2026-05-03, -4.5 and v1.2, 50%") == ["3", "-4.5"]
