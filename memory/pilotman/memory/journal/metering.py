"""The journal's quotas: reserved before a call, settled after it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from pilotman.guardrails.errors import QuotaExceeded
from pilotman.guardrails.purse import Spend
from pilotman.guardrails.quota import Usage, Window
from pilotman.memory.journal import quotas
from pilotman.memory.journal.access import Access
from pilotman.memory.journal.batch import Rider


class Metering(Access):
    """What of quotas is used, over all processes that share the database. A part of ``Journal``."""

    async def reserve_quota(self, windows: Sequence[Window], spend: Spend) -> None:
        """Set a model call's upper bound aside, in all windows.

        Raises:
            QuotaExceeded: one has not so much left; nothing was changed.
        """
        now = self._clock()

        def work(connection: Connection) -> QuotaExceeded | None:
            try:
                quotas.reserve(connection, windows, spend, now=now)
            except QuotaExceeded as error:  # it has changed nothing: what shares the transaction goes on
                return error
            return None

        refused = await self._write(work)
        if refused is not None:
            raise refused

    def settle_quota(self, run_id: str, windows: Sequence[Window], *, reserved: Spend, used: Spend) -> None:
        """Book what the call has used instead, without waiting. If that is lost, all of it stays reserved."""

        def work(connection: Connection) -> None:
            quotas.settle(connection, windows, reserved=reserved, used=used)

        self._open.ride(Rider(run_id, work=work))

    async def quota_usage(self, window: Window) -> Usage:
        """What of a window is used and reserved."""
        return await self._read(lambda connection: quotas.usage(connection, window))
