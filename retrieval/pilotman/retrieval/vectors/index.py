"""Vectors by row, searched under a bitmap of allowed rows."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.errors import ConfigurationError, CorruptIndex, InvalidRequest, NotFound
from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors.allowed import Allowed, Bitmap, Scores
from pilotman.retrieval.vectors.epochs import Epochs, InMemoryEpochs
from pilotman.retrieval.vectors.given import at_least_one, fitting
from pilotman.retrieval.vectors.header import read
from pilotman.retrieval.vectors.lock import locked
from pilotman.retrieval.vectors.lookup import probed, scanned
from pilotman.retrieval.vectors.renewal import overdue, reusable, worth_training
from pilotman.retrieval.vectors.settings import Settings, default, kept
from pilotman.retrieval.vectors.table import Fault, InMemory, Table
from pilotman.retrieval.vectors.trained import Trained, train
from pilotman.retrieval.vectors.view import Narrowed, View, Within


def _no_fault(step: str) -> None:
    """Nothing goes wrong."""


class VectorIndex:
    """Vectors by row, on disk under a folder or in memory; searched under a bitmap of allowed rows.

    A row is a position in an append-only space; it is never reused. Any number of threads and processes
    may use one folder: changes are made one after the other, searches wait for none of them. What another
    process did is seen after ``refresh``. ``caveats`` says what was found damaged and what serves instead;
    ``lost`` are rows whose bytes are no longer those that were appended: they are not found, append their
    vectors again.

    Raises:
        ConfigurationError: the folder cannot be used, or holds vectors of another model or metric.
        CorruptIndex: a file of the folder is damaged, foreign or of a newer version; nothing was changed.
    """

    def __init__(
        self, folder: Path | None, *, dimensions: int, config: IndexConfig, fault: Fault = _no_fault
    ) -> None:
        if dimensions < 1:
            raise ConfigurationError(f"dimensions={dimensions} is no length of a vector")
        config.parts(dimensions)
        self.dimensions = dimensions
        self.config = config
        self._lock = threading.RLock()
        self._narrowed = Narrowed()
        self._table: Table | InMemory
        self._epochs: Epochs | InMemoryEpochs
        if folder is None:
            self._table = InMemory(dimensions=dimensions, metric=config.metric)
            self._epochs = InMemoryEpochs()
        else:
            self._table = Table(folder, dimensions=dimensions, metric=config.metric, fault=fault)
            self._epochs = Epochs(folder, dimensions=dimensions, fault=fault)
        self._settled = default(config)
        self.caveats: tuple[str, ...] = ()
        self.lost = np.zeros(0, dtype=np.int64)
        self._folder = folder
        self._fault = fault
        self._rebuilding = threading.Lock()
        self._epoch = self._served = 0
        nothing = np.zeros((0, dimensions), dtype=np.float32)
        self._view = View(vectors=nothing, dead=np.zeros(0, dtype=np.uint8))
        self._settled = kept(folder) or self._settled
        self._follow()
        self._lose(self._view, self._view.fresh, self.count)

    @classmethod
    def at(cls, folder: Path, config: IndexConfig | None = None) -> VectorIndex:
        """The index that is in ``folder``, whatever its dimensions and its metric.

        Raises:
            NotFound: there is none.
            CorruptIndex: see the class.
        """
        file = folder / "header"
        if not file.is_file():
            raise NotFound(f"there is no index in {folder}", hint="name the folder that holds vectors.f32")
        header = read(file.read_bytes(), str(file))
        config = replace(config or IndexConfig(), metric=header.metric)
        return cls(folder, dimensions=header.dimensions, config=config)

    @property
    def count(self) -> int:
        """Rows ever appended, the erased ones among them."""
        return self._view.count

    @property
    def epoch(self) -> int:
        """Of the trained index that serves; 0 while every search is exact."""
        return self._epoch

    @property
    def clusters(self) -> int:
        """Of the trained index that serves; 0 while every search is exact."""
        trained = self._view.trained
        return 0 if trained is None else trained.nlist

    @property
    def trained_on(self) -> int:
        """Rows that there were when the clusters that serve were learnt; 0 while every search is exact."""
        trained = self._view.trained
        return 0 if trained is None else trained.trained_on

    @property
    def settings(self) -> Settings:
        """What a search takes where it is not told: as tuned for this many clusters, or as configured."""
        return self._settled if self._settled.fits(self.clusters) else default(self.config)

    def settle(self, *, nprobe: int, k_factor: float) -> None:
        """Keep what a tuner chose, for the searches of all processes, until a rebuild changes the clusters.

        Raises:
            InvalidRequest: a value is below 1.
            Unavailable: it could not be written.
        """
        settled = Settings(
            nprobe=at_least_one("nprobe", nprobe),
            k_factor=at_least_one("k_factor", k_factor),
            nlist=self.clusters or None,
        )
        with self._changing():
            if self._folder is not None:
                settled.write(self._folder)
            self._table.swap(self._table.header.epoch)  # nothing but a sign to others
            self._settled = settled

    def append(self, vectors: npt.ArrayLike) -> range:
        """Append vectors, shape ``(n, dimensions)``, and return their rows. Durable when it returns.

        Raises:
            InvalidRequest: another shape, or a number that is not finite; nothing was appended.
        """
        given = self._vectors(vectors)
        with self._changing():
            first = self.count
            if len(given):
                self._table.append(given)
                self._follow()
        return range(first, first + len(given))

    def erase(self, rows: npt.ArrayLike) -> None:
        """Overwrite the vectors of rows with zeros, for ever; no search finds them any more.

        Durable when it returns. A row that is erased already stays so.

        Raises:
            InvalidRequest: there is no such row; nothing was erased.
        """
        with self._changing():
            wanted = np.unique(self._rows(rows))
            wanted = wanted[~self._view.is_dead(wanted) | np.isin(wanted, self.lost)]
            if len(wanted):
                self._table.erase(wanted)
                self._follow()
                self.lost = np.setdiff1d(self.lost, wanted)

    def search(
        self,
        queries: npt.ArrayLike,
        k: int,
        allowed: Allowed | Bitmap | None = None,
        *,
        nprobe: int | None = None,
        k_factor: float | None = None,
    ) -> tuple[Rows, Scores]:
        """The nearest rows of each query, best first, shapes ``(n, k)``.

        Scores are cosines or inner products, larger is nearer; where there are fewer than ``k``, the row
        is -1 and the score -inf. ``allowed`` None is every row; what its bitmap does not reach is not
        allowed. ``nprobe`` and ``k_factor`` replace the settings for this search.

        Raises:
            InvalidRequest: queries of another shape or not finite, ``k`` below 1, or no bitmap.
        """
        given, k, view, settings = self._vectors(queries), at_least_one("k", k), self._view, self.settings
        factor = at_least_one("k_factor", settings.k_factor if k_factor is None else k_factor)
        probes = at_least_one("nprobe", settings.nprobe if nprobe is None else nprobe)
        within = self._within(view, allowed)
        if within is not None:
            probes = within.plan(probes)
        if view.trained is None or probes == 0:
            return scanned(given, k, view, within)
        return probed(given, k, view, within, nprobe=probes, k_factor=factor)

    def exact(
        self, queries: npt.ArrayLike, k: int, allowed: Allowed | Bitmap | None = None
    ) -> tuple[Rows, Scores]:
        """As ``search``, with every allowed row looked at."""
        view = self._view
        return scanned(self._vectors(queries), at_least_one("k", k), view, self._within(view, allowed))

    def vectors(self, rows: npt.ArrayLike) -> Vectors:
        """A copy of the vectors of rows, shape ``(rows, dimensions)``; zeros where a row was erased.

        Raises:
            InvalidRequest: there is no such row.
        """
        found: Vectors = self._view.vectors[self._rows(rows)]
        return found

    def refresh(self) -> None:
        """Follow what other processes appended, erased or rebuilt; cheap where there was nothing.

        Raises:
            CorruptIndex: a file was damaged since.
        """
        while self._table.stale():  # again, where an epoch was swapped while its forerunner was read
            with self._lock:
                self._table.refresh()
                self._settled = kept(self._folder) or self._settled
                self._follow()

    def rebuild(self, *, retrain: bool = False) -> None:
        """Build a new epoch aside and let it serve; searches and changes go on meanwhile.

        Clusters and codes are learnt again when the rows have doubled since, when the settings are others,
        or with ``retrain``; else all rows are only encoded anew, some ten times faster. Nothing happens
        below ``exact_below`` rows. Where another process rebuilds already, its epoch is waited for, and is
        enough.

        Raises:
            Unavailable: the epoch could not be written; the one before serves.
        """
        before = self.epoch
        with self._one_rebuild():
            with self._changing():
                view = self._view
            if self.epoch == before:
                self._rebuild(view, retrain=retrain)

    def tells(self, rows: npt.ArrayLike) -> bool:
        """Whether the clusters that serve tell one of these rows: a centre that was learnt from one vector
        alone is that vector."""
        view, listed = self._view, self._rows(rows)
        return view.trained is not None and view.trained.tells(listed, view.vectors)

    def holds_dead(self) -> bool:
        """Whether the trained index still holds codes of rows that were erased."""
        self.refresh()
        living, trained = self._view.living, self._view.trained
        return trained is not None and living is not None and living.inside < trained.held

    def purge(self, *, retrain: bool) -> None:
        """Leave nothing of erased rows in any file: the trained index is made anew without them, or given up
        where too few rows are left. As ``rebuild``, but it never rests on what another began before.

        ``retrain``: the clusters too.

        Raises:
            Unavailable: the index could not be written; the one before serves.
        """
        with self._one_rebuild():
            with self._changing():
                self._table.trim()
                view = self._view
            served = bool(self._table.header.epoch or self._epochs.numbers())
            if served and not self._rebuild(view, retrain=retrain):
                with self._changing():
                    self._table.swap(0)
                    self._serve(0, None, 0)
            self._epochs.sweep(self._served)

    def needs_rebuild(self) -> str | None:
        """Why a rebuild would help, or None."""
        view = self._view
        if view.trained is None:
            return worth_training(view.count - view.deaths, self.config)
        if self.caveats:
            return self.caveats[-1]
        return overdue(view.trained, view, self.config, epoch=self.epoch)

    def memory(self) -> Mapping[str, int]:
        """Bytes that this process holds for itself, by part; ``codes`` and ``cells`` of an epoch in
        a folder are mapped from there and shared by all processes, the raw vectors there do not count."""
        trained = self._view.trained
        return {
            "vectors": self._table.resident,
            **({} if trained is None else trained.resident),
            "dead rows": self._view.dead.nbytes,
            "allowed rows": self._narrowed.resident,
        }

    def close(self) -> None:
        """Let the files go; a search that runs may finish."""
        with self._lock:
            self._table.close()

    def _within(self, view: View, allowed: Allowed | Bitmap | None) -> Within | None:
        if allowed is None:
            return view.living
        return self._narrowed.of(allowed if isinstance(allowed, Allowed) else Allowed(allowed), view)

    @contextmanager
    def _changing(self) -> Generator[None]:
        with self._lock, self._table.changing():
            self._follow()
            yield

    @contextmanager
    def _one_rebuild(self) -> Generator[None]:
        with self._rebuilding, ExitStack() as others:
            if self._folder is not None:
                others.enter_context(locked(self._folder / "rebuild.lock"))
            yield

    def _rebuild(self, view: View, *, retrain: bool) -> bool:
        """Another epoch for what is in view; False where too few rows are."""
        rows = view.count // 8 * 8  # so that a bitmap can be cut there
        lost = self._lose(view, 0, rows)
        living = np.flatnonzero(~view.without(lost).is_dead(np.arange(rows)))
        if worth_training(len(living), self.config) is None:
            return False
        former = reusable(None if retrain else view.trained, rows, self.config, dimensions=self.dimensions)
        trained = train(view.vectors[:rows], living, config=self.config, fault=self._fault, former=former)
        number = max([self.epoch, *self._epochs.numbers()]) + 1
        self._epochs.write(number, trained)
        ready = self._epochs.load(number)
        with self._changing():
            self._fault("loaded")
            self._table.swap(number)
            self._fault("swapped")
            self._serve(number, ready, number)
            self.caveats = ()
            self._follow()
        self._epochs.sweep(number)
        return True

    def _lose(self, view: View, first: int, last: int) -> Rows:
        """Let rows in ``[first, last)`` that are no longer what was appended be found no more."""
        damaged: Rows = self._table.damaged(first, last)
        damaged = damaged[~view.is_dead(damaged)]
        if len(damaged):
            with self._changing():
                damaged = damaged[~self._view.is_dead(damaged)]  # or erased meanwhile
                self.lost = np.union1d(self.lost, damaged)
                self._view = self._view.without(damaged)
        return damaged

    def _follow(self) -> None:
        """Make the table's committed state the one that searches see."""
        header, view = self._table.header, self._view
        if (view.count, view.deaths) != (header.count, header.erased):
            self._view = view.later(self._table.vectors(), self._table.deaths(view.deaths))
        if header.epoch != self._served:
            self._open(header.epoch)

    def _open(self, wanted: int) -> None:
        """Load the epoch that serves; where it is damaged, the newest that is not, or none."""
        self.caveats = ()
        if not wanted:  # given up
            return self._serve(0, None, 0)
        for number in (wanted, *(other for other in self._epochs.numbers() if other != wanted)):
            try:
                trained = self._epochs.load(number)
            except FileNotFoundError:
                continue
            except CorruptIndex as error:
                self.caveats = (*self.caveats, str(error))
                continue
            if trained.rows <= self.count:  # else of a state that is not followed yet
                return self._serve(wanted, trained, number)
        return self._serve(wanted, None, 0)

    def _serve(self, wanted: int, trained: Trained | None, number: int) -> None:
        self._served, self._epoch = wanted, number
        self._view = replace(self._view, trained=trained)

    def _vectors(self, given: npt.ArrayLike) -> Vectors:
        return fitting(given, self.dimensions, unit=self.config.metric == "cosine")

    def _rows(self, given: npt.ArrayLike) -> Rows:
        rows = np.asarray(given, dtype=np.int64).reshape(-1)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.count:
            raise InvalidRequest(f"there is no such row: the index has rows 0 to {self.count - 1}")
        return rows
