"""What a tool is told never shows its secrets, and a missing one fails clearly."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from pilotman.agents.context import Credentials, ToolContext
from pilotman.agents.failure import ToolFailure, classify
from pilotman.guardrails import Principal


def context(**credentials: str) -> ToolContext:
    return ToolContext(
        run_id="run_1",
        principal=Principal(tenant="acme", user="alice"),
        idempotency_key="k",
        deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
        credentials=credentials,
        attempt=1,
    )


def test_secrets_do_not_show() -> None:
    ctx = context(payments="hunter2")
    assert ctx.credentials["payments"] == "hunter2"
    assert "hunter2" not in repr(ctx)
    assert "hunter2" not in str(dataclasses.replace(ctx, attempt=2))
    assert "payments" in repr(ctx)
    assert list(ctx.credentials) == ["payments"]
    assert len(ctx.credentials) == 1


def test_a_missing_credential_says_that_nothing_was_done() -> None:
    ctx = context()
    with pytest.raises(ToolFailure) as caught:
        ctx.credentials["payments"]
    error = classify(caught.value, effect="write")
    assert error.kind == "authorization"
    assert "'payments'" in error.message
    assert ctx.credentials.get("payments") is None
    assert "payments" not in Credentials({})
