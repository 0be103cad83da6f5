"""Postings: for each term the rows that have it, and how often. Immutable arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Seen = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int32]
Counts = npt.NDArray[np.float32]

_MOST = np.iinfo(np.uint16).max


@dataclass(frozen=True, kw_only=True)
class Postings:
    """A block: the postings of ``terms[i]`` (ascending, each once) are ``rows[starts[i]:starts[i + 1]]``, and
    ``counts`` there. Six bytes a posting."""

    terms: Numbers
    starts: npt.NDArray[np.int64]
    rows: Numbers
    counts: npt.NDArray[np.uint16]

    @classmethod
    def of_entries(
        cls, *, terms: Numbers, rows: npt.NDArray[np.integer], counts: npt.NDArray[np.number]
    ) -> Postings:
        """The block of entries (a term, a row, a count) in any order, each pair of term and row once."""
        # Timsort: entries that are two sorted stretches, as in a join, are merged in linear time.
        order = np.argsort(terms.astype(np.int64) << 32 | rows, kind="stable")
        once, starts = np.unique(terms[order], return_index=True)
        return cls(
            terms=once.astype(np.int32),
            starts=np.append(starts, len(terms)).astype(np.int64),
            rows=rows[order].astype(np.int32),
            counts=np.minimum(counts[order], _MOST).astype(np.uint16),
        )

    @classmethod
    def joined(cls, blocks: Sequence[Postings], alive: Seen) -> Postings:
        """The entries of several blocks, without those of rows that are not alive."""
        rows = np.concatenate([block.rows for block in blocks])
        kept = alive[rows]
        terms = np.concatenate([np.repeat(block.terms, np.diff(block.starts)) for block in blocks])
        counts = np.concatenate([block.counts for block in blocks])
        return cls.of_entries(terms=terms[kept], rows=rows[kept], counts=counts[kept])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.terms.nbytes + self.starts.nbytes + self.rows.nbytes + self.counts.nbytes

    def of(self, term: int, seen: Seen) -> tuple[Numbers, Counts]:
        """The seen rows that have ``term``, each once and ascending, and its counts in them."""
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return self.rows[:0], np.zeros(0, dtype=np.float32)
        part = slice(self.starts[at], self.starts[at + 1])
        rows = self.rows[part]
        kept = seen[rows]
        return rows[kept], self.counts[part][kept].astype(np.float32)
