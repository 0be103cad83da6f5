"""What a request leases: the tools that it asks for, and none of the others."""

from __future__ import annotations

import pytest

from pilotman.guardrails.gate.deeds import deed
from pilotman.guardrails.gate.lease import Lease, lease

TOOLS = {
    "send_email": ("Sends an email to the recipients.", "to subject body"),
    "reply_to_email": ("Replies to an email in its thread.", "email_id body"),
    "delete_email": ("Deletes an email.", "email_id"),
    "create_event": (
        "Creates an event in the calendar and invites the participants.",
        "title start end participants",
    ),
    "cancel_event": ("Cancels a calendar event.", "event_id"),
    "reschedule_event": ("Moves an event to another time.", "event_id new_start"),
    "add_participants": ("Adds participants to an event.", "event_id participants"),
    "share_document": ("Gives somebody access to a document.", "document_id user permission"),
    "create_document": ("Creates a document.", "name content"),
    "append_to_document": ("Appends text to a document.", "document_id text"),
    "transfer_funds": ("Transfers money to an account.", "recipient iban amount"),
    "create_standing_order": ("Sets up a recurring payment.", "recipient amount interval"),
    "update_standing_order": ("Changes a recurring payment.", "order_id amount"),
    "change_pin": ("Changes the PIN of a card.", "card_id pin"),
    "block_card": ("Blocks a card.", "card_id"),
    "postMessage": ("Posts a message to a channel.", "channel text"),
    "sendDirectMessage": ("Sends a direct message to a person.", "user text"),
    "inviteMember": ("Invites a person to the workspace.", "email"),
    "removeMember": ("Removes a person from the workspace.", "user"),
    "createChannel": ("Creates a channel.", "name"),
    "book_hotel": ("Makes a reservation at a hotel.", "hotel start end"),
    "book_flight": ("Buys a flight ticket.", "from to date"),
    "cancel_booking": ("Cancels a reservation.", "booking_id"),
    "restart_service": ("Restarts a service on a host.", "service host"),
    "scale_deployment": ("Changes how many replicas of a deployment run.", "deployment replicas"),
    "rollback_release": ("Rolls a deployment back to an earlier release.", "deployment release"),
    "open_ticket": ("Opens a ticket.", "title text"),
    "close_ticket": ("Closes a ticket.", "ticket_id"),
    "silence_alert": ("Silences an alert for some time.", "alert duration"),
    "delete_database": ("Drops a database.", "name"),
}

ASKED = [
    ("Email Dana the minutes of yesterday's meeting.", "send_email"),
    ("Can you drop Priya a line that I'll be late?", "send_email|sendDirectMessage"),
    ("let Tom know that the build is green", "sendDirectMessage|send_email"),
    ("Please forward the invoice to accounting@example.com", "send_email"),
    ("Tell everyone in #release that we ship on Friday", "postMessage"),
    ("Answer Marta's email about the offsite: yes, I'm in.", "reply_to_email"),
    ("Delete the newsletter email from Acme", "delete_email"),
    ("Set up a meeting with Li on Tuesday at 3pm", "create_event"),
    ("Put lunch with Sam in my calendar for tomorrow noon", "create_event"),
    ("My dentist appointment has to move to Thursday", "reschedule_event"),
    ("push the retro back by one hour", "reschedule_event"),
    ("Call off the sync on Monday", "cancel_event"),
    ("Add Noor to the planning meeting", "add_participants"),
    ("Give Kim access to the budget document", "share_document"),
    ("share the roadmap doc with kim@example.com", "share_document"),
    ("Write a short document with the packing list", "create_document"),
    ("Add a line about the venue to the offsite notes", "append_to_document"),
    ("Pay the plumber 120 euros", "transfer_funds"),
    ("Could you send 50 to Anna for the pizza?", "transfer_funds"),
    ("wire the deposit to DE89370400440532013000", "transfer_funds"),
    ("Set up a monthly payment of 30 to the gym", "create_standing_order"),
    ("My rent goes up to 950, adjust the standing order", "update_standing_order"),
    ("Change the PIN of my card to 4711", "change_pin"),
    ("I lost my card, block it", "block_card"),
    ("Post the summary in #general", "postMessage"),
    ("DM Bob the link", "sendDirectMessage"),
    ("invite eve@example.com to our workspace", "inviteMember"),
    ("Kick Mallory out of the workspace", "removeMember"),
    ("Make a new channel for the launch", "createChannel"),
    ("Reserve a room at the Grand for two nights", "book_hotel"),
    ("I need a hotel in Rome from May 3 to May 5, book the cheapest", "book_hotel"),
    ("Get me a flight to Oslo on Friday", "book_flight"),
    ("cancel my reservation at the Ritz", "cancel_booking"),
    ("nginx on web-1 hangs, bounce it", "restart_service"),
    ("Scale checkout to 6 replicas", "scale_deployment"),
    ("bring the api deployment up to five replicas", "scale_deployment"),
    ("The last release is broken: roll it back", "rollback_release"),
    ("file a ticket for the disk alert", "open_ticket"),
    ("Resolve ticket OPS-12", "close_ticket"),
    ("mute the DiskFull alert for 2h", "silence_alert"),
]

QUIET = [
    "What is on my calendar tomorrow?",
    "How much did I spend on groceries in March?",
    "Summarize the messages in #general",
    "Which hotel in Rome is the cheapest?",
    "Is the checkout service healthy?",
    "When did Dana send the minutes?",
    "Who was invited to the retro?",
    "List the tickets that were closed last week",
    "Do not restart anything, just tell me why nginx is slow",
    "How long has the DiskFull alert been silenced?",
]


def lease_of(request: str, plan: object | None = None) -> Lease:
    deeds = [
        deed(name, description, {"properties": {key: {"type": "string"} for key in parameters.split()}})
        for name, (description, parameters) in TOOLS.items()
    ]
    return lease(request, deeds, plan)


@pytest.mark.parametrize(("request_", "expected"), ASKED)
def test_what_is_asked_for_is_leased(request_: str, expected: str) -> None:
    found = lease_of(request_)
    assert any(found.of(tool) == "strong" for tool in expected.split("|")), found.strengths


@pytest.mark.parametrize(("request_", "expected"), ASKED)
def test_little_else_is_leased(request_: str, expected: str) -> None:
    found = lease_of(request_)
    strong = [tool for tool in TOOLS if found.of(tool) == "strong" and tool not in expected.split("|")]
    assert len(strong) <= 2, strong


@pytest.mark.parametrize("request_", QUIET)
def test_a_question_leases_nothing(request_: str) -> None:
    found = lease_of(request_)
    assert [tool for tool in TOOLS if found.of(tool) == "strong"] == []


def test_a_plan_is_the_lease() -> None:
    found = lease_of("whatever", ["open_ticket", "open_ticket"])
    assert (found.of("open_ticket"), found.of("close_ticket")) == ("strong", "none")
    assert found.calls == {"open_ticket": 2}
