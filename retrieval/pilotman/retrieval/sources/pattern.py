"""Patterns of paths as ``pathlib`` understands them, also for paths that are in no file system. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pilotman.guardrails.errors import ConfigurationError


def checked(glob: str) -> str:
    """The pattern.

    Raises:
        ConfigurationError: it is empty or leads out of the folder.
    """
    if not glob or PurePosixPath(glob).is_absolute() or ".." in PurePosixPath(glob).parts:
        raise ConfigurationError(f"the pattern {glob!r} leads out of the folder", hint="such as **/*.md")
    return glob


def matches(path: str, glob: str) -> bool:
    """Whether the pattern means this path of a file; ``**`` stands for any number of folders."""
    return _match(path.split("/"), PurePosixPath(glob).parts)


def _match(path: list[str], glob: tuple[str, ...]) -> bool:
    if not glob:
        return not path
    if glob[0] == "**":
        rest = glob[1:]
        if not rest:
            return False  # at the end it means the folders themselves, as pathlib has it before Python 3.13
        return any(_match(path[skipped:], rest) for skipped in range(len(path)))
    return bool(path) and fnmatchcase(path[0], glob[0]) and _match(path[1:], glob[1:])
