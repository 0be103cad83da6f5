"""Writes that are executed at the moment: as long as anybody holds one, it is under way."""

from __future__ import annotations

import pytest

from pilotman.agents.under_way import UnderWay


def test_held_by_two_it_is_under_way_until_both_let_go() -> None:
    writes = UnderWay()
    with writes.hold("eff_1"):
        with writes.hold("eff_1"):
            assert "eff_1" in writes
        assert "eff_1" in writes
        assert "eff_2" not in writes
    assert "eff_1" not in writes


def test_an_error_lets_go() -> None:
    writes = UnderWay()
    with pytest.raises(ValueError, match="x"), writes.hold("eff_1"):
        raise ValueError("x")
    assert "eff_1" not in writes
