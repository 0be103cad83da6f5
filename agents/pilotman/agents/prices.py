"""What tokens cost. A price that is not in the table is None: said, not guessed.

``LIST_PRICES`` are public list prices for standard processing as the providers' price pages gave them in
October 2025 (openai.com/api/pricing, anthropic.com/pricing, ai.google.dev/gemini-api/docs/pricing), without
discounts for cached input or batches. Prices change: hand your own table to whatever takes a ``PriceTable``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pilotman.guardrails.errors import ConfigurationError

_NANO = 1_000  # one dollar per million tokens is 1,000 nano-dollars a token
_SNAPSHOT = re.compile(r"[-@](latest|\d{8}|\d{4}-\d{2}-\d{2}|\d{3})")


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars per million tokens.

    Raises:
        ConfigurationError: a price below zero.
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        if self.input < 0 or self.output < 0:
            raise ConfigurationError(f"a price must be zero or more, not {min(self.input, self.output)}")


FREE = Price(input=0.0, output=0.0)

LIST_PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "pilotman:rules": FREE,
        "pilotman:scripted": FREE,
        "openai:gpt-5": Price(input=1.25, output=10.0),
        "openai:gpt-5-mini": Price(input=0.25, output=2.0),
        "openai:gpt-5-nano": Price(input=0.05, output=0.40),
        "openai:gpt-4.1": Price(input=2.0, output=8.0),
        "openai:gpt-4.1-mini": Price(input=0.40, output=1.60),
        "openai:gpt-4.1-nano": Price(input=0.10, output=0.40),
        "openai:gpt-4o": Price(input=2.50, output=10.0),
        "openai:gpt-4o-mini": Price(input=0.15, output=0.60),
        "anthropic:claude-opus-4": Price(input=15.0, output=75.0),
        "anthropic:claude-opus-4-1": Price(input=15.0, output=75.0),
        "anthropic:claude-sonnet-4": Price(input=3.0, output=15.0),
        "anthropic:claude-sonnet-4-5": Price(input=3.0, output=15.0),
        "anthropic:claude-haiku-4-5": Price(input=1.0, output=5.0),
        "anthropic:claude-3-5-haiku": Price(input=0.80, output=4.0),
        "google_genai:gemini-2.5-pro": Price(input=1.25, output=10.0),
        "google_genai:gemini-2.5-flash": Price(input=0.30, output=2.50),
        "google_genai:gemini-2.5-flash-lite": Price(input=0.10, output=0.40),
    }
)


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """Prices by ``provider:name``.

    A name also stands for its dated snapshots (``openai:gpt-5`` for ``openai:gpt-5-2025-08-07``), a name that
    ends in ``*`` for everything that begins so; the longest match wins.
    """

    prices: Mapping[str, Price] = field(default_factory=lambda: LIST_PRICES)

    def price(self, model: str) -> Price | None:
        """The price of a model, or None if the table does not know it."""
        exact = self.prices.get(model)
        if exact is not None:
            return exact
        known = [name for name in self.prices if _stands_for(name, model)]
        return self.prices[max(known, key=len)] if known else None

    def cost_nusd(self, model: str, input_tokens: int, output_tokens: int) -> int | None:
        """Integer nano-dollars, rounded up, or None if the price is not known."""
        price = self.price(model)
        if price is None:
            return None
        return _nano(price.input, input_tokens) + _nano(price.output, output_tokens)


def _nano(usd_per_million: float, tokens: int) -> int:
    exact = (
        round(usd_per_million * _NANO * 1_000) * tokens
    )  # thousandths of a nano-dollar: sums stay integers
    return -(-exact // 1_000)


def _stands_for(name: str, model: str) -> bool:
    if name.endswith("*"):
        return model.startswith(name[:-1])
    return model == name or (model.startswith(name) and _SNAPSHOT.fullmatch(model[len(name) :]) is not None)
