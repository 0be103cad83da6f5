"""A trained index over the first rows: an inverted file of product codes, and 8-bit codes that rank again.

Jégou, Douze, Schmid: Product quantization for nearest neighbor search (2011); André, Kermarrec, Le Scouarnec:
Quicker ADC (2018) for codes of 4 bits scanned in registers.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.config import SMALLEST_TRAINING, IndexConfig
from pilotman.retrieval.vectors.allowed import Scores
from pilotman.retrieval.vectors.scan import NOTHING, padded
from pilotman.retrieval.vectors.table import Fault

Cells = npt.NDArray[np.int32]

SMALLEST = 16 * SMALLEST_TRAINING
"""Vectors below which not even a product quantizer of 4 bits can be trained."""

_TRAINING = 50
"""Vectors a cluster that training looks at: more made no difference that could be measured."""

_CHUNK = 65_536
_AT_ONCE = 10_000
"""Vectors that are compared with centres at a time."""
_AS_GOOD_AS = 0.999
"""Cosine from which a centre is as good as the vector."""
_BLOCK = 32
"""Codes that are scanned together: a list is padded to a multiple."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """``lists`` holds the codes of the living among the first ``rows`` rows, by row; ``codes`` one for each
    row, the dead ones too; ``cells`` the list of each row, -1 where it is in none. Never added to: a search
    runs beside others without a lock.

    ``trained_on``: rows that there were when clusters and codes were learnt.
    """

    lists: Any
    codes: Any
    cells: Cells
    rows: int
    trained_on: int

    def __post_init__(self) -> None:
        """What every search needs is worked out before threads share it."""
        assert self._both is not None
        assert len(self.sizes) == self.nlist

    @cached_property
    def _both(self) -> Any:
        faiss: Any = importlib.import_module("faiss")
        # FAISS compares the totals of the two once, here: dead rows are in one of them only
        held, self.lists.ntotal = self.held, self.codes.ntotal
        both = faiss.IndexRefine(self.lists, self.codes)
        self.lists.ntotal = held
        return both

    @cached_property
    def held(self) -> int:
        """Rows that it can find."""
        return int((self.cells >= 0).sum())

    @cached_property
    def nlist(self) -> int:
        """Clusters."""
        return int(self.lists.nlist)

    @cached_property
    def centres(self) -> Vectors:
        """Of the clusters, shape ``(nlist, dimensions)``."""
        found: Vectors = self.lists.quantizer.reconstruct_n(0, self.nlist)
        return found

    @property
    def parts(self) -> int:
        """Sub-quantizers."""
        return int(self.lists.pq.M)

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Rows a cluster."""
        return np.bincount(self.cells[self.cells >= 0], minlength=self.nlist)

    @property
    def resident(self) -> dict[str, int]:
        """Bytes by part. The lists are private to a process; what is mapped is shared between processes."""
        padded = int((-(-self.sizes // _BLOCK) * _BLOCK).sum())
        return {
            "lists": padded * int(self.lists.code_size) + self.held * 8,
            "clusters": self.nlist * int(self.lists.d) * 4,
            "codes": self.rows * int(self.codes.sq.code_size),
            "cells": self.cells.nbytes,
        }

    def tells(self, rows: Rows, vectors: Vectors) -> bool:
        """Whether the centre of one of these rows is as good as its vector, as where it was learnt from that
        vector alone. ``vectors``: of all rows, shape ``(count, dimensions)``."""
        known = rows[rows < self.rows]
        known = known[self.cells[known] >= 0]
        for first in range(0, len(known), _AT_ONCE):
            part = known[first : first + _AT_ONCE]
            own, centres = vectors[part], self.centres[self.cells[part]]
            lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(centres, axis=1)
            if (np.sum(own * centres, axis=1) > _AS_GOOD_AS * lengths).any():
                return True
        return False

    def how(self, *, nprobe: int, k_factor: float, rows: Any = None, cells: Any = None) -> Any:
        """How to search: ``rows`` and ``cells`` are selectors of rows that may be found and of clusters that
        are worth a look. It may be kept and used by many threads."""
        faiss: Any = importlib.import_module("faiss")
        # as sel= of the outer parameters it would be ignored without a word
        base = faiss.IVFSearchParameters(
            nprobe=min(nprobe, self.nlist),
            sel=rows,
            quantizer_params=None if cells is None else faiss.SearchParameters(sel=cells),
        )
        return faiss.IndexRefineSearchParameters(k_factor=k_factor, base_index_params=base)

    def search(self, queries: Vectors, k: int, how: Any) -> tuple[Rows, Scores]:
        """The nearest rows, shapes ``(n, k)``, padded with -1 and -inf."""
        faiss: Any = importlib.import_module("faiss")
        faiss.omp_set_num_threads(1)  # of this thread: others run beside it
        rows = np.empty((len(queries), k), dtype=np.int64)
        scores = np.empty((len(queries), k), dtype=np.float32)
        x, found, ids = map(faiss.swig_ptr, (queries, scores, rows))
        self._both.search_c(len(queries), x, k, found, ids, how)  # its wrapper costs as much as 20 clusters
        if padded(rows):
            scores[rows == NOTHING] = -np.inf
        return rows, scores


def train(
    vectors: Vectors, living: Rows, *, config: IndexConfig, fault: Fault, former: Trained | None = None
) -> Trained:
    """Index ``vectors``, of which ``living`` can be found; with ``former`` nothing is learnt anew.

    It takes minutes for a million vectors, on ``config.threads`` threads.
    """
    with _threads(config.threads):
        lists, codes = _learn(vectors, living, config) if former is None else _unlearnt(former)
        fault("trained")
        for start in range(0, len(vectors), _CHUNK):
            codes.add(vectors[start : start + _CHUNK])
        for start in range(0, len(living), _CHUNK):
            rows = living[start : start + _CHUNK]
            lists.add_with_ids(vectors[rows], rows)
        fault("filled")
    trained_on = len(vectors) if former is None else former.trained_on
    cells = _cells(lists, len(vectors))
    return Trained(lists=lists, codes=codes, cells=cells, rows=len(vectors), trained_on=trained_on)


def _learn(vectors: Vectors, living: Rows, config: IndexConfig) -> tuple[Any, Any]:
    faiss: Any = importlib.import_module("faiss")
    dimensions, nlist = vectors.shape[1], config.clusters(len(living))
    product = faiss.METRIC_INNER_PRODUCT
    lists = faiss.index_factory(dimensions, f"IVF{nlist},PQ{config.parts(dimensions)}x4fs", product)
    codes = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, product)
    wanted = min(len(living), max(nlist * _TRAINING, SMALLEST))
    sample = vectors[living[np.linspace(0, len(living) - 1, wanted).astype(np.int64)]]
    lists.train(sample)
    codes.train(sample)
    return lists, codes


def _unlearnt(former: Trained) -> tuple[Any, Any]:
    """Empty copies that know the same clusters and codes."""
    faiss: Any = importlib.import_module("faiss")
    lists = faiss.clone_index(former.lists)
    lists.reset()
    codes = faiss.IndexScalarQuantizer(
        former.codes.d, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    codes.sq = former.codes.sq
    codes.is_trained = True
    return lists, codes


def _cells(lists: Any, rows: int) -> Cells:
    faiss: Any = importlib.import_module("faiss")
    inverted = faiss.downcast_InvertedLists(lists.invlists)
    cells = np.full(rows, -1, dtype=np.int32)
    for cell in range(lists.nlist):
        if size := inverted.list_size(cell):
            cells[faiss.rev_swig_ptr(inverted.get_ids(cell), size)] = cell
    return cells


@contextmanager
def _threads(count: int | None) -> Generator[None]:
    faiss: Any = importlib.import_module("faiss")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count or os.cpu_count() or 1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
