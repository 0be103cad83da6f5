"""Writes that this process is executing at the moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager


class UnderWay:
    """One per supervisor: its runs share an owner name, so the journal alone cannot tell them apart."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, effect_id: str) -> Generator[None]:
        """Say that the effect is being worked on, for as long as the block lasts."""
        self._held[effect_id] += 1
        try:
            yield
        finally:
            self._held[effect_id] -= 1
            if not self._held[effect_id]:
                del self._held[effect_id]

    def __contains__(self, effect_id: object) -> bool:
        return effect_id in self._held
