"""Stores over every database, their content sealed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from pilotman.guardrails import Principal
from pilotman.guardrails.seal import KeysInMemory, Seal
from pilotman.memory.journal.journal import Journal
from pilotman.memory.retention import Retention
from pilotman.memory.store.store import MemoryStore

ALICE = Principal(tenant="acme", user="alice")
Open: TypeAlias = Callable[..., MemoryStore]


@pytest.fixture
def keys() -> KeysInMemory:
    return KeysInMemory()


@pytest.fixture
def opened(journal: Journal, clock: Any, keys: KeysInMemory) -> Open:
    """A store of somebody's, by default alice's in the conversation t1."""

    def store(
        principal: Principal | None = ALICE, thread_id: str | None = "t1", **options: Any
    ) -> MemoryStore:
        settings: dict[str, Any] = {"retention": Retention(session_ttl=timedelta(days=7)), **options}
        return MemoryStore(
            journal, seal=Seal(keys), principal=principal, thread_id=thread_id, clock=clock, **settings
        )

    return store


@pytest.fixture
def store(opened: Open) -> MemoryStore:
    return opened()
