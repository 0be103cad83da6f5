"""BM25 over rows of terms (Robertson and Zaragoza, 2009), in memory, for many readers at once.

bm25s scores each posting when it indexes, with statistics of everything that was indexed: it can neither
grow nor forget, and what others own would show in the ranks. Here the postings hold counts, and a search
scores them under the rows that it may see: the statistics are those rows' own. The stop words and the
numbers that the tests compare with are bm25s's.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.arrays import Rows
from pilotman.retrieval.words.postings import Counts, Numbers, Postings, Seen

Scores = npt.NDArray[np.float32]

_Kind = TypeVar("_Kind", bound=np.generic)

K1 = 1.5
B = 0.75

_DEAD = 0.25

_REPEATED = 0.5
"""Weight of a query term's further occurrences: an alert's description repeats its summary."""


@dataclass(frozen=True, kw_only=True)
class _State:
    """What a search works on from its beginning to its end. ``lengths`` is zero where a row is not alive."""

    blocks: tuple[Postings, ...] = ()
    alive: Seen
    lengths: npt.NDArray[np.float32]
    dead: int = 0
    """Rows that were removed and whose postings may still be there."""


class BM25:
    """Rows of terms, searched under those that are allowed. Thread-safe; a change disturbs no search.

    A row is named by its number, as in the vector index. Additions make a small block of postings, and
    blocks are joined as they come to resemble each other in size: a few rows cost milliseconds, whatever
    is there already, and a term is looked up in a number of blocks that grows with its logarithm.
    """

    def __init__(self) -> None:
        self._state = _State(alive=np.zeros(0, dtype=np.bool_), lengths=np.zeros(0, dtype=np.float32))
        self._born = self._state.alive
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Rows that can be found."""
        return int(self._state.alive.sum())

    def add(self, rows: Sequence[int] | Rows, terms: Sequence[Sequence[str]]) -> None:
        """Add the terms of rows.

        Raises:
            ValueError: not one list of terms for each row, or a row that is or was there before.
        """
        places = np.asarray(rows, dtype=np.int64)
        if len(places) != len(terms):
            raise ValueError(f"{len(places)} rows need as many lists of terms, not {len(terms)}")
        if not len(places):
            return
        with self._lock:
            state = self._state
            self._born = _grown(self._born, max(len(self._born), int(places.max()) + 1))
            if places.min() < 0 or len(np.unique(places)) != len(places) or self._born[places].any():
                raise ValueError("a row is added once, under a number from 0 on that was never used")
            self._born[places] = True
            alive, lengths = _grown(state.alive, len(self._born)), _grown(state.lengths, len(self._born))
            alive[places] = True
            lengths[places] = [len(row) for row in terms]
            blocks = (*state.blocks, self._block(places, terms))
            self._state = _State(blocks=_joined(blocks, alive), alive=alive, lengths=lengths, dead=state.dead)

    def remove(self, rows: Sequence[int] | Rows) -> None:
        """Forget rows; what is not there is left out. No search that begins afterwards finds them, and
        they count in no statistics; their postings go when a quarter of all is such."""
        with self._lock:
            state = self._state
            places = np.unique(np.asarray(rows, dtype=np.int64))
            places = places[(places >= 0) & (places < len(state.alive))]
            dead = state.dead + int(state.alive[places].sum())
            alive, lengths = state.alive.copy(), state.lengths.copy()
            alive[places] = False
            lengths[places] = 0
            blocks = state.blocks
            if dead > _DEAD * (dead + int(alive.sum())):
                blocks, dead = (Postings.joined(blocks, alive),) if blocks else (), 0
            self._state = _State(blocks=blocks, alive=alive, lengths=lengths, dead=dead)

    def search(self, terms: Sequence[str], k: int, allowed: Seen | None = None) -> tuple[Rows, Scores]:
        """The ``k`` best of the allowed rows and their scores, best first; fewer where fewer have a term.

        ``allowed`` has shape ``(rows,)``; rows past its end are not allowed. Equal scores come by row.
        """
        scores = self.scores(terms, allowed)
        found = np.flatnonzero(scores)
        if len(found) > k > 0:
            least = np.partition(scores[found], len(found) - k)[len(found) - k]
            found = found[scores[found] >= least]
        best = found[np.argsort(-scores[found], kind="stable")[:k]]
        return best.astype(np.int64), scores[best]

    def scores(self, terms: Sequence[str], allowed: Seen | None = None) -> Scores:
        """The score of every row there ever was, shape ``(rows,)``; zero where it is not allowed or has
        none of the terms."""
        state = self._state
        seen = _seen(state, allowed)
        scores = np.zeros(len(seen), dtype=np.float32)
        count = int(seen.sum())
        if not count:
            return scores
        average = float(state.lengths[seen].sum()) / count
        burden = (K1 * (1 - B + B * state.lengths / max(average, 1e-9))).astype(np.float32)
        for term, times in Counter(terms).items():
            parts = self._found(state, term, seen)
            having = sum(len(rows) for rows, _ in parts)
            weight = np.float32(_weight(count, having, times))
            for rows, counts in parts:
                scores[rows] += weight * counts / (counts + burden[rows])
        return scores

    def most(self, terms: Sequence[str], allowed: Seen | None = None) -> float:
        """What no allowed row's score for these terms can exceed: each term that any has, without end."""
        count = int(_seen(self._state, allowed).sum())
        having = {term: len(self.having(term, allowed)) for term in terms}
        return sum(_weight(count, having[term], n) for term, n in Counter(terms).items() if having[term])

    def having(self, term: str, allowed: Seen | None = None) -> Rows:
        """The allowed rows that have a term."""
        state = self._state
        found = [rows for rows, _ in self._found(state, term, _seen(state, allowed))]
        return np.sort(np.concatenate(found)).astype(np.int64) if found else np.zeros(0, dtype=np.int64)

    def memory(self) -> int:
        """Bytes of the postings and their bookkeeping, without the dictionary of terms."""
        state = self._state
        return state.alive.nbytes + state.lengths.nbytes + sum(block.nbytes for block in state.blocks)

    def _found(self, state: _State, term: str, seen: Seen) -> list[tuple[Numbers, Counts]]:
        number = self._numbers.get(term)
        if number is None:
            return []
        return [part for block in state.blocks if len((part := block.of(number, seen))[0])]

    def _block(self, places: Rows, terms: Sequence[Sequence[str]]) -> Postings:
        numbers = self._numbers
        counted = [(row, Counter(words)) for row, words in zip(places.tolist(), terms, strict=True)]
        total = sum(len(counts) for _, counts in counted)
        of = (numbers.setdefault(term, len(numbers)) for _, counts in counted for term in counts)
        return Postings.of_entries(
            terms=np.fromiter(of, dtype=np.int32, count=total),
            rows=np.repeat(places, [len(counts) for _, counts in counted]),
            counts=np.fromiter((n for _, counts in counted for n in counts.values()), np.float32, total),
        )


def _weight(count: int, having: int, times: int) -> float:
    """Of a term that ``having`` of ``count`` rows have and that a query has ``times``."""
    return math.log(1 + (count - having + 0.5) / (having + 0.5)) * (1 + _REPEATED * (times - 1))


def _seen(state: _State, allowed: Seen | None) -> Seen:
    if allowed is None:
        return state.alive
    if len(allowed) >= len(state.alive):
        return state.alive & allowed[: len(state.alive)]
    seen = np.zeros_like(state.alive)
    seen[: len(allowed)] = state.alive[: len(allowed)] & allowed
    return seen


def _joined(blocks: tuple[Postings, ...], alive: Seen) -> tuple[Postings, ...]:
    """The blocks, each at least twice as large as the next."""
    while len(blocks) > 1 and len(blocks[-2]) < 2 * len(blocks[-1]):
        blocks = (*blocks[:-2], Postings.joined(blocks[-2:], alive))
    return blocks


def _grown(array: npt.NDArray[_Kind], size: int) -> npt.NDArray[_Kind]:
    """A copy with zeros at the end."""
    grown: npt.NDArray[_Kind] = np.zeros(size, dtype=array.dtype)
    grown[: len(array)] = array
    return grown
