"""Which anchors may be relied on: lines in, findings and marks out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory.audit.anchor import Anchor
from pilotman.memory.audit.block_check import Mark
from pilotman.memory.audit.finding import Finding

if TYPE_CHECKING:
    from pilotman.memory.audit.keys import PublicKey


class AnchorCheck:
    """Reads anchors. With a key, only those count that it has signed."""

    def __init__(self, key: PublicKey | None) -> None:
        self.marks: list[Mark] = []
        self._key = key
        self._unsigned = 0

    def findings(self, place: str, lines: Iterable[str]) -> Iterator[Finding]:
        """What is wrong with the anchors that are kept at a place."""
        numbered = enumerate((line for line in lines if line.strip()), start=1)
        for number, line in numbered:
            try:
                anchor = Anchor.from_json(line)
            except InvalidRequest:
                wrong = "it cannot be read"
            else:
                wrong = self._wrong(anchor)
                self._unsigned += not anchor.signature
                if not wrong:
                    name = f"anchor {number} in {place}, of {anchor.at.isoformat(timespec='seconds')}"
                    self.marks.append(Mark(anchor.blocks, anchor.head, name))
            if wrong:
                yield Finding(
                    kind="forged", what="anchor", first=number, last=number, note=f"{wrong}; in {place}"
                )

    def remarks(self) -> list[str]:
        """What could not be checked."""
        if self._key is not None or not self.marks:
            return []
        told = [f"{self._unsigned} of {len(self.marks)} anchors are not signed"] if self._unsigned else []
        if self._unsigned < len(self.marks):
            told.append("signatures were not checked: no key was given")
        return told

    def _wrong(self, anchor: Anchor) -> str:
        if self._key is None or anchor.signed_by(self._key):
            return ""
        if not anchor.signature:
            return "it is not signed"
        return "it is signed with another key" if anchor.key != self._key.key_id else "its signature is wrong"
