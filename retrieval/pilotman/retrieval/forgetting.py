"""Forgetting what is held: at once for whoever looks, then in every file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pilotman.guardrails.errors import Unavailable
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.selection import Piece, Selection, mark_of

if TYPE_CHECKING:
    from pilotman.retrieval.holdings import Holdings

LEFT, TOLD = 1, 2
"""Something forgotten is left in the files; clusters that serve tell a vector that is gone."""


def forget(holdings: Holdings, selection: Selection, *, at: float) -> Mapping[str, int]:
    """See ``Holdings.forget``; ``at`` in seconds since 1970."""
    with holdings.catalogue.change() as change:
        pieces = change.selected(selection)
        rows = [one.row for one in pieces]
        documents = {(one.source, one.document) for one in pieces if one.source}
        if selection.source and selection.document and selection.tenant is None:
            documents.add((selection.source, change.stopping(selection.source, selection.document)))
        _stop(change, selection, documents, at)
        index = holdings.index()
        if rows or index is None or not index.clusters or index.holds_dead():
            change.to_purge(LEFT)
        change.bury(rows)
    holdings.quality.forget()
    purge(holdings)
    return {"chunks": len(rows), "documents": len(documents)}


def meant(holdings: Holdings, selection: Selection) -> list[Piece]:
    """What ``forget`` would forget."""
    with holdings.catalogue.change() as change:
        return change.selected(selection)


def purge(holdings: Holdings) -> None:
    """Take what was forgotten from all files, also what a killed process left of it.

    Raises:
        Unavailable: a file could not be written, or the log not be emptied.
    """
    before = -1
    how, number = holdings.catalogue.to_purge()
    while number != before:  # what another process forgets meanwhile has to be overwritten first, too
        before = number
        holdings.tidy()
        how, number = holdings.catalogue.to_purge()
    index = holdings.index()
    if index is not None and how & LEFT:
        index.purge(retrain=bool(how & TOLD))
    holdings.sweep()
    if not holdings.catalogue.truncate():
        raise Unavailable(
            "nobody finds any more what was forgotten, but the catalogue's log still holds some of it:"
            " another process reads all the time",
            hint="forget it again",
        )
    if how & LEFT:
        with holdings.catalogue.change() as change:
            change.purged(number)


def _stop(change: Change, selection: Selection, documents: set[tuple[str, str]], at: float) -> None:
    """What may not come back: all of an owner, or these documents of sources."""
    for source, name in documents:
        change.drop(source, [name])
    if selection.whole_owner:
        change.stop([("", mark_of(selection.subject or ""))], at)
    else:
        change.stop([(source, mark_of(name)) for source, name in sorted(documents)], at)
