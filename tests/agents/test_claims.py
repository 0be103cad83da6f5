"""Claims: what says that a thing was done is found, what says less is let pass."""

from __future__ import annotations

import pytest
from tests.patience import in_time

from pilotman.agents.claims import unmade

TOOLS = frozenset({"open_ticket", "restart_service", "refund_order", "notify", "send_mail", "updateAccount"})


def claimed(text: str, said: str = "") -> set[str]:
    return {tool for tool, _ in unmade(text, TOOLS, said)}


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("I opened a ticket.", "open_ticket"),
        ("A ticket was opened for web-1.", "open_ticket"),
        ("Ticket created: see above.", "open_ticket"),
        ("The ticket has been filed.", "open_ticket"),
        ("nothing else.\nTicket opened", "open_ticket"),
        ("The nginx service was restarted.", "restart_service"),
        ("We rebooted both services; all is well.", "restart_service"),
        ("The order has been refunded.", "refund_order"),
        ("Notified the team.", "notify"),
        ("An email was sent to alice by mail.", "send_mail"),
        ("The disk was not full, and a ticket was opened.", "open_ticket"),
        ("There was no space left, but the service was restarted.", "restart_service"),
    ],
)
def test_claims_are_found(text: str, tool: str) -> None:
    assert tool in claimed(text)


@pytest.mark.parametrize(
    "text",
    [
        "No ticket was opened.",
        "The ticket wasn't opened.",
        "The ticket wasn\u2019t opened.",
        "A ticket could be opened.",
        "If the service was restarted, wait.",
        "The ticket will be opened once approved.",
        "The ticket is to be opened by a person.",
        "Opening the ticket was refused.",
        "The ticket waits to be opened.",
        "Should the service be restarted?",
        "I recommend that a ticket be opened.",
        "It is unknown whether the order was refunded.",
        "The restart failed; the service is as it was.",
        "The user asked for a refunded order.",
        "The ticket is open.",
        "Please open a ticket.",
        "The door was opened.",
        "The gate restarted by itself.",
        "",
    ],
)
def test_what_says_less_passes(text: str) -> None:
    assert claimed(text) == set()


def test_a_quote_of_what_was_seen_is_no_claim() -> None:
    log = '{"log":"nginx service was restarted by cron. done"}'
    assert claimed("nginx service was restarted by cron.", log) == set()
    assert claimed("nginx service was restarted by me.", log) == {"restart_service"}


def test_what_was_done_may_be_claimed() -> None:
    assert list(unmade("I opened a ticket.", TOOLS - {"open_ticket"}, "")) == []


def test_the_sentence_is_told() -> None:
    ((tool, sentence),) = unmade("Fine. I opened a ticket. Bye.", {"open_ticket"}, "")
    assert (tool, sentence) == ("open_ticket", "I opened a ticket.")


@pytest.mark.parametrize("piece", ["Opened ticket. ", "Opened ticket", "\n", ". ", "restarted ", "n't ", " "])
def test_a_long_text_takes_no_longer_than_its_length_asks_for(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    with in_time():  # a second; squared it would be hours
        claimed(text, text)
        claimed(text, "x" * len(text))
