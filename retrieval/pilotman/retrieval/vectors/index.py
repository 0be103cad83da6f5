"""Vectors by row, searched under a bitmap of allowed rows."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.dense import Rows, Vectors, unit
from pilotman.retrieval.vectors.allowed import Allowed, Bitmap, Scores
from pilotman.retrieval.vectors.scan import scan
from pilotman.retrieval.vectors.table import Fault, InMemory, Table
from pilotman.retrieval.vectors.view import Narrowed, View, Within


def _no_fault(step: str) -> None:
    """Nothing goes wrong."""


class VectorIndex:
    """Vectors by row, on disk under a folder or in memory; searched under a bitmap of allowed rows.

    A row is a position in an append-only space; it is never reused. Any number of threads and processes
    may use one folder: changes are made one after the other, searches wait for none of them. What another
    process did is seen after ``refresh``.

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
        if folder is None:
            self._table = InMemory(dimensions=dimensions, metric=config.metric)
        else:
            self._table = Table(folder, dimensions=dimensions, metric=config.metric, fault=fault)
        nothing = np.zeros((0, dimensions), dtype=np.float32)
        self._view = View(vectors=nothing, dead=np.zeros(0, dtype=np.uint8), deaths=0)
        self._follow()

    @property
    def count(self) -> int:
        """Rows ever appended, the erased ones among them."""
        return self._view.count

    @property
    def epoch(self) -> int:
        """Of the trained index that serves; 0 while every search is exact."""
        return 0

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
            wanted = wanted[~self._view.is_dead(wanted)]
            if len(wanted):
                self._table.erase(wanted)
                self._follow()

    def search(
        self,
        queries: npt.ArrayLike,
        k: int,
        allowed: Allowed | Bitmap | None = None,
        *,
        nprobe: int | None = None,  # noqa: ARG002
        k_factor: float | None = None,  # noqa: ARG002
    ) -> tuple[Rows, Scores]:
        """The nearest rows of each query, best first, shapes ``(n, k)``.

        Scores are cosines or inner products, larger is nearer; where there are fewer than ``k``, the row
        is -1 and the score -inf. ``allowed`` None is every row; what its bitmap does not reach is not
        allowed. ``nprobe`` and ``k_factor`` replace the settings for this search.

        Raises:
            InvalidRequest: queries of another shape or not finite, ``k`` below 1, or no bitmap.
        """
        return self.exact(queries, k, allowed)

    def exact(
        self, queries: npt.ArrayLike, k: int, allowed: Allowed | Bitmap | None = None
    ) -> tuple[Rows, Scores]:
        """As ``search``, with every allowed row looked at."""
        view = self._view
        return self._scan(self._vectors(queries), _checked(k), view, self._within(view, allowed))

    def vectors(self, rows: npt.ArrayLike) -> Vectors:
        """A copy of the vectors of rows, shape ``(rows, dimensions)``; zeros where a row was erased.

        Raises:
            InvalidRequest: there is no such row.
        """
        return self._view.vectors[self._rows(rows)]

    def refresh(self) -> None:
        """Follow what other processes appended, erased or rebuilt; cheap where there was nothing.

        Raises:
            CorruptIndex: a file was damaged since.
        """
        with self._lock:
            if self._table.refresh():
                self._follow()

    def rebuild(self) -> None:
        """Train a new epoch aside and let it serve; searches and changes go on meanwhile."""

    def needs_rebuild(self) -> str | None:
        """Why a rebuild would help, or None."""
        return None

    def memory(self) -> Mapping[str, int]:
        """Bytes that this process holds for itself, by part; files that are mapped are not among them."""
        return {
            "vectors": self._table.resident,
            "dead rows": self._view.dead.nbytes,
            "allowed rows": self._narrowed.resident,
        }

    def close(self) -> None:
        """Let the files go; a search that runs may finish."""
        with self._lock:
            self._table.close()

    def _scan(self, queries: Vectors, k: int, view: View, within: Within | None) -> tuple[Rows, Scores]:
        if within is None:
            return scan(queries, view.vectors, k)
        few = within.alive.count * 4 < view.count
        return scan(queries, view.vectors, k, within.by_row if few else within.by_bit)

    def _within(self, view: View, allowed: Allowed | Bitmap | None) -> Within | None:
        if allowed is None:
            return view.living
        return self._narrowed.of(allowed if isinstance(allowed, Allowed) else Allowed(allowed), view)

    @contextmanager
    def _changing(self) -> Generator[None]:
        with self._lock, self._table.changing():
            self._follow()
            yield

    def _follow(self) -> None:
        """Make the table's committed state the one that searches see."""
        header, view = self._table.header, self._view
        if (view.count, view.deaths) != (header.count, header.erased):
            self._view = view.later(self._table.vectors(), self._table.deaths(view.deaths))

    def _vectors(self, given: npt.ArrayLike) -> Vectors:
        with np.errstate(over="ignore"):
            vectors: Any = np.asarray(given, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.dimensions:
            raise InvalidRequest(
                f"vectors of shape {vectors.shape} do not fit an index of {self.dimensions} dimensions",
                hint=f"give an array of shape (n, {self.dimensions}), made by the same embedding model",
            )
        if not np.isfinite(vectors).all():
            raise InvalidRequest(
                "a vector holds NaN or an infinity", hint="the embedding failed for a text; nothing was done"
            )
        return unit(vectors) if self.config.metric == "cosine" else np.ascontiguousarray(vectors)

    def _rows(self, given: npt.ArrayLike) -> Rows:
        rows = np.asarray(given, dtype=np.int64).reshape(-1)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.count:
            raise InvalidRequest(f"there is no such row: the index has rows 0 to {self.count - 1}")
        return rows


def _checked(k: int) -> int:
    if k < 1:
        raise InvalidRequest(f"k={k} is no number of results", hint="ask for 1 or more")
    return k
