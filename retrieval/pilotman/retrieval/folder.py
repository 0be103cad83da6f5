"""A folder of Markdown files as a source."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, NotFound
from pilotman.guardrails.label import Label
from pilotman.retrieval.access import readers_of
from pilotman.retrieval.blocking import off_loop

LARGEST = 1_048_576
"""Bytes of the largest file that is read."""

# Named here, because inside the class ``list`` is the method.
_Pairs: TypeAlias = list[tuple[str, str]]
_Names: TypeAlias = list[str]

_NAMED = 5
"""Files that a caveat names; more are counted."""


class FolderSource:
    """The files of a folder that match ``glob``; a document's id is its path inside the folder.

    ``readers`` may read every document (see ``access`` for the forms). ``label`` says who wrote them and
    whether they are trusted; without one they are not. Links that lead out of the folder, files that are
    not UTF-8 and files above 1 MiB are left out and named in ``caveats``. A folder that vanishes after it
    was read once counts as emptied.

    Raises:
        ConfigurationError: the readers cannot be understood, or the pattern is not a relative one.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        glob: str = "**/*.md",
        label: Label | None = None,
        readers: Iterable[str] = ("*",),
        max_staleness: timedelta = timedelta(minutes=1),
    ) -> None:
        if not glob or PurePosixPath(glob).is_absolute() or ".." in PurePosixPath(glob).parts:
            raise ConfigurationError(f"the pattern {glob!r} leads out of the folder", hint="such as **/*.md")
        self.path = Path(path)
        self.name = self.path.name or str(self.path)
        self.max_staleness = max_staleness
        self.caveats: tuple[str, ...] = ()
        self._glob = glob
        self._readers = sorted(readers_of(readers))
        self._label = label
        self._seen = False

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        """Pairs of path and version (content hash), in the order of the paths.

        Raises:
            ConfigurationError: there is no such folder, it cannot be read, or nothing in it matches.
        """
        versions, self.caveats = await off_loop(self._listing)
        for document_id, version in versions:
            yield document_id, version

    async def fetch(self, document_id: str) -> Document:
        """The file's text with its labels.

        Raises:
            NotFound: no such file in the folder (any more), or it cannot be read.
        """
        data, why = await off_loop(self._read, self.path / document_id)
        if data is None:
            raise NotFound(f"{document_id} of {self.path} {why}")
        metadata: dict[str, Any] = {
            "source": document_id,
            "version": _version(data),
            "readers": self._readers,
            "trusted": self._label is not None and self._label.trusted,
        }
        if self._label is not None:
            metadata["label"] = self._label.to_dict()
        return Document(page_content=data.decode("utf-8-sig"), metadata=metadata)

    def _listing(self) -> tuple[_Pairs, tuple[str, ...]]:
        try:
            matching = sorted(path for path in self.path.glob(self._glob) if not path.is_dir())
            self._check_folder(bool(matching))
        except OSError as error:
            raise ConfigurationError(f"the folder {self.path} cannot be read: {error.strerror}") from None
        versions: _Pairs = []
        left_out: _Names = []
        for path in matching:
            document_id = path.relative_to(self.path).as_posix()
            data, why = self._read(path)
            if data is None:
                left_out.append(f"{document_id} {why}")
            else:
                versions.append((document_id, _version(data)))
        if not versions and not self._seen:
            raise ConfigurationError(f"no file of {self.path} can be used: {_named(left_out)}")
        self._seen = True
        return versions, (f"left out of {self.name}: {_named(left_out)}",) if left_out else ()

    def _check_folder(self, matched: bool) -> None:
        if matched or self._seen:
            return
        if not self.path.exists():
            raise ConfigurationError(f"there is no folder {self.path}", hint="check the path")
        if not self.path.is_dir():
            raise ConfigurationError(
                f"{self.path} is not a folder", hint="name the folder that holds the files"
            )
        next(self.path.iterdir(), None)  # a folder that may not be read looks empty to a pattern, not to this
        raise ConfigurationError(
            f"no file in {self.path} matches {self._glob}", hint="check the path and the pattern"
        )

    def _read(self, path: Path) -> tuple[bytes | None, str]:
        """The file's bytes, or None and why not."""
        try:
            if not path.resolve().is_relative_to(self.path.resolve()):
                return None, "leads out of the folder"
            if not path.is_file():
                return None, "is not a file"
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                return None, "is larger than 1 MiB"
            data.decode("utf-8")
        except UnicodeDecodeError:
            return None, "is not UTF-8"
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
            return None, f"cannot be read ({getattr(error, 'strerror', None) or 'links in a circle'})"
        return data, ""


def _version(data: bytes) -> str:
    """The content hash that names a version: the first 32 hexadecimal digits of SHA-256."""
    return hashlib.sha256(data).hexdigest()[:32]


def _named(left_out: Iterable[str]) -> str:
    names = list(left_out)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
