"""The two ways in which rows are found."""

from __future__ import annotations

from typing import Any

import numpy as np

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.vectors.allowed import Scores
from pilotman.retrieval.vectors.scan import NOTHING, merged, padded, scan
from pilotman.retrieval.vectors.view import View, Within

_FEW = 32_768
"""Rows up to which a list of them is kept with the bitmap (8 bytes each) and walked along."""


def scanned(queries: Vectors, k: int, view: View, within: Within | None) -> tuple[Rows, Scores]:
    """Every allowed row is looked at."""
    if within is None:
        return scan(queries, view.vectors, k)
    few = within.alive.count <= _FEW
    return scan(queries, view.vectors, k, within.by_row if few else within.by_bit)


def probed(
    queries: Vectors, k: int, view: View, within: Within | None, *, nprobe: int, k_factor: float
) -> tuple[Rows, Scores]:
    """The trained index for the rows that it knows, the fresh ones one by one."""
    trained: Any = view.trained
    inside = trained.held if within is None else within.inside
    how = (trained if within is None else within).how(nprobe=nprobe, k_factor=k_factor)
    found: tuple[Rows, Scores] = trained.search(queries, k, how)
    if padded(found[0]) and inside:
        # what is allowed is far from the query, in clusters that were not probed
        lacking = found[0][:, min(k, inside) - 1] == NOTHING
        bits = None if within is None else within.by_bit
        known = view.vectors[: trained.rows]
        found[0][lacking], found[1][lacking] = scan(queries[lacking], known, k, bits)
    if view.count == trained.rows or (within is not None and not within.fresh):
        return found
    bits = None if within is None else within.by_fresh_bit
    rows, scores = scan(queries, view.vectors[trained.rows :], k, bits)
    if (scores[:, 0] <= found[1][:, -1]).all():  # nothing came near enough since
        return found
    return merged(found, (np.where(rows == NOTHING, rows, rows + trained.rows), scores))
