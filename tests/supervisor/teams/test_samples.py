"""The samples: what the teams are tried on is itself in order."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilotman.supervisor.teams.samples import sample_alert, sample_runbooks, support_policies
from pilotman.supervisor.teams.triage import intake


def test_the_alert_is_about_this_machine_unless_told_otherwise() -> None:
    assert intake(sample_alert()).facts["host"] == socket.gethostname().lower()
    assert intake(sample_alert(host="web-1")).facts["hosts"] == ["web-1"]
    assert "%HOST%" not in str(sample_alert())


def test_the_alert_is_one_request_until_it_starts_again() -> None:
    later = datetime(2026, 12, 1, tzinfo=UTC)
    assert intake(sample_alert()).idempotency_key == intake(sample_alert()).idempotency_key
    assert intake(sample_alert(started_at=later)).idempotency_key != intake(sample_alert()).idempotency_key


@pytest.mark.parametrize("path", sorted(sample_runbooks().glob("*.md")), ids=lambda path: path.stem)
def test_each_runbook_has_what_a_runbook_needs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_there_are_enough_of_them() -> None:
    assert len(list(sample_runbooks().glob("*.md"))) >= 12
    assert len(list(support_policies().glob("*.md"))) >= 6
