"""A run's way to the quotas of whoever asks: model calls reserve there, and permits count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilotman.guardrails.cap import UNITS, Cap, Reservation
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.purse import Spend
from pilotman.guardrails.quota import Quota, Window
from pilotman.memory.journal.journal import Journal


@dataclass(frozen=True, kw_only=True)
class Meter:
    """The quotas of one run."""

    quotas: Sequence[Quota]
    journal: Journal
    clock: Callable[[], datetime]
    run_id: str
    principal: Principal
    thread_id: str

    async def reserve(self, spend: Spend) -> Held | None:
        """Set a model call's upper bound aside; None: no quota counts tokens or cost.

        Raises:
            QuotaExceeded: a quota has not so much left.
        """
        now = self.clock()
        windows = [self._window(quota, now) for quota in self.quotas if quota.meters_models]
        if not windows:
            return None
        await self.journal.reserve_quota(windows, spend)
        return Held(self, windows, spend)

    def writes(self, tool: str) -> list[Reservation]:
        """What a permit for a write by this tool takes: one of each quota of writes, as of a cap."""
        now = self.clock()
        return [
            Reservation(
                cap=Cap(
                    name=f"writes per {quota.per} in {quota.window:g} s",
                    tools=frozenset({tool}),
                    most=quota.max_writes,
                    window=timedelta(seconds=quota.window),
                ),
                holder=window.holder,
                units=UNITS,
                since=window.since,
            )
            for quota in self.quotas
            if quota.max_writes is not None
            for window in [self._window(quota, now)]
        ]

    def _window(self, quota: Quota, now: datetime) -> Window:
        return quota.window_of(self.principal, self.thread_id, now)


class Held:
    """What was set aside for one call. Settle it once; settling again does nothing."""

    def __init__(self, meter: Meter, windows: Sequence[Window], reserved: Spend) -> None:
        self._meter = meter
        self._windows = windows
        self._reserved: Spend | None = reserved

    def settle(self, used: Spend) -> None:
        """Book what was used, without waiting."""
        reserved, self._reserved = self._reserved, None
        if reserved is not None:
            meter = self._meter
            meter.journal.settle_quota(meter.run_id, self._windows, reserved=reserved, used=used)
