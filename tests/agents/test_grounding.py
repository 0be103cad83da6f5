"""Grounding: citations exist, quotes are literal, and the rest was seen."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import PATIENCE

from pilotman.agents.grounding import Evidence, citations, numbered, problems
from pilotman.agents.report import Passage


def passage(number: int, text: str) -> Passage:
    return Passage(
        number=number,
        source=f"page{number}.md",
        version=f"v{number}",
        heading="A heading of 77 words",
        text=text,
        trusted=True,
        fetched_at="2026-01-02T00:00:00Z",
    )


PASSAGES = {
    1: passage(1, "First  stop the\nservice. Then delete 400 old logs."),
    12: passage(12, "Ask the database team. " * 40),
}
SEEN = Evidence(
    texts=['{"line":"kernel[4242]: out of memory","n":88}'],
    passages=PASSAGES,
    tools=frozenset({"open_ticket"}),
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing to say.",
        'Runbook: "stop the service" [1].',
        "“First stop the service. Then delete” [1]",
        "Delete 400 logs [1] and ask [12][1].",
        "kernel[4242] said so, 88 times.",
        "77 words [1]",
    ],
)
def test_what_was_seen_passes(text: str) -> None:
    assert problems(text, SEEN) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See [3].", "[3] cites nothing"),
        ('"Start the service" [1]', "does not stand in [1]"),
        ('"stop the service" [12]', "does not stand in [12]"),
        ("99% [1]", "99% was not returned"),
        ("OPS-99 [1]", "OPS-99 was not returned"),
        ("I opened a ticket.", "claims an action that was not done: open_ticket"),
    ],
)
def test_what_was_not_is_said_in_words_that_help(text: str, said: str) -> None:
    (problem,) = problems(text, SEEN)
    assert said in problem


def test_an_applied_write_may_be_claimed() -> None:
    seen = Evidence(texts=["OPS-1"], tools=frozenset({"open_ticket"}), applied=frozenset({"open_ticket"}))
    assert problems("I opened OPS-1, a ticket.", seen) == []


def test_no_list_of_problems_is_endless() -> None:
    assert len(problems(" ".join(f"OPS-{n}" for n in range(500)), Evidence())) == 20


def test_citations_are_in_order_once_each_and_literal() -> None:
    found = citations('Ask [12]. "STOP the service" [1], [1] and [99].', PASSAGES)
    assert [c.source for c in found] == ["page12.md", "page1.md"]
    assert found[1].quote == "stop the\nservice"
    assert PASSAGES[12].text.startswith(found[0].quote)
    assert len(found[0].quote) <= 240
    assert citations("nothing", PASSAGES) == ()


def test_every_quote_has_a_number_of_its_own_and_no_citation_stands_twice() -> None:
    two = {
        3: replace(PASSAGES[1], number=3, text="Stop the service. Start the service."),
        4: replace(PASSAGES[1], number=4, text="Start the service. Look."),
    }
    said = '"Stop the service." [3] "Start the service." [3], again "Start the service." [4]. See [3], [7].'
    text, found = numbered(said, two)
    assert re.findall(r"\[(\d)\]", text) == ["1", "2", "2", "1", "7"]
    assert [c.quote for c in found] == ["Stop the service.", "Start the service."]


@given(st.text(), st.lists(st.text(), max_size=3))
def test_nothing_breaks_and_quotes_are_always_literal(text: str, texts: list[str]) -> None:
    for marked in (text, f'"{text}" [1]', f"{text} [12]"):
        problems(marked, Evidence(texts=texts, passages=PASSAGES))
        for citation in citations(marked, PASSAGES):
            assert any(citation.quote in p.text for p in PASSAGES.values())


@pytest.mark.parametrize("piece", ['"a" ', '"', "[1] ", '"abc" [1] ', '"abc"   ', "“a”[1]"])
def test_time_is_linear(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    began = time.process_time()
    problems(text, SEEN)
    citations(text, PASSAGES)
    assert time.process_time() - began < PATIENCE
