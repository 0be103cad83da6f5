"""What must not break: exact integer costs, and no guessed price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.prices import LIST_PRICES, Price, PriceTable
from pilotman.guardrails.errors import ConfigurationError


def test_list_prices_in_nano_dollars() -> None:
    table = PriceTable()
    assert table.cost_nusd("openai:gpt-5-mini", 1_000_000, 0) == 250_000_000
    assert table.cost_nusd("openai:gpt-5-mini", 0, 1_000_000) == 2_000_000_000
    assert table.cost_nusd("pilotman:rules", 10**9, 10**9) == 0


def test_an_unknown_price_is_none_not_zero() -> None:
    table = PriceTable()
    assert table.cost_nusd("openai:gpt-6", 1, 1) is None
    assert table.price("openai:gpt-5-pro") is None
    assert table.price("anthropic:claude-opus-4-9") is None


@pytest.mark.parametrize(
    "snapshot",
    ["openai:gpt-5-2025-08-07", "openai:gpt-5-latest", "openai:gpt-5@20250807", "openai:gpt-5-001"],
)
def test_a_dated_snapshot_has_its_models_price(snapshot: str) -> None:
    assert PriceTable().price(snapshot) == LIST_PRICES["openai:gpt-5"]


def test_users_replace_prices_and_the_longest_match_wins() -> None:
    cheap, dear = Price(input=1, output=1), Price(input=9, output=9)
    table = PriceTable(prices={"mine:*": cheap, "mine:big*": dear})
    assert (table.price("mine:small"), table.price("mine:big-2")) == (cheap, dear)
    assert table.price("openai:gpt-5") is None


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**6))
def test_cost_is_monotonic_and_never_rounded_down_to_free(used: int, said: int, more: int) -> None:
    table = PriceTable()
    cost = table.cost_nusd("openai:gpt-5-nano", used, said)
    later = table.cost_nusd("openai:gpt-5-nano", used + more, said)
    assert cost is not None
    assert later is not None
    assert 0 <= cost <= later
    assert cost > 0 or used + said == 0


def test_a_price_below_zero_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        Price(input=-1, output=0)
