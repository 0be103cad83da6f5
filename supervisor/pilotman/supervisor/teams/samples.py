"""Samples that ship with the teams: an alert, runbooks and a shop's support policies, all made up by us."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "sample_data"


def sample_alert(*, host: str | None = None, started_at: datetime | None = None) -> dict[str, Any]:
    """A webhook about a service that is down on ``host``: on this machine, if none is given.

    The service does not exist; facts of the host that a run finds are real. With another ``started_at`` it is
    another request, not a repetition of the first.
    """
    text = (_FOLDER / "alert.json").read_text(encoding="utf-8")
    webhook: dict[str, Any] = json.loads(text.replace("%HOST%", host or socket.gethostname()))
    if started_at is not None:
        for alert in webhook["alerts"]:
            alert["startsAt"] = started_at.astimezone(UTC).isoformat()
    return webhook


def sample_runbooks() -> Path:
    """A folder of runbooks for common infrastructure alerts, Markdown."""
    return _FOLDER / "runbooks"


def support_policies() -> Path:
    """A folder of a shop's policies, Markdown: refunds, account changes, shipping, privacy and more."""
    return _FOLDER / "policies"
