"""Texts that a user wants stored, as entries. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.retrieval.access import reader_of_user, readers_of, subject_of
from pilotman.retrieval.catalogue.entry import Entry
from pilotman.retrieval.catalogue.sight import Sight


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The entries of one call, in its order."""

    entries: tuple[Entry, ...]

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [entry.id for entry in self.entries]

    @property
    def texts(self) -> list[str]:
        """Their texts."""
        return [entry.text for entry in self.entries]

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None,
        ids: Sequence[str | None] | None,
        sight: Sight,
        new_id: Callable[[], str],
        *,
        readers: Iterable[str] | None = None,
        expires_at: datetime | str | None = None,
        owner: str | None = None,
        **rest: Any,
    ) -> Draft:
        """See ``FaissVectorStore.add_texts``.

        Raises:
            ValueError: ids or metadatas are not as many as the texts.
            InvalidRequest, ConfigurationError, PermissionDenied: something cannot be stored.
        """
        nothing_left(rest)
        rows = _rows(listed("texts", texts), metadatas, ids)
        # Whoever is bound cannot vouch for what it writes.
        trusted = None if sight.user is None else False
        whose = _owner(owner, sight)
        default = sight.default_readers if owner is None else frozenset({owner})
        entries: list[Entry] = []
        for text, metadata, id_ in rows:
            if trusted is False and isinstance(metadata.get("label"), Mapping):
                raise InvalidRequest("a principal cannot label what it writes", hint="leave label out")
            named = metadata.get("readers", readers)
            allowed = default if named is None else readers_of(named)
            sight.check_readers(allowed)
            entries.append(
                Entry(
                    id=id_ or new_id(),
                    text=text,
                    metadata=metadata,
                    readers=allowed,
                    tenant=sight.tenant,
                    owner=whose,
                    expires_at=_time(metadata.get("expires_at", expires_at)),
                    trusted=trusted,
                )
            )
        return cls(entries=tuple(entries))


def _rows(
    texts: Sequence[str],
    metadatas: Sequence[Mapping[str, Any]] | None,
    ids: Sequence[str | None] | None,
) -> list[tuple[str, dict[str, Any], str | None]]:
    """Each text with what was given for it."""
    for what, given in (("metadatas", metadatas), ("ids", ids)):
        if given and len(given) != len(texts):
            raise ValueError(f"{len(given)} {what} for {len(texts)} texts")
    nothing = [None] * len(texts)
    return [
        (text, dict(m or {}), id_)
        for text, m, id_ in zip(texts, metadatas or nothing, ids or nothing, strict=True)
    ]


def listed(what: str, given: Iterable[str]) -> list[str]:
    """As a list.

    Raises:
        InvalidRequest: it is one text, which would be taken for its letters.
    """
    if isinstance(given, str):
        raise InvalidRequest(f"{what} is a list, not the text {given!r}", hint=f"write [{given!r}]")
    return list(given)


def nothing_left(arguments: Mapping[str, Any]) -> None:
    """No argument that would be ignored.

    Raises:
        InvalidRequest: there is one.
    """
    if arguments:
        raise InvalidRequest(f"these arguments mean nothing here: {', '.join(sorted(arguments))}")


def _owner(named: str | None, sight: Sight) -> str | None:
    """Whose it is: of whoever is bound, or of whom the application names."""
    own = None if sight.user is None else reader_of_user(sight.tenant, sight.user)
    if named is not None:
        subject_of(named)
        if own not in (None, named):
            raise PermissionDenied(f"{own} cannot write what belongs to {named}", hint="leave owner out")
    return named or own


def _time(given: Any) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    try:
        return datetime.fromisoformat(given)
    except (TypeError, ValueError) as error:
        hint = "such as 2030-01-31T12:00:00+00:00"
        raise InvalidRequest(f"expires_at={given!r} is no time", hint=hint) from error
