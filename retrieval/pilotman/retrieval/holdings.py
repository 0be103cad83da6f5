"""The catalogue and the vectors as one: what is written, deleted and found."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pilotman.guardrails.errors import CorruptIndex, InvalidRequest, PermissionDenied
from pilotman.retrieval.catalogue.catalogue import Catalogue, Filter
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.entry import Entry, Record
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.dense import Rows, Vectors
from pilotman.retrieval.rebuilding import Rebuilding
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.allowed import Scores
from pilotman.retrieval.vectors.tune import tune

FOLDER = "vectors"

_REFRESH = 1.0
"""Seconds after which an index that others trained anew is seen."""
_TRIES = 5
"""Searches for one query, where others delete what each of them finds."""


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
        folder: Path | None,
        *,
        config: IndexConfig,
        drop_stale: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.catalogue = Catalogue(folder, drop_stale=drop_stale, clock=clock)
        self.config = config
        self.rebuilding = Rebuilding()
        self._folder = None if folder is None else folder / FOLDER
        self._index: VectorIndex | None = None
        self._opening = threading.Lock()
        self._checked: Model | None = None
        self._clock = clock
        self._state, self._refreshed = 0, 0.0
        self._tidy()
        self._followed()

    def index(self) -> VectorIndex | None:
        """The vectors; None before the first was written."""
        if self._index is None:
            model = self.catalogue.model()
            return None if model is None else self._opened(model.dimensions)
        return self._index

    def put(
        self,
        entries: Sequence[Entry],
        vectors: Vectors,
        *,
        model: Model,
        sight: Sight,
        replacing: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        """Store the entries, each in place of what the tenant has under its id; all of them or none.

        ``vectors``: one an entry, shape ``(entries, dimensions)``. ``replacing``: documents by source whose
        chunks, as far as they are not among the entries, are deleted by the same transaction.

        Raises:
            ConfigurationError: the model is not the one that the stored vectors were made by.
            PermissionDenied: an id belongs to what the principal may not read.
            InvalidRequest: a vector is not finite, or a value cannot be kept.
        """
        last = {(entry.tenant, entry.id): number for number, entry in enumerate(entries)}
        kept = sorted(last.values())
        entries, vectors = [entries[number] for number in kept], vectors[kept]
        with self.catalogue.change() as change:
            change.learn(model).check(model)
            index = self._opened(model.dimensions)
            self._fill(change, index)
            old = _replaced(change, entries, replacing or {}, sight)
            rows = index.append(vectors) if entries else range(0)
            change.bury(old)
            change.add(rows, entries)
        self._tidy()
        self.rebuilding.consider(index)

    def delete(self, sight: Sight, ids: Iterable[str] | None) -> int:
        """Delete what the tenant has under these ids, or all that it has; returns how many.

        A principal's call leaves alone what it may not read.
        """

        def chosen(change: Change) -> Mapping[int, frozenset[str]]:
            return change.of_tenant(sight.tenant) if ids is None else change.at_ids(sight.tenant, ids)

        return self._delete(chosen, sight)

    def delete_documents(self, source: str, documents: Iterable[str]) -> int:
        """Delete the chunks of a source's documents; returns how many."""
        return self._delete(lambda change: change.of_documents(source, documents), Sight())

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

    def set_document_readers(self, source: str, documents: Iterable[str], readers: frozenset[str]) -> int:
        """Other readers for a source's documents; returns of how many chunks."""
        with self.catalogue.change() as change:
            rows = change.of_documents(source, documents)
            change.set_readers(rows, readers)
        return len(rows)

    def refresh_documents(
        self, source: str, documents: Iterable[str], *, fetched_at: float, expires_at: float | None
    ) -> int:
        """A source's documents were found unchanged; times in seconds since 1970. Returns the chunks."""
        with self.catalogue.change() as change:
            rows = change.of_documents(source, documents)
            change.refresh(rows, fetched_at, expires_at)
        return len(rows)

    def search(
        self, vector: Vectors, k: int, sight: Sight, filter: Filter | None = None
    ) -> tuple[Rows, Scores]:
        """The rows of the ``k`` nearest that may be found, best first, and their scores.

        ``vector``: shape ``(dimensions,)``. What goes while this looks may be among them: read the rows by
        ``Catalogue.records``, which asks again.
        """
        if k < 1:
            raise InvalidRequest(f"k={k} is no number of results", hint="ask for 1 or more")
        index = self._followed()
        if index is None or not index.count:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        allowed = self.catalogue.allowed(sight, filter)
        found, found_scores = index.search(vector[np.newaxis, :], min(k, index.count), allowed)
        rows, scores = found[0], found_scores[0]
        if rows[-1] < 0:  # fewer than asked for
            rows, scores = rows[rows >= 0], scores[rows >= 0]
        return rows, scores

    def hits(
        self, vector: Vectors, k: int, sight: Sight, filter: Filter | None = None
    ) -> list[tuple[Record, float]]:
        """The ``k`` nearest chunks with their scores, best first. What goes meanwhile is replaced."""
        found: list[tuple[Record, float]] = []
        for _ in range(_TRIES):
            rows, scores = self.search(vector, k, sight, filter)
            listed = [int(row) for row in rows]
            records = self.catalogue.records(listed, sight)
            pairs = zip(listed, scores, strict=True)
            found = [(records[row], float(score)) for row, score in pairs if row in records]
            if len(found) == len(listed):
                break
        return found

    def tune(self, queries: Vectors, *, recall: float, k: int) -> IndexConfig:
        """Choose and keep how much a search looks at; see ``vectors.tune``.

        ``queries``: shape ``(n, dimensions)``.

        Raises:
            InvalidRequest: there are no queries, or no trained index.
        """
        index = self._followed()
        if index is None:
            raise InvalidRequest("there is nothing to tune with: the store is empty", hint="add texts first")
        chosen = tune(index, queries, recall=recall, k=k).chosen
        index.settle(nprobe=chosen.nprobe, k_factor=chosen.k_factor)
        return replace(self.config, nprobe=chosen.nprobe, k_factor=chosen.k_factor)

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
        if self._checked is model:
            return True
        stored = self.catalogue.model()
        if stored is None:
            return False
        stored.check(model)
        self._checked = model
        return True

    @property
    def caveats(self) -> tuple[str, ...]:
        """What is wrong with the index, in words; it serves nevertheless."""
        index = self._index
        said = () if index is None else index.caveats
        lost = 0 if index is None else len(index.lost)
        damaged = (f"{lost} chunks are not found: their vectors are damaged; add them again",) if lost else ()
        failed = (self.rebuilding.failure,) if self.rebuilding.failure else ()
        return (*said, *damaged, *failed)

    @property
    def epoch(self) -> int:
        """Of the trained index that serves; 0 while every search is exact."""
        return 0 if self._index is None else self._index.epoch

    def memory(self) -> Mapping[str, int]:
        """Resident bytes, by part."""
        vectors: Mapping[str, int] = {} if self._index is None else self._index.memory()
        return {**vectors, **self.catalogue.memory()}

    def close(self) -> None:
        """Let the files go, when a rebuild that runs has ended."""
        self.rebuilding.wait()
        if self._index is not None:
            self._index.close()
        self.catalogue.close()

    def _followed(self) -> VectorIndex | None:
        """The vectors, after a look at what others have changed."""
        state, now = self.catalogue.follow(), self._clock()
        index = self.index()
        # Another process's rebuild is no change of the catalogue.
        if index is not None and (state != self._state or abs(now - self._refreshed) >= _REFRESH):
            index.refresh()
            self._state, self._refreshed = state, now
        return index

    def _opened(self, dimensions: int) -> VectorIndex:
        with self._opening:
            if self._index is None:
                self._index = VectorIndex(self._folder, dimensions=dimensions, config=self.config)
            return self._index

    def _fill(self, change: Change, index: VectorIndex) -> None:
        """See what others appended, and that the two agree."""
        index.refresh()
        known = change.fill(index.count)
        if known > index.count:
            raise CorruptIndex(
                f"{self._folder} holds {index.count} vectors of {known} that the catalogue knows;"
                " nothing was changed",
                hint="restore the folder from a backup, or fill another",
            )

    def _delete(self, chosen: Callable[[Change], Mapping[int, frozenset[str]]], sight: Sight) -> int:
        with self.catalogue.change() as change:
            rows = [row for row, readers in chosen(change).items() if sight.may_change(readers)]
            change.bury(rows)
        if rows:
            self._tidy()
            index = self.index()
            assert index is not None
            self.rebuilding.consider(index)
        return len(rows)

    def _tidy(self) -> None:
        """Overwrite the vectors of what is deleted, also of what a crash left."""
        index = self.index()
        if index is None:
            return
        with self.catalogue.change() as change:
            self._fill(change, index)
            rows = change.unerased()
            if rows:
                index.erase(np.array(rows, dtype=np.int64))
                change.erased(rows)


def _replaced(
    change: Change, entries: Sequence[Entry], replacing: Mapping[str, Iterable[str]], sight: Sight
) -> set[int]:
    """The rows in whose place the entries come."""
    ids: dict[str, list[str]] = {}
    for entry in entries:
        ids.setdefault(entry.tenant, []).append(entry.id)
    old = {row: names for tenant, named in ids.items() for row, names in change.at_ids(tenant, named).items()}
    if not all(sight.may_change(readers) for readers in old.values()):
        raise PermissionDenied(
            "one of these ids belongs to a document that this principal may not read; nothing was written",
            hint="let the store choose the ids, or choose others",
        )
    documents = (change.of_documents(source, named) for source, named in replacing.items())
    return set(old).union(*documents)
