"""Settings that cannot work are refused when the tool is made."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.agents.settings import ToolSettings
from pilotman.guardrails.errors import ConfigurationError


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": "delete"},
        {"timeout": 0},
        {"timeout": -1.0},
        {"timeout": float("inf")},
        {"timeout": float("nan")},
        {"scopes": "payments"},
    ],
    ids=repr,
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ToolSettings(**wrong)
