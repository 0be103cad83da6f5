"""A limit that cannot be kept is refused when it is set."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails import Limit
from pilotman.guardrails.errors import ConfigurationError


@pytest.mark.parametrize(
    "wrong",
    [{"rate": "often"}, {"rate": ""}, {"rate": "0/second"}, {"rate": "10"}, {"max_concurrent": 0}],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Limit(**wrong)


@pytest.mark.parametrize("rate", ["10/second", "1 per 2 minutes", "10/second;100/minute"])
def test_a_rate_is_written_as_the_package_limits_reads_it(rate: str) -> None:
    assert Limit(rate=rate)


def test_a_limit_says_whether_it_limits() -> None:
    assert not Limit()
    assert Limit(max_concurrent=1)
