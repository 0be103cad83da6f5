"""A service whose replies get lost, for the tests of the ledger."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.agents.office import (
    QUICK,
    Office,
    allowed,
)

from pilotman.agents.calls import ProposedCall
from pilotman.agents.context import ToolContext
from pilotman.agents.desk import Desk
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.retry import Retry
from pilotman.memory.journal.records import EffectRow

pytestmark = pytest.mark.anyio
STEP = "task:t1/turn:0/call:0"


class Service:
    """Accounts that can be credited. ``loses``: how many replies get lost after the work was done."""

    def __init__(
        self,
        *,
        loses: int = 0,
        drops: int = 0,
        lookup: bool = True,
        knows_keys: bool = False,
        scope: Any = "run",
        timeout: float = 10.0,
        retry: Retry = QUICK,
    ) -> None:
        self.credits: list[str] = []
        self.keys: list[str] = []
        self.calls = 0
        self.loses, self.drops = loses, drops
        self.began = asyncio.Event()
        self.gate: asyncio.Event | None = None
        self.blind = False
        make = tool(
            effect="write", idempotency_key="{account}", key_scope=scope, timeout=timeout, retry=retry
        )

        async def credit(account: str, note: str, ctx: ToolContext) -> str:
            """Credit an account."""
            return await self._credit(account, ctx.idempotency_key)

        async def keyless(account: str, note: str) -> str:
            """Credit an account."""
            return await self._credit(account, f"key {self.calls}")

        body: Any = credit if knows_keys else keyless
        body.__name__ = "credit"
        self.tool: Tool[..., Any] = make(body)
        if lookup:
            self.tool.lookup(self._find)

    async def _credit(self, account: str, key: str) -> str:
        self.calls += 1
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.drops:
            self.drops -= 1
            raise RuntimeError("the request was dropped")
        if key not in self.keys:
            self.keys.append(key)
            self.credits.append(account)
        if self.loses:
            self.loses -= 1
            raise RuntimeError("the reply was lost")
        return f"credited {account}"

    async def _find(self, account: str) -> str | None:
        if self.blind:
            raise RuntimeError("the look-up is down")
        return f"credited {account}" if account in self.credits else None


async def seat(place: Office, service: Service, run_id: str = "run_1", **fields: Any) -> Desk:
    run = await place.run(run_id, **fields.pop("run", {}))
    return place.desk(run, service.tool, **fields)


def credit(account: str = "a1", path: str = STEP, note: str = "") -> ProposedCall:
    return allowed("credit", path, account=account, note=note)


async def effects(place: Office, run_id: str = "run_1") -> list[EffectRow]:
    return await place.journal.effects(run_id, tenant="acme")
