"""Looks whether a journal is as it was written: by its own chains, and by anchors kept elsewhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection, bindparam, text

from pilotman.guardrails.errors import PilotmanError
from pilotman.guardrails.seal import Forgotten, Seal, Subject
from pilotman.memory.audit import payload_check
from pilotman.memory.audit.anchor_check import AnchorCheck
from pilotman.memory.audit.anchor_store import AnchorStore
from pilotman.memory.audit.block_check import BlockCheck, Mark, heads_of, plausible
from pilotman.memory.audit.finding import Finding, Kind, merged
from pilotman.memory.audit.run_check import RunCheck
from pilotman.memory.audit.segments import Segments, Span
from pilotman.memory.journal.payloads import place
from pilotman.memory.storage.database import Database, translate

if TYPE_CHECKING:
    from pilotman.memory.audit.keys import PublicKey

LISTED: Final = 1_000
"""How many findings, and how many unprotected runs, a report lists."""
_CHUNK: Final = 500


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an audit has found.

    ``more`` counts findings that are not listed. ``held`` is the last anchor that holds. What came after its
    block is ``unprotected``, the first runs listed: who can write the database could have rewritten it. So
    could they the ``unhashed`` events, from before there were hashes.
    """

    findings: tuple[Finding, ...]
    more: int
    events: int
    runs: int
    blocks: int
    unhashed: int
    held: Mark | None
    unprotected_events: int
    unprotected_runs: int
    unprotected: tuple[Span, ...]
    remarks: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is as it was written, as far as that can be told."""
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        held = None if self.held is None else {"block": self.held.number, "anchor": self.held.name}
        return {
            "sound": self.sound,
            "findings": [finding.to_dict() for finding in self.findings],
            "more_findings": self.more,
            "events": self.events,
            "runs": self.runs,
            "blocks": self.blocks,
            "anchored": held,
            "unprotected": {
                "events": self.unprotected_events,
                "runs": self.unprotected_runs,
                "listed": [span._asdict() for span in self.unprotected],
                "events_without_hash": self.unhashed,
            },
            "remarks": list(self.remarks),
        }


def verify(
    database: Database,
    stores: Sequence[AnchorStore] = (),
    *,
    key: PublicKey | None = None,
    seal: Seal | None = None,
) -> Report:
    """Audit a journal. Opens the database, reads all of it as of one moment, closes it. Takes a while.

    Bodies that ``seal`` cannot open, since their keys were destroyed or are elsewhere, are only counted.

    Raises:
        CorruptJournal: it cannot be read at all.
        Unavailable: it, or an anchor, cannot be reached.
    """
    anchors = AnchorCheck(key)
    forged = [finding for store in stores for finding in anchors.findings(store.name, store.lines())]
    try:
        database.open()
        with (
            database.transaction("read") as connection,
            _as_stored(connection),
            Segments() as segments,
        ):
            examination = _Examination(connection, anchors, segments, seal or Seal())
            examination.keep(chain(forged, examination.blocks(), examination.runs()))
            return examination.report()
    except PilotmanError:
        raise
    except Exception as error:
        raise translate(error) from error
    finally:
        database.close()


class _Examination:
    """One pass over a journal: ``keep`` what ``blocks`` and then ``runs`` find, then ``report``."""

    def __init__(self, connection: Connection, anchors: AnchorCheck, segments: Segments, seal: Seal) -> None:
        self._connection = connection
        self._anchors = anchors
        self._segments = segments
        self._seal = seal
        self._chain = BlockCheck(anchors.marks)
        self._findings: list[Finding] = []
        self._more = 0
        self._events = self._runs = self._unhashed = self._unopened = 0

    def keep(self, findings: Iterable[Finding]) -> None:
        """Note what was found."""
        for finding in merged(findings):
            if len(self._findings) < LISTED:
                self._findings.append(finding)
            else:
                self._more += 1

    def blocks(self) -> Iterator[Finding]:
        """The chain of blocks; what they say of runs is sorted for ``runs``."""
        for row in self._rows(_BLOCKS):
            yield from self._chain.see(row)
            self._segments.add(row[0], heads_of(row))
        yield from self._chain.end()
        self._segments.discredit(self._chain.discredited)
        self._segments.add(None, plausible(self._rows("SELECT run_id, first, seq, hash FROM unsealed")))

    def runs(self) -> Iterator[Finding]:
        """Every run of which there is an event, a body, or a word in a block."""
        stored = self._rows(
            "SELECT run_id FROM events UNION SELECT run_id FROM payloads UNION SELECT run_id FROM unsealed"
        )
        for (run_id,) in stored:
            yield from self._run(run_id)
        for run_id in self._segments.unseen():
            yield from self._run(run_id)
        if self._unhashed != self._chain.old:
            kind: Kind = "inserted" if self._unhashed > self._chain.old else "dropped"
            note = f"{self._unhashed} have no hash, {self._chain.old} had none when hashing began"
            yield Finding(kind=kind, what="event", note=note)

    def report(self) -> Report:
        held = self._chain.held
        events, runs, spans = self._segments.after(0 if held is None else held.number, limit=LISTED)
        return Report(
            findings=tuple(self._findings),
            more=self._more,
            events=self._events,
            runs=self._runs,
            blocks=self._chain.last.number,
            unhashed=self._unhashed,
            held=held,
            unprotected_events=events,
            unprotected_runs=runs,
            unprotected=tuple(spans),
            remarks=(*self._anchors.remarks(), *self._remarks()),
        )

    def _remarks(self) -> Iterator[str]:
        if self._unopened:
            yield f"{self._unopened} bodies were not opened: their keys were destroyed, or are not at hand"

    def _run(self, run_id: Any) -> Iterator[Finding]:
        if not isinstance(run_id, str):
            yield Finding(kind="inserted", what="run", note=f"{run_id!r} is no id of a run")
            return
        whose = self._connection.execute(_OWNER, {"run_id": run_id}).one_or_none()
        subject = None if whose is None else Subject(str(whose[0]), str(whose[1]))
        tenant = None if subject is None else subject.tenant
        check = RunCheck(run_id, tenant, self._segments.of(run_id), always=not self._chain.old)
        told = payload_check.Told()
        lost: list[Finding] = []
        yield from check.findings(self._events_of(run_id, told, lost))
        yield from lost
        if told.erased > told.until:
            yield _unexplained(run_id, told.erased)
        yield from self._bodies(run_id, subject, told)
        self._events += check.events
        self._unhashed += check.unhashed
        self._runs += 1

    def _bodies(self, run_id: str, subject: Subject | None, told: payload_check.Told) -> Iterator[Finding]:
        def opened(digest: str, body: bytes) -> bytes:
            return self._seal.open(subject, body, place(run_id, digest).encode())

        blind = (Seal() if subject is None else self._seal).blinder(subject or Subject("", ""))

        for body in self._rows(_BODIES, run_id=run_id):
            try:
                finding = payload_check.check(run_id, body, told, opened, blind)
            except Forgotten:
                self._unopened += 1
                continue
            if finding is not None:
                yield finding

    def _events_of(
        self, run_id: str, told: payload_check.Told, lost: list[Finding]
    ) -> Iterator[Sequence[Any]]:
        """A run's events; on the way, what they say of bodies."""
        wanted: set[str] = set()
        for row in self._rows(_EVENTS, run_id=run_id):
            yield row
            data = row[14]
            told.see(row[1], row[4], data)
            wanted.update(payload_check.referenced(data))
            if len(wanted) >= _CHUNK:
                lost.extend(self._lost(run_id, wanted))
                wanted.clear()
        lost.extend(self._lost(run_id, wanted))

    def _lost(self, run_id: str, digests: set[str]) -> Iterator[Finding]:
        """Bodies that events refer to and that are not there."""
        if not digests:
            return
        found = self._connection.execute(_FOUND, {"run_id": run_id, "digests": sorted(digests)})
        for digest in sorted(digests.difference(found.scalars())):
            yield payload_check.found("dropped", run_id, digest, note="an event refers to it")

    def _rows(self, sql: str, **values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows, a few at a time."""
        found = self._connection.execute(text(sql).execution_options(yield_per=_CHUNK), values)
        yield from map(tuple, found)


def _unexplained(run_id: str, seq: int) -> Finding:
    note = "its content is gone, and no event says that it was erased"
    return Finding(kind="edited", what="event", run_id=run_id, first=seq, last=seq, note=note)


_BLOCKS = "SELECT number, heads, events, runs, previous, hash FROM blocks ORDER BY number"
_OWNER = text('SELECT tenant, "user" FROM runs WHERE run_id = :run_id')
_EVENTS = (
    "SELECT run_id, seq, key, at, kind, actor, step_id, model, tool, latency_ms, input_tokens,"
    " output_tokens, cost_nusd, result, data, hash FROM events WHERE run_id = :run_id ORDER BY seq"
)
_BODIES = "SELECT digest, body, redacted FROM payloads WHERE run_id = :run_id"
_FOUND = text("SELECT digest FROM payloads WHERE run_id = :run_id AND digest IN :digests").bindparams(
    bindparam("digests", expanding=True)
)


@contextmanager
def _as_stored(connection: Connection) -> Generator[None]:
    """See the database as of one moment, and also text that is none."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
        return
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    driver.text_factory = _decoded
    try:
        yield
    finally:
        driver.text_factory = str


def _decoded(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
