"""Whether the blocks are as they were written: rows in, findings out. Pure, in bounded memory.

Without an anchor only what contradicts itself is found: who can write the whole database can make it
consistent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson

from pilotman.memory.audit.finding import Finding, Kind
from pilotman.memory.journal.chain import EMPTY, Block, Head, block_hash

WINDOW: Final = 64
"""How many blocks are kept, to see whether they were exchanged."""
_TYPES = (int, str, int, int, str, str)
_MOST = 2**40
"""More events than any run has; sums of smaller numbers overflow nowhere."""


class Mark(NamedTuple):
    """An anchor that may be relied on: after ``number`` blocks the chain ended in ``hash``."""

    number: int
    hash: str
    name: str


class BlockCheck:
    """Compares the blocks with each other and with anchors: ``see`` them by number, then ``end``.

    ``held`` is the last anchor that holds, ``old`` how many events had no hash when hashing began;
    ``discredited`` names the blocks whose word does not count.
    """

    def __init__(self, marks: Iterable[Mark]) -> None:
        self.last = EMPTY
        self.held: Mark | None = None
        self.old = 0
        self.discredited: set[int] = set()
        self._marks = deque(sorted(marks))
        self._suspects: list[Block] = []
        self._begun = False

    def see(self, row: Sequence[Any]) -> Iterator[Finding]:
        """What is wrong with the next block."""
        block = Block(*row)
        if type(block.number) is not int or block.number < self.last.number + self._begun:
            yield _block("inserted", note=f"its number is {block.number!r}")
            return
        typed = tuple(map(type, block)) == _TYPES
        right = typed and block_hash(*block[:5]) == block.hash
        yield from self._placed(block, right=right)
        if not right:
            self.discredited.add(block.number)
            if typed and len(self._suspects) < WINDOW:
                self._suspects.append(block)
            else:
                yield _block("edited", block.number)
        if typed and block.number == 0:
            self.old = block.events
        self._begun, self.last = True, block
        yield from self._compared()

    def end(self) -> Iterator[Finding]:
        """What only shows when there are no more."""
        yield from self._compared()
        if self._marks:
            mark = self._marks[-1]
            yield _block("truncated", self.last.number + 1, mark.number, note=f"{mark.name} counts them")
        numbers = [suspect.number for suspect in self._suspects]
        for suspect in self._suspects:
            was = next((n for n in numbers if block_hash(n, *suspect[1:5]) == suspect.hash), None)
            if was is None:
                yield _block("edited", suspect.number)
            else:
                yield _block("reordered", suspect.number, note=f"it was block {was}")

    def _placed(self, block: Block, *, right: bool) -> Iterator[Finding]:
        """Whether it follows the last one. ``right``: its hash fits its content."""
        follows = block.previous == self.last.hash
        expected = self.last.number + 1 if self._begun else min(block.number, 1)
        if block.number > expected:
            yield _block("dropped", expected, block.number - 1)
        elif right and not follows and not self._begun:
            yield _block("dropped" if block.number else "edited", 0)
        elif right and not follows and self._trusted:
            yield _block("edited", self.last.number, block.number, note="they do not follow each other")
            self.discredited |= {self.last.number, block.number}
        elif right and self._trusted and block.number and not _adds_up(self.last, block):
            yield _block("edited", block.number, note="its totals are wrong")

    @property
    def _trusted(self) -> bool:
        """Whether the last block's word counts."""
        return self.last.number not in self.discredited

    def _compared(self) -> Iterator[Finding]:
        """Whether the anchors up to here say the same; of a dropped block nothing can be said."""
        while self._marks and self._marks[0].number <= self.last.number:
            mark = self._marks.popleft()
            stands = {0: EMPTY.hash, self.last.number: self.last.hash}.get(mark.number)
            if stands == mark.hash:
                self.held = mark
            elif stands is not None:
                after = 1 if self.held is None else self.held.number + 1
                yield _block(
                    "edited", min(after, mark.number), mark.number, note=f"{mark.name} says otherwise"
                )


def heads_of(block: Sequence[Any]) -> list[Head]:
    """What a block says of runs; nothing where that cannot be read."""
    try:
        return plausible(orjson.loads(block[1]))
    except (TypeError, ValueError):
        return []


def plausible(rows: Iterable[Any]) -> list[Head]:
    """Those rows that we could have written.

    Raises:
        TypeError: they are no rows.
    """
    heads = [Head(*row) for row in rows]
    written = (str, int, int, str)
    return [h for h in heads if tuple(map(type, h)) == written and 0 < h.first <= h.seq < _MOST]


def _adds_up(last: Block, block: Block) -> bool:
    """Whether a block's totals are the last one's and what it adds."""
    heads = heads_of(block)
    events = sum(head.seq - head.first + 1 for head in heads)
    runs = sum(head.first == 1 for head in heads)
    return (block.events, block.runs) == (last.events + events, last.runs + runs)


def _block(kind: Kind, first: int | None = None, last: int | None = None, **more: Any) -> Finding:
    return Finding(kind=kind, what="block", first=first, last=first if last is None else last, **more)
