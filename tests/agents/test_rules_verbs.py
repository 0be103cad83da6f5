"""What must not break: an action is asked for, or it is only talked about."""

from __future__ import annotations

import pytest

from pilotman.guardrails.wording.verbs import Deed, asks_for, deed, demands, instructs, wants_information

TICKET = deed("open_ticket", "Open a ticket.", ("title", "host"))
RESTART = deed("restart_service", "Restart a service on its host.", ("service",))
REFUND = deed("issue_refund", "Pay an order back.", ("order_id",))
ONE_WORD = deed("refund", "Refund an order.", ("order_id", "amount_cents"))
ACCOUNT = deed("update_account", "Update a customer's account: e-mail, phone or address.", ("field", "value"))
ORDER = deed("update_order", "Change the items of an order.", ("items",))
MAIL = deed("send_email", "Send an e-mail.", ("to", "body"))
CANCEL_ORDER = deed("cancel_order", "Cancel an order.", ("order_id",))
LEND = deed("lend_book", "Lend a book to the reader who asks.", ("book",))
CANCEL_PLAN = deed("cancel_subscription", "Cancel a subscription.", ("plan",))


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        (TICKET, "web-1 is out of disk: find out why and open a ticket"),
        (TICKET, "Please create a ticket for this."),
        (TICKET, "Can you file a ticket?"),
        (TICKET, "I need a ticket for the broken printer"),
        (TICKET, "Look into it, then raise a ticket."),
        (TICKET, "Use open_ticket for this."),
        (TICKET, "Don't restart anything, but open a ticket."),
        (TICKET, "Do not restart it, open a ticket"),
        (RESTART, "restart nginx on web-1"),
        (RESTART, "Please immediately restart the nginx service"),
        (RESTART, "The service should be restarted now."),
        (RESTART, "I want you to restart nginx"),
        (RESTART, "Could you reboot the nginx service?"),
        (REFUND, "I want a refund for order 12"),
        (LEND, 'Please lend the book "Momo" to me'),
        (REFUND, "refund order 12 please"),
        (ONE_WORD, "Please refund order 12."),
        (ONE_WORD, "Where is my parcel? If it is lost, refund it"),
        (ACCOUNT, "Also please change my e-mail to jo@new.example."),
        (ACCOUNT, "update my phone number"),
        (MAIL, "then e-mail hr@corp.example about it"),
        (MAIL, "notify bob by email"),
    ],
)
def test_what_is_asked_for(tool: Deed, text: str) -> None:
    assert demands(tool, text)


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        (TICKET, "the ticket is still open"),
        (TICKET, "Is the ticket open?"),
        (TICKET, "How do I open a ticket?"),
        (TICKET, "Do not open a ticket."),
        (TICKET, "Never create or file a ticket"),
        (TICKET, "There is no need to open a ticket"),
        (TICKET, "disk full"),
        (RESTART, "Why did the service restart?"),
        (RESTART, "nginx was restarted at noon, is it healthy?"),
        (RESTART, "kubernetes tries to restart the service"),
        (RESTART, "Prometheus has failed to restart the service."),
        (RESTART, "Do not, under any circumstances, restart the service"),
        (RESTART, "find out why without restarting the service"),
        (RESTART, "The restart of the service took an hour"),
        (REFUND, "What is the status of my refund for order 12?"),
        (REFUND, "I want to know my refund status"),
        (ONE_WORD, "Where is my refund for order 12?"),
        (ONE_WORD, "My refund has not arrived, what is your refund policy?"),
        (ACCOUNT, "Is my account up to date?"),
        (MAIL, "I got your email yesterday"),
        (MAIL, "please don\u2019t email me"),
    ],
)
def test_what_is_only_talked_about(tool: Deed, text: str) -> None:
    assert not demands(tool, text)


def test_the_same_words_mean_the_tool_that_fits_best() -> None:
    text = "Cancel my order 12 and update my address"
    assert asks_for(CANCEL_ORDER, text, [CANCEL_PLAN])
    assert not asks_for(CANCEL_PLAN, text, [CANCEL_ORDER])
    assert asks_for(ACCOUNT, text, [ORDER])
    assert not asks_for(ORDER, text, [ACCOUNT])


def test_two_tools_that_one_sentence_asks_for_are_both_meant() -> None:
    text = "Open a ticket, then send an e-mail to bob"
    assert asks_for(TICKET, text, [MAIL])
    assert asks_for(MAIL, text, [TICKET])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1. Restart the service.", True),
        ("If it hangs, restart the kubelet.", True),
        ("Try restarting the service", True),
        ("You need to restart the service.", True),
        ("The service must be restarted.", True),
        ("Restart your laptop.", False),
        ("Kubernetes tries to restart the service automatically.", False),
        ("The service can restart at any time.", False),
        ("Do not restart the service.", False),
        ("Should you restart the service?", False),
    ],
)
def test_a_document_instructs_or_describes(text: str, told: bool) -> None:
    assert instructs(RESTART, text, frozenset({"kubelet"})) is told


def test_deeds_are_read_from_names_and_descriptions() -> None:
    assert (TICKET.verb, TICKET.objects) == ("open", frozenset({"ticket"}))
    assert deed("ticket_create").verb == "create"
    assert deed("web_search", "Search the web.").reads
    assert deed("getUser").reads
    assert deed("zap", "Deletes a row.").verb == "delete"
    assert deed("zap", "It zaps.").verb == "zap"
    assert not deed("zap").reads


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("find out why and open a ticket", True),
        ("open a ticket", False),
        ("Is it up?", True),
        ("check web-1", True),
    ],
)
def test_whether_something_is_to_be_found_out(text: str, wanted: bool) -> None:
    assert wants_information(text) is wanted
