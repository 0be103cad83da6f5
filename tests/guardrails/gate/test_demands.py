"""Where a request tells somebody to do something: orders and polite questions, no reports, no negations."""

from __future__ import annotations

import pytest

from pilotman.guardrails.gate.demands import demands, names, sentences


@pytest.mark.parametrize(
    ("request_", "verbs"),
    [
        ("Restart the crane and close the ticket.", ["restart", "close"]),
        ("Could you cancel the ferry?", ["cancel"]),
        ("If it rains, cancel the ferry.", ["cancel"]),
        ("The old ropes should be deleted.", ["delete"]),
        ("The tanks have to be drained.", ["drain"]),
        ("Let the crew clean the deck.", ["clean"]),
        ("Could Mara close the ticket?", ["close"]),
        ("Please see to it that the log is erased.", ["erase"]),
        ("I want the ferry cancelled.", ["cancel"]),
        ("Would you mind moving the crane?", ["move"]),
        ("Is it possible to cancel the ferry?", ["cancel"]),
        ("Quickly close the ticket.", ["close"]),
        ("Please look at the document of the crew.", []),
        ("Do not restart the crane.", []),
        ("The ropes should not be deleted.", []),
        ("Never delete the log, but restart the crane.", ["restart"]),
        ("The crew tried to restart the crane.", []),
        ("Who did restart the crane?", []),
        ("Can you tell me the fee?", []),
        ("Show me the fee", []),
    ],
)
def test_what_is_demanded(request_: str, verbs: list[str]) -> None:
    assert [demand.verb for demand in demands(request_) if not demand.loose] == verbs


def test_a_pronoun_takes_up_what_was_said_before() -> None:
    (demand,) = demands("The harbour ticket is old. Close it.")
    assert {"harbour", "ticket"} <= demand.terms


def test_a_thing_without_a_verb_is_a_loose_demand() -> None:
    assert all(demand.loose for demand in demands("Two rooms at the Pier Inn, 3 to 6 August"))
    assert demands("I need a table for Friday")[0].loose
    assert demands("Two rooms?") == []


def test_a_verb_that_only_a_tool_knows_counts_if_it_is_given() -> None:
    assert [d.verb for d in demands("Careen the hull.", frozenset({"careen"}))] == ["careen"]


def test_names_are_told_from_days() -> None:
    (said,) = sentences("Send Marta the plan on Friday via Harbour Mail")
    assert "marta" in names(said)
    assert "friday" not in names(said)


@pytest.mark.parametrize("text", ["", " ", "?!", "\x00", "((((", "@", "a" * 500, "to " * 2_000])
def test_odd_text_demands_nothing_plainly(text: str) -> None:
    assert all(demand.loose for demand in demands(text))
