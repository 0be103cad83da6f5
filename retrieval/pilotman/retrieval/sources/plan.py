"""What has to change so that what is held becomes what a source lists. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MANY = 20
_LARGE_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Ids of documents, in their order: ``deleted`` are held and not listed, ``updated`` listed otherwise."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()

    @property
    def lost(self) -> str:
        """In words, where more than twenty documents went at once and they were half of all or more.

        That may be a mistake of the source. It takes effect all the same: who deletes is obeyed at once.
        """
        held = len(self.deleted) + len(self.updated) + len(self.unchanged)
        if len(self.deleted) <= _MANY or len(self.deleted) < _LARGE_SHARE * held:
            return ""
        return f"{len(self.deleted)} of {held} documents went at once"


def plan(desired: Mapping[str, str], actual: Mapping[str, str]) -> Changes:
    """The changes from ``actual`` to ``desired``, both versions by document id."""
    return Changes(
        added=tuple(sorted(desired.keys() - actual.keys())),
        updated=tuple(sorted(i for i in desired.keys() & actual.keys() if desired[i] != actual[i])),
        deleted=tuple(sorted(actual.keys() - desired.keys())),
        unchanged=tuple(sorted(i for i in desired.keys() & actual.keys() if desired[i] == actual[i])),
    )
