"""A permit covers exactly one call: anything else is refused before something is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilotman.guardrails.errors import PermitRefused
from pilotman.guardrails.permit import Permit, check, permit_id

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PERMIT = Permit(
    permit_id="pmt_1",
    run_id="run_1",
    step="task:a/turn:0/call:0",
    tenant="acme",
    user="alice",
    chain=("desk", "operator"),
    tool="open_ticket",
    digest="d",
    policy_version="p",
    approval_id=None,
    issued_at=NOW,
    expires_at=NOW + timedelta(minutes=5),
)
CALL: dict[str, Any] = {
    "run_id": "run_1",
    "step": "task:a/turn:0/call:0",
    "tenant": "acme",
    "digest": "d",
    "policy_version": "p",
    "now": NOW,
}


def checked(permit: Permit | None = PERMIT, /, **changes: Any) -> Permit:
    call: dict[str, Any] = {**CALL, **changes}
    return check(permit, **call)


def test_the_very_call_is_covered_until_the_permit_expires() -> None:
    assert checked() is PERMIT
    assert checked(now=PERMIT.expires_at - timedelta(microseconds=1)) is PERMIT
    for late in (PERMIT.expires_at, PERMIT.expires_at + timedelta(days=1)):
        with pytest.raises(PermitRefused, match="expired"):
            checked(now=late)


@pytest.mark.parametrize("field", ["run_id", "step", "tenant", "digest", "policy_version"])
def test_any_other_call_is_refused_and_the_difference_named(field: str) -> None:
    with pytest.raises(PermitRefused, match=field):
        checked(**{field: "other"})


def test_no_permit_no_write() -> None:
    with pytest.raises(PermitRefused, match="without a permit"):
        checked(None)


def test_the_same_write_at_the_same_step_has_the_same_permit() -> None:
    ids = {permit_id(run, step, digest) for run in "ab" for step in "cd" for digest in "ef"}
    assert len(ids) == 8
    assert permit_id("a", "c", "e") == permit_id("a", "c", "e")
    assert permit_id("a", "bc", "d") != permit_id("ab", "c", "d")


def test_a_permit_as_json_has_all_of_its_fields() -> None:
    data = PERMIT.to_dict()
    fields: dict[str, Any] = {**data, "chain": tuple(data["chain"])}
    assert Permit(**fields) == PERMIT
    assert data["chain"] == ["desk", "operator"]


def test_a_permit_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PERMIT.digest = "other"  # type: ignore[misc]
    assert replace(PERMIT, digest="other") is not PERMIT
