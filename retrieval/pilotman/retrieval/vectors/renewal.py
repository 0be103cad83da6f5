"""When a new epoch would help, and what it can keep of the one before. Pure."""

from __future__ import annotations

from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors.trained import SMALLEST, Trained
from pilotman.retrieval.vectors.view import View

_GROWTH = 20
"""Fresh rows are too many at one twentieth of those that the epoch knows."""

_DEAD = 5
"""Dead rows are too many at one fifth of the epoch."""


def worth_training(alive: int, config: IndexConfig) -> str | None:
    """Why so many living rows are enough for a trained index, or None."""
    if alive < max(SMALLEST, config.exact_below):
        return None
    return f"{alive} rows are searched exactly, {config.exact_below} is the limit"


def overdue(trained: Trained, view: View, config: IndexConfig, *, epoch: int) -> str | None:
    """Why ``trained``, which serves ``view`` as this epoch, should be followed by another, or None."""
    fresh = view.count - trained.rows
    if fresh > max(config.exact_below, trained.rows // _GROWTH):
        return f"{fresh} of {view.count} rows came after epoch {epoch} and are searched exactly"
    dead = trained.held - (trained.held if view.living is None else view.living.inside)
    if dead > trained.held // _DEAD:
        return f"{dead} of the {trained.held} rows of epoch {epoch} are dead"
    return None


def reusable(former: Trained | None, rows: int, config: IndexConfig, *, dimensions: int) -> Trained | None:
    """What was learnt before, where it is of these settings and not of far fewer rows."""
    if former is None or rows > 2 * former.trained_on:
        return None
    same = former.parts == config.parts(dimensions)
    fits = config.nlist is None or config.clusters(rows) == former.nlist
    return former if same and fits else None
