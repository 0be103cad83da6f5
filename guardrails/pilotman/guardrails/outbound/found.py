"""What stands in a call's arguments, found when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotman.guardrails.outbound.finding import names
from pilotman.guardrails.outbound.inspection import Inspection
from pilotman.guardrails.outbound.leaves import leaves


class Found(Mapping[str, frozenset[str]]):
    """By argument the kinds of secrets and identifiers in it, and their categories."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self._args = args
        self._found: dict[str, frozenset[str]] = {}

    def __getitem__(self, name: str) -> frozenset[str]:
        if name not in self._found:
            inspect = Inspection()
            texts = leaves(self._args[name])
            self._found[name] = names([one for text in texts for one in inspect.known(text, name)])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._args)

    def __len__(self) -> int:
        return len(self._args)
