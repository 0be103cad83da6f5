"""Specialists are data, and what cannot work is said when they are made."""

from __future__ import annotations

import pytest
from langchain_core.tools import tool as lc_tool

from pilotman.agents.specialist import Specialist, valid_name
from pilotman.agents.tool import tool
from pilotman.guardrails.errors import ConfigurationError


@tool(effect="read")
def look(host: str, depth: int = 1) -> str:
    """Look at a host."""
    return host


def web(query: str) -> str:
    """Search."""
    return query


@lc_tool
def web_search(query: str) -> str:
    """Search the web."""
    return query


def test_a_card_says_what_a_planner_needs() -> None:
    card = Specialist("scout", "Looks.", tools=[look, web_search]).card()
    assert (card.name, card.description) == ("scout", "Looks.")
    assert [(t.name, t.effect, t.args) for t in card.tools] == [
        ("look", "read", ("host", "depth")),
        ("web_search", "write", ("query",)),
    ]


def test_a_plain_langchain_tool_is_an_undeclared_write() -> None:
    tools = Specialist("scout", "Looks.", tools=[web_search]).tools
    assert not tools["web_search"].declared
    assert tools["web_search"].effective == "write"


def test_two_tools_of_one_name_are_refused() -> None:
    other = tool(effect="write", name="look")(web)
    with pytest.raises(ConfigurationError, match="two tools of one name"):
        Specialist("scout", "Looks.", tools=[look, other])


@pytest.mark.parametrize("name", ["a", "disk-doctor", "A_1", "x" * 64])
def test_names_that_graphs_and_paths_can_carry(name: str) -> None:
    assert valid_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "a b", "a/b", "a:b", "x" * 65, "ä", "a\n", "-a"])
def test_names_that_they_cannot(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a usable name"):
        Specialist(name, "x")


def test_it_shows_itself() -> None:
    assert repr(Specialist("scout", "Looks.", tools=[look])) == "Specialist('scout', tools=['look'])"
