"""Fixtures of all rooms."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# The machine may be busy: a slow example is no failure.
settings.register_profile("pilotman", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pilotman")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
