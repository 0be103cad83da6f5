"""Whom or what a call is about, whatever else is said in it."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.agents.target import target_of
from pilotman.agents.tool import Tool, tool


@tool(effect="irreversible")
async def send_mail(to: list[str], subject: str, body: str = "") -> str:
    """Send a mail."""
    return "sent"


@tool(effect="irreversible", idempotency_key="{order_id}:{amount_cents}")
async def refund(order_id: str, amount_cents: int, reason: str) -> str:
    """Refund an order."""
    return "refunded"


@tool(effect="write", idempotency_key="{title}")
async def open_ticket(title: str, host: str = "") -> str:
    """Open a ticket."""
    return "OPS-1"


@tool(effect="write")
async def set_volume(percent: int) -> str:
    """Set the volume."""
    return "set"


@pytest.mark.parametrize(
    ("which", "args", "expected"),
    [
        (send_mail, {"to": ["eve@evil.example"], "subject": "Hi"}, ("to=eve@evil.example",)),
        (send_mail, {"to": ["a@x.example", "b@x.example"]}, ("to=a@x.example", "to=b@x.example")),
        (refund, {"order_id": "A-1", "amount_cents": 100, "reason": "late"}, ("order_id=a-1",)),
        (open_ticket, {"title": "Disk", "host": "web-1"}, ("title=disk",)),
        (set_volume, {"percent": 11}, ()),
        (send_mail, {}, ()),
    ],
)
def test_the_target_is_what_names_whom_or_what(
    which: Tool[..., Any], args: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert target_of(which, args) == expected


def test_spelling_makes_no_other_target() -> None:
    plain = target_of(send_mail, {"to": ["eve@evil.example"], "body": "one"})
    for spelled in (
        "Eve@EVIL.example",
        " eve@evil.example ",
        "eve@evil\u200b.example",
        "\uff45ve@evil.example",
    ):
        assert target_of(send_mail, {"to": [spelled], "body": "two", "subject": "x"}) == plain


def test_order_makes_no_other_target_and_another_one_does() -> None:
    assert target_of(send_mail, {"to": ["a@x.y", "b@x.y"]}) == target_of(
        send_mail, {"to": ["b@x.y", "a@x.y"]}
    )
    assert target_of(send_mail, {"to": ["a@x.y"]}) != target_of(send_mail, {"to": ["b@x.y"]})
