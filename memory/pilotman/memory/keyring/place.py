"""Where a memory's keys lie, by what its user names."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.seal import Keys, KeysInMemory
from pilotman.memory.keyring.folder import FolderKeys
from pilotman.memory.keyring.table import DatabaseKeys
from pilotman.memory.storage.database import parse, sqlite_path

Place: TypeAlias = str | Path | Keys
"""A folder, as a path or ``file:///…``; a ``postgresql://…`` URL; or an object that is such a port."""


def keys_at(place: Place | None, *, journal: str) -> Keys | None:
    """The keys at a place. None: a folder beside a journal's file, a table of its server's database; of a
    journal in memory none: it is gone with the process.

    Raises:
        ConfigurationError: no such kind of place, or ``PILOTMAN_MASTER_KEY`` holds no master key.
    """
    if place is None:
        return _beside(journal)
    if isinstance(place, Path):
        return FolderKeys(place)
    if not isinstance(place, str):
        return place
    scheme, separator, _ = place.partition("://")
    if not separator:
        return FolderKeys(place)
    if scheme == "file":
        return FolderKeys(unquote(urlsplit(place).path))
    if scheme.startswith("postgres"):
        return DatabaseKeys(place)
    raise ConfigurationError(f"keys cannot lie in {scheme!r}", hint="name a folder or a postgresql:// URL")


def is_near(keys: Keys | None) -> bool:
    """Whether a key is there at once; others are not waited for by an event loop."""
    return keys is None or isinstance(keys, FolderKeys | KeysInMemory)


def _beside(journal: str) -> Keys | None:
    parsed = parse(journal)
    if parsed.get_backend_name() == "postgresql":
        return DatabaseKeys(journal)
    path = sqlite_path(parsed)
    return None if path is None else FolderKeys(path.with_name(f"{path.stem}.keys"))
