"""A memory on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.memory.conftest import Clock

from pilotman.memory import Memory


@pytest.fixture
async def memory(url: str, clock: Clock) -> AsyncIterator[Memory]:
    async with Memory(url, clock=clock) as memory:
        yield memory
