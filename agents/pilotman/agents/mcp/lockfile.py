"""The lock file on disk."""

from __future__ import annotations

import os
from pathlib import Path

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.pin import Lock

HINT = "review the tools and approve them: pilotman mcp pin"


def read_lock(path: str | Path, *, must_exist: bool = True) -> Lock:
    """The pins in a file; none if it need not exist and does not.

    Raises:
        ConfigurationError: there is no such file, or it is no lock file.
    """
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        if not must_exist:
            return Lock()
        raise ConfigurationError(f"there is no lock file {path}", hint=HINT) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return Lock.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def write_lock(path: str | Path, lock: Lock) -> None:
    """Put the pins in the place of those that the file holds; whoever reads it sees the old or the new."""
    file = Path(path)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_text(lock.render(), encoding="ascii")
        aside.replace(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
