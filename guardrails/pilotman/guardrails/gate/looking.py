"""What an argument of a read says beside what is looked for: how much, of what kind, everywhere."""

from __future__ import annotations

from typing import Any

from pilotman.guardrails.wording.words import stem, stem_set, words

_KINDS = stem_set("status state type kind category filter")
_LIMITS = stem_set("limit max maximum top")
_PLACES, _EVERYWHERE = stem_set("folder mailbox label box"), frozenset({"inbox", "all"})


def is_limit(name: str, value: Any) -> bool:
    """Whether an argument of a read says how many at most."""
    count = isinstance(value, int) and not isinstance(value, bool)
    return count and not _LIMITS.isdisjoint(map(stem, words(name)))


def is_filter(name: str, value: Any) -> bool:
    """Whether an argument of a read says of what kind: only what is open, only what is unread."""
    plain = isinstance(value, str) and value.isalpha() and not _KINDS.isdisjoint(map(stem, words(name)))
    return plain or isinstance(value, bool)


def is_everywhere(name: str, value: Any) -> bool:
    """Whether an argument of a read says to look in no place in particular."""
    return str(value).casefold() in _EVERYWHERE and not _PLACES.isdisjoint(map(stem, words(name)))
