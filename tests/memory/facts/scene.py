"""Who remembers, and where documents are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pilotman.guardrails import Principal
from pilotman.memory import Fact, Memory

alice = Principal(tenant="acme", user="alice")
bob = Principal(tenant="acme", user="bob")
olga = Principal(tenant="acme", user="olga", roles=frozenset({"operator"}))
mallory = Principal(tenant="evil", user="alice")


class Documents:
    """Sources of which the test says what is there; ``asked`` is what it was asked about."""

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.asked: list[str] = []

    async def live(self, documents: Collection[str], *, principal: Principal) -> set[str]:
        self.asked += sorted(documents)
        assert principal.tenant == "acme"
        return self.there & set(documents)


async def said(memory: Memory, text: str, principal: Principal = alice, **more: Any) -> Fact:
    values: dict[str, Any] = {"source": "user", "reason": "asked to", **more}
    return await memory.remember(text, principal=principal, **values)


async def told(memory: Memory, principal: Principal = alice, **more: Any) -> list[str]:
    return [fact.text for fact in await memory.recall(more.pop("query", ""), principal=principal, **more)]
