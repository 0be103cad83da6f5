"""The journal on every database that it supports, and rows to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilotman.guardrails import Approval, Principal
from pilotman.guardrails.permit import Permit
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import EffectRow, RunRow, TransitionRow

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Clock:
    """A time that only the test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class Make:
    """Rows with defaults. ``tenant`` is acme, owner is me."""

    alice = Principal(tenant="acme", user="alice", roles=frozenset({"operator"}), attributes={"team": "sre"})

    def run(self, run_id: str = "run_1", **fields: Any) -> RunRow:
        values: dict[str, Any] = {
            "run_id": run_id,
            "tenant": "acme",
            "user": "alice",
            "principal": self.alice.to_dict(),
            "supervisor": "desk",
            "thread_id": f"thread of {run_id}",
            "request": {"text": "disk full"},
            "state": "RECEIVED",
            "created_at": START,
            "updated_at": START,
            "budget": {"max_steps": 40},
            "versions": {"policy": "1"},
        }
        return RunRow(**values | fields)

    def event(self, key: str = "run_started", **data: Any) -> NewEvent:
        kind = data.pop("kind", "run_started")
        return NewEvent(kind=kind, actor="desk", data=data, key=key, at=START)

    def move(self, number: int, source: str, target: str, run_id: str = "run_1") -> TransitionRow:
        return TransitionRow(
            run_id=run_id,
            number=number,
            from_state=source,
            to_state=target,
            at=START,
            actor="desk",
            reason="why",
        )

    def permit(self, permit_id: str = "pmt_1", run_id: str = "run_1", **fields: Any) -> Permit:
        permit = Permit(
            permit_id=permit_id,
            run_id=run_id,
            step="task:t1/turn:0/call:0",
            tenant="acme",
            user="alice",
            chain=("desk", "operator"),
            tool="create_ticket",
            digest="d" * 64,
            policy_version="1",
            approval_id=None,
            issued_at=START,
            expires_at=START + timedelta(minutes=5),
        )
        return replace(permit, **fields)

    def effect(self, effect_id: str = "eff_1", run_id: str = "run_1", **fields: Any) -> EffectRow:
        values: dict[str, Any] = {
            "effect_id": effect_id,
            "tenant": "acme",
            "run_id": run_id,
            "step": "task:t1/turn:0/call:0",
            "tool": "create_ticket",
            "effect": "write",
            "key": "run:create_ticket:web-1",
            "digest": "d" * 64,
            "permit_id": "pmt_1",
            "owner": "me",
            "intended_at": START,
        }
        return EffectRow(**values | fields)

    def approval(self, approval_id: str = "apr_1", run_id: str = "run_1", **fields: Any) -> Approval:
        values: dict[str, Any] = {
            "approval_id": approval_id,
            "run_id": run_id,
            "tool": "restart_service",
            "args": {"host": "web-1", "force": True},
            "question": "May operator do restart_service?",
            "digest": "e" * 64,
            "reasons": ("irreversible",),
            "requested_by": self.alice,
            "created_at": START,
            "expires_at": START + timedelta(days=2),
        }
        return Approval(**values | fields)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture(params=["memory", "file", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every kind of database."""
    if request.param == "memory":
        return "sqlite://"
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def journal(url: str, clock: Clock) -> AsyncIterator[Journal]:
    journal = Journal(url, clock=clock)
    await journal.start()
    yield journal
    await journal.aclose()


@pytest.fixture
async def owned(journal: Journal, make: Make) -> Journal:
    """A journal with ``run_1``, owned by ``me``."""
    await journal.create_run(make.run(owner="me"), events=[make.event()])
    return journal
