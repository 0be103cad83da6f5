"""What could be guessed of a digest stands in no row without a key; what older versions stored is found."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pilotman.guardrails import Approval
from pilotman.guardrails.seal import KeysInMemory, Seal, Subject
from pilotman.memory.journal.journal import Journal

pytestmark = pytest.mark.anyio
ALICE = Subject("acme", "alice")
OLD = f"#{sha256(b'the request of monday').hexdigest()}"


def rows(file: Path, query: str, *values: Any) -> list[Any]:
    with sqlite3.connect(file) as other:
        found = other.execute(query, values).fetchall()
    other.close()
    return found


async def test_keys_and_digests_lie_blind_and_are_given_back_as_they_were(tmp_path: Path, make: Any) -> None:
    file, seal = tmp_path / "j.db", Seal(KeysInMemory())
    journal = Journal(f"sqlite:///{file}", seal=seal)
    await journal.start()
    await journal.create_run(
        make.run(owner="me", idempotency_key="the request of monday"), events=[make.event(text="a")]
    )
    journal.append("run_1", [make.event("caveat:abc", text="b"), make.event(text="a")])
    permit, effect = make.permit(digest="d" * 64), make.effect(digest="d" * 64)
    await journal.issue_permit(permit, owner="me")
    await journal.intend(effect, owner="me")
    [asked] = await journal.request_approvals([make.approval(digest="e" * 64)], owner="me")
    assert isinstance(asked, Approval)
    assert await journal.permit(permit.permit_id) == permit
    assert (await journal.effect(effect.effect_id, tenant="acme")).digest == effect.digest
    assert not isinstance(asked, str)
    assert (await journal.approval(asked.approval_id, tenant="acme")).digest == "e" * 64
    body = b'{"said":"yes"}'
    digest = journal.put_payload("run_1", body, blind=await journal.blinder("run_1"))
    old = journal.put_payload("run_1", b"of old")
    for name, said in ((digest, body), (old, b"of old")):
        assert await journal.payload("run_1", name, tenant="acme") == said
    assert len(await journal.events("run_1", tenant="acme")) == 2, "the same key is the same event"
    await journal.aclose()
    raw = file.read_bytes()
    clear = (
        "the request of monday",
        "caveat:abc",
        OLD,
        "d" * 64,
        "e" * 64,
        effect.key,
        sha256(body).hexdigest(),
    )
    assert [one for one in clear if one.encode() in raw] == []


async def test_what_older_versions_stored_is_found_and_erased_blind(tmp_path: Path, make: Any) -> None:
    file, seal = tmp_path / "j.db", Seal(KeysInMemory())
    journal = Journal(f"sqlite:///{file}", seal=seal)
    await journal.start()
    await journal.create_run(
        make.run(owner="me", idempotency_key="the request of monday"), events=[make.event(text="a")]
    )
    await journal.flush()
    rows(file, "UPDATE runs SET idempotency_key = ?", OLD)
    found = await journal.run_of("the request of monday", tenant="acme")
    assert found is not None
    assert found.run_id == "run_1"
    assert await journal.run_of("k2", tenant="acme") is None
    assert await journal.erase_run("run_1", tenant="acme", actor="memory")
    [(stored,)] = rows(file, "SELECT idempotency_key FROM runs")
    assert stored.startswith("#~")
    await journal.aclose()


async def test_a_key_that_is_looked_up_makes_none(tmp_path: Path) -> None:
    keys = KeysInMemory()
    journal = Journal(f"sqlite:///{tmp_path / 'j.db'}", seal=Seal(keys))
    await journal.start()
    assert await journal.run_of("the request of monday", tenant="acme") is None
    assert keys.find(Subject("acme", "")) is None
    await journal.aclose()
