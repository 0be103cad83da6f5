"""The catalogue and the vectors as one: what is written, deleted and found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pilotman.guardrails.errors import Conflict, InvalidRequest
from pilotman.guardrails.seal import Keys, Seal
from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.catalogue.catalogue import Catalogue, Filter
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.entry import Entry, Record
from pilotman.retrieval.catalogue.kept import Kept
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.selection import Selection
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.forgetting import LEFT, forget, purge
from pilotman.retrieval.generations import Generations
from pilotman.retrieval.quality import Quality
from pilotman.retrieval.unchanged import unchanged
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.allowed import Scores
from pilotman.retrieval.vectors.tune import tune

_TRIES = 5
"""Searches for one query, where others delete what each of them finds."""


def now() -> datetime:
    """The system's time."""
    return datetime.now(UTC)


class Holdings:
    """Chunks with vectors under a folder, or in memory, for any number of threads and processes.

    Writing: vectors first, and they are on the disk before the one transaction that makes them findable.
    All of it happens inside that transaction, which only one writer on the machine can hold, so that two
    never take the same rows. A crash in between leaves vectors without a text, which nobody finds; the
    next writer erases them. Deleting: one transaction, then the vectors are overwritten; a crash in between
    leaves that to the next writer or the next opening.

    What was deleted before the documents of a search are read is not served: each search first follows what
    others committed, and reads its documents by a statement that asks again.

    Raises:
        CorruptIndex: a file is damaged, another program's, or of a newer version; it was left untouched.
        Unavailable: the folder cannot be used.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        config: IndexConfig,
        drop_stale: bool = True,
        quality: Quality | None = None,
        keys: Keys | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        folder = None if path is None else Path(path)
        self._clock: Callable[[], float] = lambda: clock().timestamp()
        self.catalogue = Catalogue(folder, drop_stale=drop_stale, seal=Seal(keys), clock=self._clock)
        self.config = config
        self.quality = quality or Quality(None)
        self.rebuilding = self.quality.rebuilding
        self.catalogue.seal_owned()
        self._generations = Generations(folder, self.catalogue, config=config, clock=self._clock)
        self.tidy()
        if self.catalogue.to_purge()[0] & LEFT:  # whoever forgot was killed
            purge(self)
        self._generations.followed()

    def index(self) -> VectorIndex | None:
        """The vectors; None before the first was written."""
        return self._generations.index()

    def put(
        self,
        entries: Sequence[Entry],
        vectors: Vectors | None,
        *,
        model: Model | None,
        sight: Sight,
        replacing: Mapping[str, Collection[str]] | None = None,
        documents: Iterable[Kept] = (),
    ) -> set[str]:
        """Store the entries, each in place of what the tenant has under its id; all of them or none.

        ``vectors``: one an entry, shape ``(entries, dimensions)``; None, and no model: they come later, see
        ``waiting``, but for chunks of replaced documents that say what they said: these keep theirs.
        ``replacing``: documents by source whose chunks, as far as they are not among the entries, are deleted
        by the same transaction; ``documents``: those of them that are kept from now on. Returns the documents
        that were forgotten, and hence not taken.

        Raises:
            Conflict: entries that came before wait for their vectors: these have to come first.
            ConfigurationError: the model is not the one that the stored vectors were made by.
            PermissionDenied: an id belongs to what the principal may not read.
            InvalidRequest: a vector is not finite, or a value cannot be kept.
        """
        with self.catalogue.change() as change:
            documents = list(documents)
            stopped = change.stopped(entries, documents)
            last = {(entry.tenant, entry.id): number for number, entry in enumerate(entries)}
            kept = [number for number in sorted(last.values()) if entries[number].place not in stopped]
            entries = [entries[number] for number in kept]
            old = change.replaced(entries, replacing or {}, sight)
            stay: dict[int, int] = {}
            if vectors is None or model is None:
                self._generations.agreed(change)
                first = change.known()
                stay = self._unchanged(entries, replacing or {})
                rows = range(first, first + len(entries) - len(stay))
            else:
                rows = self._appended(change, vectors[kept], model)
            for source, replaced in (replacing or {}).items():
                change.drop(source, replaced)
            change.bury(old - stay.keys())
            change.move({row: entries[place] for row, place in stay.items()})
            staying = set(stay.values())
            change.add(rows, [entry for place, entry in enumerate(entries) if place not in staying])
            change.keep(one for one in documents if (one.source, one.document) not in stopped)
        self._tended()
        return {document for _, document in stopped}

    def has_vectors(self) -> bool:
        """Whether there is anything to compare a query with."""
        return self._generations.count() > 0

    def waiting(self, limit: int) -> dict[int, Record | None]:
        """The first rows that have no vector yet, in their order; None for what was deleted meanwhile."""
        return self.catalogue.waiting(self._generations.count(), limit)

    def count_waiting(self) -> int:
        """How many rows have no vector yet."""
        return self.catalogue.count_waiting(self._generations.count())

    def supply(self, first: int, vectors: Vectors, *, model: Model) -> None:
        """Vectors for the rows from ``first`` on, shape ``(rows, dimensions)``; nothing happens where others
        have supplied them.

        Raises:
            ConfigurationError: the model is not the one that the stored vectors were made by.
        """
        with self.catalogue.change() as change:
            change.learn(model).check(model)
            index = self._generations.begun(change, model)
            if index.count == first and first + len(vectors) <= change.known():
                index.append(vectors)
                change.supplied(index.count)
                change.to_erase(first, index.count)
        self._tended()

    def begin_vectors_anew(self) -> None:
        """Another model makes all vectors: every row waits for its own."""
        with self.catalogue.change() as change:
            change.begin_vectors_anew()
        self._generations.followed()

    def delete(self, sight: Sight, ids: Iterable[str] | None) -> int:
        """Delete what the tenant has under these ids, or all that it has; returns how many.

        A principal's call leaves alone what it may not read.
        """

        def chosen(change: Change) -> Mapping[int, frozenset[str]]:
            return change.of_tenant(sight.tenant) if ids is None else change.at_ids(sight.tenant, ids)

        return self._delete(chosen, sight)

    def delete_documents(self, source: str, documents: Collection[str]) -> int:
        """Delete a source's documents; returns how many chunks they had."""

        def chosen(change: Change) -> Mapping[int, frozenset[str]]:
            change.drop(source, documents)
            return change.of_documents(source, documents)

        return self._delete(chosen, Sight())

    def forget(self, selection: Selection) -> Mapping[str, int]:
        """Forget what is meant: nobody finds it when the first transaction ends, nothing of it is in a file
        when this returns. Returns how many ``chunks`` and ``documents`` of sources there were.

        Documents of sources that were forgotten are not taken again, nor anything of an owner who was
        forgotten altogether, until ``readmit``. After a crash in between, or an error, forget again or open
        the folder again: both finish what was begun.

        Raises:
            Unavailable: a file could not be written, or its log not be emptied.
        """
        return forget(self, selection, at=self._clock())

    def readmit(self, selection: Selection) -> int:
        """Take again what was forgotten, where a source lists it; returns how many stops were lifted."""
        with self.catalogue.change() as change:
            return change.readmit(selection)

    def set_readers(self, sight: Sight, ids: Iterable[str], readers: frozenset[str]) -> int:
        """Other readers for what the tenant has under these ids; returns how many.

        Raises:
            PermissionDenied: a principal names readers outside its tenant.
        """
        sight.check_readers(readers)
        with self.catalogue.change() as change:
            rows = [r for r, old in change.at_ids(sight.tenant, ids).items() if sight.may_change(old)]
            change.set_readers(rows, readers)
        return len(rows)

    def confirm_documents(self, source: str, documents: Iterable[str], until: float) -> None:
        """A source's documents were found unchanged: they hold ``until`` (seconds since 1970), or until they
        expire themselves."""
        with self.catalogue.change() as change:
            change.confirm(source, documents, until)

    def search(
        self, vector: Vectors, k: int, sight: Sight, filter: Filter | None = None
    ) -> tuple[Rows, Scores]:
        """The rows of the ``k`` nearest that may be found, best first, and their scores.

        ``vector``: shape ``(dimensions,)``. What goes while this looks may be among them: read the rows by
        ``Catalogue.records``, which asks again.
        """
        if k < 1:
            raise InvalidRequest(f"k={k} is no number of results", hint="ask for 1 or more")
        index = self._generations.followed()
        if index is None or not index.count:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        allowed = self.catalogue.allowed(sight, filter)
        found, found_scores = self.quality.search(
            index, vector, min(k, index.count), allowed, tenant=sight.tenant, source_of=self._source_of
        )
        rows, scores = found[0], found_scores[0]
        if rows[-1] < 0:  # fewer than asked for
            rows, scores = rows[rows >= 0], scores[rows >= 0]
        return rows, scores

    def hits(
        self, vector: Vectors, k: int, sight: Sight, filter: Filter | None = None
    ) -> list[tuple[Record, float]]:
        """The ``k`` nearest chunks with their scores, best first. What goes meanwhile is replaced."""
        found: list[tuple[Record, float]] = []
        for tried in range(_TRIES):
            rows, scores = self.search(vector, k << tried, sight, filter)  # more, where some of it goes
            listed = [int(row) for row in rows]
            records = self.catalogue.records(listed, sight)
            pairs = zip(listed, scores, strict=True)
            found = [(records[row], float(score)) for row, score in pairs if row in records]
            if len(found) >= k or len(found) == len(listed):
                break
        return found[:k]

    def tune(self, queries: Vectors, *, recall: float, k: int) -> IndexConfig:
        """Choose and keep how much a search looks at; see ``vectors.tune``.

        ``queries``: shape ``(n, dimensions)``.

        Raises:
            InvalidRequest: there are no queries, or no trained index.
        """
        index = self._generations.followed()
        if index is None:
            raise InvalidRequest("there is nothing to tune with: the store is empty", hint="add texts first")
        chosen = tune(index, queries, recall=recall, k=k).chosen
        index.settle(nprobe=chosen.nprobe, k_factor=chosen.k_factor)
        return replace(self.config, nprobe=chosen.nprobe, k_factor=chosen.k_factor)

    def cosines(self, rows: Rows, vector: Vectors) -> Scores:
        """The inner product of a vector with those of rows, shape ``(rows,)``; -inf for rows that wait for
        theirs."""
        scores = np.full(len(rows), -np.inf, dtype=np.float32)
        index = self.index()
        if index is not None:
            there = rows < index.count
            scores[there] = index.vectors(rows[there]) @ vector
        return scores

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """The vectors of rows that were found, shape ``(rows, dimensions)``."""
        index = self.index()
        assert index is not None
        return index.vectors(np.array(rows, dtype=np.int64))

    def check(self, model: Model) -> bool:
        """Whether there is anything to search, and this is the model for it.

        Raises:
            ConfigurationError: it is another.
        """
        return self._generations.check(model)

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is wrong with the index, in words; it serves nevertheless."""
        index = self._generations.opened
        said = () if index is None else index.caveats
        lost = 0 if index is None else len(index.lost)
        damaged = (f"{lost} chunks are not found: their vectors are damaged; add them again",) if lost else ()
        changed = len(self.catalogue.tampered)
        sealed = (f"{changed} chunks are not found: they are not what was sealed",) if changed else ()
        failed = (self.rebuilding.failure,) if self.rebuilding.failure else ()
        return (*said, *damaged, *sealed, *failed, *self.quality.caveats)

    @property
    def settings(self) -> Mapping[str, Any]:
        """How much a search looks at, as it was configured or tuned."""
        index = self._generations.opened
        settings = self.config if index is None else index.settings
        return {"metric": self.config.metric, "nprobe": settings.nprobe, "k_factor": settings.k_factor}

    @property
    def epoch(self) -> int:
        """Of the trained index that serves; 0 while every search is exact."""
        index = self._generations.opened
        return 0 if index is None else index.epoch

    def memory(self) -> Mapping[str, int]:
        """Resident bytes, by part."""
        index = self._generations.opened
        vectors: Mapping[str, int] = {} if index is None else index.memory()
        return {**vectors, **self.catalogue.memory()}

    def close(self) -> None:
        """Let the files go, when a rebuild that runs has ended."""
        self.quality.wait()
        self.rebuilding.wait()
        self._generations.close()
        self.catalogue.close()

    def tidy(self) -> None:
        """Overwrite the vectors of what is deleted, also of what a crash left."""
        self._generations.tidy()

    def sweep(self) -> None:
        """Remove the vectors of former models."""
        self._generations.sweep()

    def _source_of(self, row: int) -> str:
        source = self.catalogue.classes([row], "source")[0]
        return source if source != "source:" else ""

    def _unchanged(
        self, entries: Sequence[Entry], replacing: Mapping[str, Collection[str]]
    ) -> dict[int, int]:
        """The rows of replaced documents that stay, each with the place of its entry."""
        index = self.index()
        old = (
            record
            for source, documents in replacing.items()
            for document in documents
            for record in self.catalogue.of_document(source, document)
        )
        return unchanged(old, entries, () if index is None else set(index.lost.tolist()))

    def _appended(self, change: Change, vectors: Vectors, model: Model) -> range:
        """Rows for vectors."""
        change.learn(model).check(model)
        index = self._generations.begun(change, model)
        if index.count < change.known():
            raise Conflict("documents wait for their vectors", hint="these have to come first: try again")
        rows = index.append(vectors) if len(vectors) else range(0)
        change.supplied(index.count)
        return rows

    def _delete(self, chosen: Callable[[Change], Mapping[int, frozenset[str]]], sight: Sight) -> int:
        with self.catalogue.change() as change:
            rows = [row for row, readers in chosen(change).items() if sight.may_change(readers)]
            change.bury(rows)
        if rows:
            self._tended()
        return len(rows)

    def _tended(self) -> None:
        """After a change: nothing deleted keeps its vector, and a rebuild begins where it would help."""
        self.tidy()
        index = self.index()
        if index is not None:
            self.rebuilding.consider(index)
