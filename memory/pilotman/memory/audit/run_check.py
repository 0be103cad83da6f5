"""Whether the events of a run are as they were written: rows in, findings out. Pure, in bounded memory.

What is stored may hold anything, also values of types that we never write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from pilotman.memory.audit.finding import Finding, Kind
from pilotman.memory.journal.chain import HASHED, chained, genesis
from pilotman.memory.storage.stored import ERASED

EventRow: TypeAlias = Sequence[Any]
"""An event's columns in the order of ``HASHED``, then its hash."""
WINDOW: Final = 64
"""How many events ahead are looked at, to tell an insertion from an edit and to find what was moved."""
PATIENCE: Final = 4
"""After so many edited events in a row no more of that is tried: somebody may have edited them all."""
_SEQ, _HASH = HASHED.index("seq"), len(HASHED)


class Segment(NamedTuple):
    """Events ``first`` to ``seq`` of a run, sealed together; ``hash`` is the last one's, None: not known."""

    first: int
    seq: int
    hash: str | None


class RunCheck:
    """Compares the events of one run with its chain, and with what blocks say of it.

    A slot is the number that an event had when it was written, a row's ``seq`` the number that it has now.
    """

    def __init__(
        self, run_id: str, tenant: str | None, segments: Iterable[Segment], *, always: bool = True
    ) -> None:
        """``tenant`` None: the run's own record is gone. ``always``: every event had a hash."""
        self.events = 0
        self.unhashed = 0
        self._run_id = run_id
        self._recorded = tenant is not None
        self._segments = iter(segments)
        self._ahead: deque[Segment] = deque()
        self._rows: deque[EventRow] = deque()
        self._slot = 1
        self._shift = 0
        self._begun = always
        self._edits = 0
        self._previous = None if tenant is None else genesis(run_id, tenant)
        self._forged: str | None = None

    def findings(self, rows: Iterable[EventRow]) -> Iterator[Finding]:
        """What is wrong with ``rows``, all events of the run by number."""
        coming = iter(rows)
        while True:
            while len(self._rows) < WINDOW and (row := next(coming, None)) is not None:
                self.events += 1
                if isinstance(row[_SEQ], int):
                    self._rows.append(row)
                else:
                    yield self._found("edited", note=f"{row[_SEQ]!r} is no number of an event")
            self._look_ahead(self._slot + WINDOW)
            if not self._rows:
                break
            yield from self._next(self._rows[0])
        yield from self._rest()

    def _next(self, row: EventRow) -> Iterator[Finding]:
        """Judge the row, and perhaps some after it."""
        if self._ahead and self._slot >= self._ahead[0].first:
            self._begun = True
        if row[_HASH] is None and not self._begun:
            yield from self._old(row)
        elif not self._ahead:
            yield self._found("inserted", row[_SEQ], note="no block holds it, unless the last were cut off")
            self._rows.popleft()
        elif self._follows(row):
            yield from self._take()
        elif self._unknown and row[_HASH] is not None and row[_SEQ] - self._shift == self._slot:
            yield self._found("unchecked", self._slot, note="what it follows is gone")
            yield from self._take()
        else:
            yield from self._odd(row)

    def _rest(self) -> Iterator[Finding]:
        """What is missing at the end."""
        last = 0
        for segment in chain(self._ahead, self._segments):
            last = segment.seq
        run = Finding(kind="dropped", what="run", run_id=self._run_id, note="its record is gone")
        if not self.events and last:
            yield replace(run, note=f"with its events 1 to {last}")
            return
        if last >= self._slot:
            yield self._found("truncated", self._slot, last)
        if self.events and not self._recorded:
            yield run

    def _old(self, row: EventRow) -> Iterator[Finding]:
        """An event from before there were hashes: only a gap in the numbers shows."""
        end = self._ahead[0].first if self._ahead else row[_SEQ] + 1
        if row[_SEQ] > self._slot:
            yield self._found("dropped", self._slot, min(row[_SEQ], end) - 1)
            self._slot = min(row[_SEQ], end)
        if row[_SEQ] < self._slot:
            yield self._found("inserted", row[_SEQ])
            self._rows.popleft()
        elif row[_SEQ] < end:
            self.unhashed += 1
            self._slot += 1
            self._rows.popleft()

    def _odd(self, row: EventRow) -> Iterator[Finding]:
        """The row does not follow: find the explanation that fits what comes after it."""
        order = self._order() if self._edits < PATIENCE else []
        missing = row[_SEQ] - self._shift - self._slot
        if order and len(order) > max(order):
            yield from self._reordered(order)
        elif order:  # the event that belongs here comes later: what stands before it is new
            for _ in range(order[0]):
                yield self._found("inserted", self._rows.popleft()[_SEQ])
            self._shift = self._rows[0][_SEQ] - self._slot
        elif missing < 0:
            yield self._found("inserted", self._rows.popleft()[_SEQ])
        elif missing > 0:
            yield from self._dropped(missing)
        elif self._edits < PATIENCE and (renumbered := self._renumbered(row)):
            self._shift -= renumbered
            yield from self._dropped(renumbered)
        else:
            yield from self._edited(row)

    def _order(self) -> list[int]:
        """Which of the rows ahead are the events from this slot on, until all that were passed are found."""
        found: list[int] = []
        previous = self._previous
        while previous is not None and len(found) <= max(found, default=0):
            slot = self._slot + len(found)
            fits = (i for i, row in enumerate(self._rows) if row[_HASH] == _hash(previous, row, slot))
            index = next(fits, None)
            if index is None:
                break
            found.append(index)
            previous = self._rows[index][_HASH]
        return found

    def _reordered(self, order: Sequence[int]) -> Iterator[Finding]:
        """Take the rows in the order in which they were written."""
        rows = [self._rows.popleft() for _ in order]
        for index in order:
            if rows[index][_SEQ] - self._shift != self._slot:
                note = f"it was event {self._slot}"
                yield self._found("reordered", rows[index][_SEQ], note=note)
            self._rows.appendleft(rows[index])
            yield from self._take(moved=True)

    def _dropped(self, missing: int) -> Iterator[Finding]:
        """So many events are not there any more."""
        self._look_ahead(self._slot + missing)
        after = min(self._slot + missing, self._ahead[-1].seq + 1)
        if not self._begun:  # the chain begins where the old events end, whether they are there or not
            after = min(after, self._ahead[0].first)
        yield self._found("dropped", self._slot, after - 1)
        if self._begun:
            self._previous, self._forged = self._known(after - 1), None
        self._slot = after

    def _renumbered(self, row: EventRow) -> int:
        """How many events were dropped before the row, if it and what follows were given their numbers."""
        after = self._rows[1] if len(self._rows) > 1 else None
        if row[_HASH] is None:
            return 0
        for missing in range(1, WINDOW):
            slot = self._slot + missing
            if self._known(slot) == row[_HASH] or _leads(row[_HASH], after, slot):
                return missing
        return 0

    def _edited(self, row: EventRow) -> Iterator[Finding]:
        """The row stands where it should, and is another."""
        since, known = self._ahead[0].first, self._known(self._slot)
        note = "it, or the tenant of its run" if self._slot == 1 else ""
        yield self._found("edited", self._slot, since=since if since < self._slot else None, note=note)
        after = self._rows[1] if len(self._rows) > 1 else None
        meant = _hash(self._previous, row, self._slot)  # what its hash must be, if only that was changed
        if known is not None:
            self._previous, self._forged = known, row[_HASH]
        else:
            self._previous, self._forged = meant if _leads(meant, after, self._slot) else row[_HASH], None
        self._edits += 1
        self._rows.popleft()
        self._slot += 1

    def _take(self, *, moved: bool = False) -> Iterator[Finding]:
        """The first row is the event of this slot; see whether a block says so, too."""
        row, slot = self._rows.popleft(), self._slot
        if row[_SEQ] - self._shift != slot and not moved:
            self._shift = row[_SEQ] - slot
            note = f"event {slot} and what follows it were given other numbers"
            yield self._found("reordered", row[_SEQ], note=note)
        known = self._known(slot)
        if known is None or known == row[_HASH]:
            self._previous, self._forged = row[_HASH], None
        else:
            first = min(self._ahead[0].first, slot)
            yield self._found("edited", first, slot, note="with their hashes: the block says otherwise")
            self._previous, self._forged = known, row[_HASH]
        self._begun, self._edits = True, 0
        self._slot += 1

    def _follows(self, row: EventRow) -> bool:
        """Whether the row is the event of this slot, by its hash."""
        hashes = (_hash(self._previous, row, self._slot), _hash(self._forged, row, self._slot))
        return row[_HASH] is not None and row[_HASH] in hashes

    @property
    def _unknown(self) -> bool:
        """Whether the event before is gone, and its hash with it."""
        return self._previous is None and self._forged is None

    def _known(self, slot: int) -> str | None:
        """The hash that a block gives for the slot, if one does."""
        return next((s.hash for s in self._ahead if s.seq == slot), None)

    def _look_ahead(self, slot: int) -> None:
        """Have the segments from here up to ``slot`` at hand."""
        while not self._ahead or self._ahead[-1].seq < slot:
            segment = next(self._segments, None)
            if segment is None:
                break
            self._ahead.append(segment)
        while self._ahead and self._ahead[0].seq < self._slot:
            self._ahead.popleft()

    def _found(self, kind: Kind, first: int | None = None, last: int | None = None, **more: Any) -> Finding:
        last = first if last is None else last
        return Finding(kind=kind, what="event", run_id=self._run_id, first=first, last=last, **more)


def _hash(previous: str | None, row: EventRow, slot: int) -> str | None:
    """The hash of the row as the event of a slot; None: there is no such event."""
    if previous is None:
        return None
    if row[_HASH - 1] == ERASED:  # text of old was erased, no digest is left: what follows holds its hash
        return str(row[_HASH])
    values = list(row[:_HASH])
    if any(isinstance(value, bytes) for value in values[:-1]):  # content stands in the last one alone
        return None
    values[_SEQ] = slot
    try:
        return chained(previous, values)
    except TypeError:  # we never write such
        return None


def _leads(previous: str | None, row: EventRow | None, slot: int) -> bool:
    """Whether ``previous`` is the hash of a slot, judged by the row after it."""
    return row is not None and row[_HASH] is not None and row[_HASH] == _hash(previous, row, slot + 1)
