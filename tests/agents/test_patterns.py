"""A pattern of somebody else's ends, whatever it is given."""

from __future__ import annotations

import pytest

from pilotman.agents.patterns import search


@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(a|a)*\1$", r"^(?=(a+)+$)\1b", "((((.+)+)+)+)+!$"])
def test_it_ends(pattern: str) -> None:
    assert search(pattern, "a" * 5_000 + "!?") in (True, False)


def test_it_finds_what_it_says() -> None:
    assert search("^OPS-\\d+$", "OPS-17") is True
    assert search("^(?!OPS)", "OPS-17") is False
    assert search("7", "17") is True


def test_what_is_no_pattern_is_none() -> None:
    assert search("((", "x") is None
    assert search("(a{999}){999}", "x") is None
