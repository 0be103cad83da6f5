"""Keys in a server's database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine, text

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory
from pilotman.memory.keyring.master import Master
from pilotman.memory.keyring.table import DatabaseKeys
from pilotman.memory.storage.database import parse

pytestmark = pytest.mark.slow
ALICE, BOB = Subject("acme", "alice"), Subject("acme", "bob")


class Opened:
    """Makes keys that are closed at the end."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url, self._stack = url, stack

    def __call__(self, master: Master | None = None) -> DatabaseKeys:
        keys = DatabaseKeys(self.url, master, trusted_for=0)
        self._stack.callback(keys.close)
        return keys


@pytest.fixture
def opened(postgres_url: str) -> Iterator[Opened]:
    with ExitStack() as stack:
        yield Opened(postgres_url, stack)


def test_all_agree_on_one_key_and_what_one_destroys_is_gone_for_all(opened: Opened) -> None:
    one, other = opened(), opened()
    assert one.find(ALICE) is None
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(which.current, ALICE) for which in [one, other] * 8]
        keys = {each.result() for each in asked}
    assert len(keys) == 1
    bob = one.current(BOB)
    assert other.destroy(ALICE)
    assert one.find(ALICE) is None
    assert not one.destroy(ALICE)
    assert one.current(ALICE) not in keys
    assert other.find(BOB) == bob


def test_a_master_key_wraps_what_lies_in_the_table(opened: Opened) -> None:
    key = opened(Master(bytes(32))).current(ALICE)
    engine = create_engine(parse(opened.url))
    with engine.connect() as connection:
        (body,) = connection.execute(text("SELECT body FROM subject_keys")).scalars()
    engine.dispose()
    assert key.secret not in bytes(body)
    with pytest.raises(ConfigurationError):
        opened().find(ALICE)


def test_a_lost_connection_is_made_again(opened: Opened) -> None:
    keys = opened()
    key = keys.current(ALICE)
    engine = create_engine(parse(opened.url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()
    assert keys.find(ALICE) == key


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        DatabaseKeys("postgresql://127.0.0.1:1/none").current(ALICE)


@pytest.mark.anyio
async def test_a_memory_on_a_server_keeps_its_keys_there(postgres_url: str) -> None:
    keys = DatabaseKeys(postgres_url, trusted_for=0)
    key = keys.current(ALICE)  # before there is a journal
    async with Memory(postgres_url) as memory:
        assert memory.seal.keys is not None
        assert memory.seal.keys.find(ALICE) == key
    keys.close()
