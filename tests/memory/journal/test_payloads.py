from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from pilotman.guardrails.errors import NotFound
from pilotman.memory.journal.journal import Journal

pytestmark = pytest.mark.anyio


async def test_a_body_is_found_by_its_digest(owned: Journal) -> None:
    body = b'{"text": "\x00\xff"}'
    digest = owned.put_payload("run_1", body)
    assert digest == hashlib.sha256(body).hexdigest()
    assert owned.put_payload("run_1", body) == digest
    assert await owned.payload("run_1", digest, tenant="acme") == body
    assert await owned.payloads("run_1") == {digest: body}


async def test_the_same_body_in_two_runs_is_two_rows(owned: Journal, make: Any) -> None:
    await owned.create_run(make.run("run_2", tenant="other"), events=[])
    digest = owned.put_payload("run_1", b"{}")
    owned.put_payload("run_2", b"{}")
    await owned.redact_payload("run_1", digest, tenant="acme", reason="personal data")
    assert await owned.payload("run_2", digest, tenant="other") == b"{}"


async def test_a_redacted_body_is_gone_and_stays_gone(owned: Journal) -> None:
    digest = owned.put_payload("run_1", b'"secret"')
    await owned.redact_payload("run_1", digest, tenant="acme", reason="personal data", actor="alice")
    owned.put_payload("run_1", b'"secret"')
    assert orjson.loads(await owned.payload("run_1", digest, tenant="acme")) == {"redacted": "personal data"}
    assert await owned.payloads("run_1") == {}
    event = (await owned.events("run_1", tenant="acme"))[-1]
    assert (event.kind, event.actor) == ("payload_redacted", "alice")
    assert event.data == {"digest": digest, "reason": "personal data"}


async def test_a_redacted_body_is_not_left_in_the_file(tmp_path: Path, make: Any) -> None:
    secret = b"4929 1234 5678 9012 " * 500
    journal = Journal(f"sqlite:///{tmp_path / 'j.db'}")
    await journal.start()
    await journal.create_run(make.run(), events=[])
    digest = journal.put_payload("run_1", secret)
    await journal.flush()
    await journal.redact_payload("run_1", digest, tenant="acme", reason="card number")
    await journal.aclose()
    assert all(b"4929 1234" not in path.read_bytes() for path in tmp_path.iterdir())


async def test_what_was_never_stored_is_not_found(owned: Journal) -> None:
    with pytest.raises(NotFound):
        await owned.payload("run_1", "0" * 64, tenant="acme")
    with pytest.raises(NotFound):
        await owned.redact_payload("run_1", "0" * 64, tenant="acme", reason="x")
    assert len(await owned.events("run_1", tenant="acme")) == 1
