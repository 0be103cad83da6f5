"""Use of quotas in the database: looked at and changed in one transaction, by one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, select, update

from pilotman.guardrails.purse import Spend
from pilotman.guardrails.quota import Usage, Window
from pilotman.memory.storage.codec import micros, text
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.schema import quota_usage
from pilotman.memory.storage.statement import Query, Row


def start_run(connection: Connection, windows: Sequence[Window], *, now: datetime) -> None:
    """Count a run in all windows, or in none.

    Raises:
        QuotaExceeded: a window has no room for another one; nothing was changed.
    """
    found = [(window, _locked(connection, window)) for window in _in_order(windows)]
    for window, usage in found:
        lacking = (usage or Usage()).lacks_run(window.quota)
        if lacking is not None:
            raise window.exceeded(lacking, now)
    for window, usage in found:
        _put(connection, window, (usage or Usage()).with_run(), new=usage is None)


def reserve(connection: Connection, windows: Sequence[Window], spend: Spend, *, now: datetime) -> None:
    """Set tokens and cost aside in all windows, or in none.

    Raises:
        QuotaExceeded: a window has not so much left; nothing was changed.
    """
    amounts = {"tokens": tokens(spend), "cost_nusd": spend.cost_nusd}
    found = [(window, _locked(connection, window)) for window in _in_order(windows)]
    for window, usage in found:
        lacking = (usage or Usage()).lacks(window.quota, **amounts)
        if lacking is not None:
            raise window.exceeded(lacking, now)
    for window, usage in found:
        _put(connection, window, (usage or Usage()).reserve(**amounts), new=usage is None)


def settle(connection: Connection, windows: Sequence[Window], *, reserved: Spend, used: Spend) -> None:
    """Book what was used in place of what was set aside. A window that is over and forgotten stays so."""
    amounts = [(tokens(spend), spend.cost_nusd) for spend in (reserved, used)]
    for window in _in_order(windows):
        usage = _locked(connection, window)
        if usage is not None:
            settled = usage.settle(window.quota, reserved=amounts[0], used=amounts[1])
            _put(connection, window, settled, new=False)


def usage(connection: Connection, window: Window) -> Usage:
    """What of a window is used."""
    row = _FOUND.one(connection, _key(window))
    return Usage() if row is None else Usage(**row)


def tokens(spend: Spend) -> int:
    """Of models, in and out together."""
    return spend.input_tokens + spend.output_tokens


def _in_order(windows: Sequence[Window]) -> list[Window]:
    """Everybody locks in the same order: nobody waits for each other."""
    return sorted(windows, key=lambda window: (window.quota.name, window.holder))


def _locked(connection: Connection, window: Window) -> Usage | None:
    lock(connection, f"quota\n{window.quota.name}\n{window.holder}")
    row = _FOUND.one(connection, _key(window))
    return None if row is None else Usage(**row)


def _put(connection: Connection, window: Window, now: Usage, *, new: bool) -> None:
    values = {**_key(window), **asdict(now)}
    if not new:
        _CHANGED.run(connection, values)
        return
    _ADDED.run(connection, values)
    _FORGOTTEN.run(connection, _key(window))  # what windows before it have counted


def _key(window: Window) -> Row:
    return {"quota": window.quota.name, "holder": text(window.holder), "since": micros(window.since)}


_COLUMNS = tuple(f.name for f in fields(Usage))
_LINE = and_(
    quota_usage.c.quota == bindparam("quota"),
    quota_usage.c.holder == bindparam("holder"),
)
_THIS = and_(_LINE, quota_usage.c.since == bindparam("since"))
_FOUND = Query(select(*(quota_usage.c[name] for name in _COLUMNS)).where(_THIS))
_SET: dict[Any, Any] = {quota_usage.c[name]: bindparam(name) for name in _COLUMNS}
_CHANGED = Query(update(quota_usage).where(_THIS).values(_SET))
_ADDED = Query.inserting(quota_usage, "quota", "holder", "since", *_COLUMNS)
_FORGOTTEN = Query(delete(quota_usage).where(_LINE, quota_usage.c.since < bindparam("since")))
