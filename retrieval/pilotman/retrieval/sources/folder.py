"""A folder of Markdown files as a source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, NotFound
from pilotman.guardrails.label import Label
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.sources.pattern import checked
from pilotman.retrieval.sources.terms import LARGEST, Terms, named, version_of

# Named here, because inside the class ``list`` is the method.
_Pairs: TypeAlias = list[tuple[str, str]]
_Names: TypeAlias = list[str]


class FolderSource:
    """The files of a folder that match ``glob``; a document's id is its path inside the folder.

    ``readers`` may read every document (see ``access`` for the forms): by default everybody, or with an
    ``owner`` (``user:TENANT/USER``, whose content it all is) that owner. ``label`` says who wrote them and
    whether they are trusted; without one they are not. Links that lead out of the folder, files that are
    not UTF-8 and files above 1 MiB are left out and named in ``caveats``. A folder that vanishes after it
    was read once counts as emptied. ``max_age``: see ``Source``.

    Raises:
        ConfigurationError: the readers cannot be understood, or the pattern is not a relative one.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        glob: str = "**/*.md",
        label: Label | None = None,
        readers: Iterable[str] | None = None,
        owner: str | None = None,
        max_staleness: timedelta = timedelta(minutes=1),
        max_age: timedelta | None = None,
    ) -> None:
        self.path = Path(path)
        self.name = self.path.name or str(self.path)
        self.max_staleness = max_staleness
        self.max_age = max_age
        self.caveats: tuple[str, ...] = ()
        self._glob = checked(glob)
        self._terms = Terms.of(readers, label, owner)
        self.terms = self._terms.digest
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
        text = data.decode("utf-8-sig")
        return self._terms.document(text, source=document_id, version=version_of(data))

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
                versions.append((document_id, version_of(data)))
        if not versions and not self._seen:
            raise ConfigurationError(f"no file of {self.path} can be used: {named(left_out)}")
        self._seen = True
        return versions, (f"left out of {self.name}: {named(left_out)}",) if left_out else ()

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
        except (OSError, RuntimeError, ValueError) as error:
            # RuntimeError: links in a circle, before Python 3.13; ValueError: a name that no file can have
            return None, f"cannot be read ({getattr(error, 'strerror', None) or 'no file has such a name'})"
        return data, ""
