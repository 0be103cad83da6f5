"""The receipt of forgetting: what went, by number and digest, without what it was."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What one store has erased, or would. ``marks`` name each item with a digest of what stood there: of
    what was stored, sealed as it was, so that nobody can guess from it what it said; ``ITEM DIGEST``, with
    ``-`` where there is none, and a number behind where it stands for several. ``held`` must stay. ``left``
    says in words what may be meant, or came of it, and stays nevertheless."""

    marks: frozenset[str] = frozenset()
    held: int = 0
    left: str = ""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was forgotten. ``erased`` counts items by store, with 0 for a store in which there was nothing;
    ``held`` those under a legal hold.

    ``digest`` is the SHA-256 of the sorted marks of all that was erased, one a line, each ``STORE ITEM
    DIGEST``: whoever has kept a mark can show that it is among them, and the journal's chain, which stays
    whole, shows when. ``open`` names what could not be reached: forgetting the same again goes on there.
    ``left`` says, by store, what may be meant or came of it, and was left as it is. Where there was nothing,
    ``erased`` is empty.
    """

    receipt_id: str
    erased: Mapping[str, int]
    held: Mapping[str, int]
    digest: str
    by: str
    at: datetime
    open: Mapping[str, str] = field(default_factory=dict[str, str])
    left: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self.open


def joined(known: Iterable[str], store: str, new: Iterable[str]) -> set[str]:
    """Marks of receipts, ``STORE ITEM DIGEST``, and those of a store's items that are not among them."""
    found = set(known)
    items = {_item(mark) for mark in found}
    return found | {mark for one in new if _item(mark := f"{store} {one}") not in items}


def counted(marks: Iterable[str]) -> dict[str, int]:
    """How many things the marks stand for, by store."""
    found = Counter[str]()
    for mark in marks:
        store, _, _, *several = mark.split(" ")
        found[store] += int(several[0]) if several else 1
    return dict(sorted(found.items()))


def _item(mark: str) -> str:
    store, item, *_ = mark.split(" ")
    return f"{store} {item}"


def digest_of(marks: Iterable[str]) -> str:
    """What a receipt says of these marks."""
    return hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()
