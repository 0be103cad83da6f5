"""A commit of a local git repository as a source."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from langchain_core.documents import Document

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError, NotFound, Unavailable
from pilotman.guardrails.label import Label
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.sources.pattern import checked, matches
from pilotman.retrieval.sources.terms import LARGEST, Terms, named, version_of

_SECONDS = 60.0
"""How long one git command may take."""

_FILE = re.compile(
    rb"(?P<mode>\d+) (?P<kind>\w+) (?P<blob>[0-9a-f]+) +(?P<size>\S+)\t(?P<path>.+)", re.DOTALL
)

# A repository's own configuration may name programs to run. The commands used here (rev-parse, ls-tree,
# cat-file) run none of hooks, filters and pagers; what they could still start is the fetch of objects that a
# partial clone lacks, and no transport is allowed. Nothing of the caller's environment gets through but the
# path to git itself: GIT_DIR and its kin would point elsewhere.
_SETTINGS = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_OPTIONS = (
    "--no-pager",
    *("-c", "safe.directory=*"),  # who owns the files does not matter: nothing of theirs is run
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.sshCommand=false"),
    *("-c", "credential.helper="),
)
_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """The usable files of a commit: path to blob."""

    commit: str
    blobs: Mapping[str, str]


class GitSource:
    """The files that match ``glob`` in the commit that ``ref`` names; a document's id is its path.

    The repository may be bare; its working tree, hooks and configured programs are left alone, so it may be
    anybody's. All documents of a listing come from one commit, which their metadata names as ``commit``, with
    the blob as ``revision``. Links, submodules, paths that are not UTF-8 and files above 1 MiB are left out
    and named in ``caveats``; texts that are not UTF-8 are not served. ``max_age``: see ``Source``.

    Needs the ``git`` command.

    Raises:
        ConfigurationError: the readers cannot be understood, the pattern is not a relative one, or the ref
            names no commit.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        ref: str = "HEAD",
        glob: str = "**/*.md",
        label: Label | None = None,
        readers: Iterable[str] | None = None,
        owner: str | None = None,
        max_staleness: timedelta = timedelta(minutes=1),
        max_age: timedelta | None = None,
    ) -> None:
        if not ref.strip() or ref.startswith(("-", "^")) or not ref.isprintable():
            raise ConfigurationError(f"{ref!r} names no commit", hint="such as HEAD, main or v1.2")
        self.path = Path(path)
        self.ref = ref
        self.name = f"{self.path.resolve().name or self.path}@{ref}"
        self.max_staleness = max_staleness
        self.max_age = max_age
        self.caveats: tuple[str, ...] = ()
        self._glob = checked(glob)
        self._terms = Terms.of(readers, label, owner)
        self.terms = self._terms.digest
        self._tree: _Tree | None = None

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        """Pairs of path and blob, in the order of the paths.

        Raises:
            ConfigurationError: no git, no repository or no such ref from the start on, or nothing matches.
            Unavailable: the repository, or the ref, was there and is not now.
        """
        tree = await off_loop(self._listing)
        for path, blob in tree.blobs.items():
            yield path, blob

    async def fetch(self, document_id: str) -> Document:
        """The file's text as the commit of the last listing has it.

        Raises:
            NotFound: no such file in that commit.
            ConfigurationError: it is not UTF-8, or a pointer of Git LFS in place of a text.
            Unavailable: the repository cannot be read.
        """
        tree = self._tree
        if tree is None:
            tree = await off_loop(self._listing)
        blob = tree.blobs.get(document_id)
        if blob is None:
            raise NotFound(f"{visible(document_id)} is not in {self.name}")
        data = await off_loop(self._git, "cat-file", "blob", blob)
        if data.startswith(_POINTER):
            raise ConfigurationError(
                "it is a pointer of Git LFS", hint="read a folder where LFS has put the text"
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigurationError("it is not UTF-8") from None
        version = version_of(data)
        return self._terms.document(
            text, source=document_id, version=version, revision=blob, commit=tree.commit
        )

    def _listing(self) -> _Tree:
        commit = self._commit()
        if self._tree is not None and self._tree.commit == commit:
            return self._tree
        blobs: dict[str, str] = {}
        left_out: list[str] = []
        for entry in self._git("ls-tree", "-r", "-l", "-z", "--full-tree", commit).split(b"\0"):
            found = _FILE.fullmatch(entry)
            if found is None or not matches(path := found["path"].decode("utf-8", "replace"), self._glob):
                continue
            if found["size"] == b"BAD":
                raise Unavailable(
                    f"{self.name} lacks the text of {visible(path)}", hint="git fetch, git fsck"
                )
            if why := _unusable(found):
                left_out.append(f"{path} {why}")
            else:
                blobs[path] = found["blob"].decode()
        if not blobs and self._tree is None:
            why = f": {named(left_out)}" if left_out else ""
            raise ConfigurationError(
                f"no file of {self.name} matches {self._glob}{why}", hint="check the pattern"
            )
        self._tree = _Tree(commit=commit, blobs=dict(sorted(blobs.items())))
        self.caveats = (f"left out of {self.name}: {named(left_out)}",) if left_out else ()
        return self._tree

    def _commit(self) -> str:
        if not self.path.is_dir():
            raise self._missing(f"there is no repository {self.path}")
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{self.ref}^{{commit}}").decode().strip()
        except Unavailable as error:
            if "not a git repository" in str(error):
                raise self._missing(f"{self.path} is not a git repository") from None
            if str(error).endswith(_SILENT):
                raise self._missing(f"{self.path} has no commit {visible(self.ref)}") from None
            raise

    def _missing(self, what: str) -> ConfigurationError | Unavailable:
        """What was there once is away for now, not emptied."""
        if self._tree is not None:
            return Unavailable(f"{what} any more")
        return ConfigurationError(what, hint="check the path and the ref")

    def _git(self, *command: str) -> bytes:
        root = str(self.path.resolve())
        environment = {
            **{name: value for name in ("PATH", "SYSTEMROOT") if (value := os.environ.get(name)) is not None},
            **_SETTINGS,
            "GIT_CEILING_DIRECTORIES": os.path.dirname(root),  # not a repository around it
        }
        try:
            done = subprocess.run(  # noqa: S603  # fixed words, a checked ref and ids that git itself gave
                ["git", *_OPTIONS, "-C", root, *command],  # noqa: S607  # whichever git the user has
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise ConfigurationError("there is no git command", hint="install git") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"git could not read {self.name}: {type(error).__name__}") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
            raise Unavailable(f"git could not read {self.name}: {visible(said) or _SILENT}")
        return done.stdout


_SILENT = "no reason given"


def _unusable(entry: re.Match[bytes]) -> str:
    """Why an entry of a tree cannot be a document; empty if it can."""
    try:
        entry["path"].decode("utf-8")
    except UnicodeDecodeError:
        return "has a name that is not UTF-8"
    if entry["mode"] == b"120000":
        return "is a link"
    if entry["kind"] != b"blob":
        return "is a submodule"
    if entry["size"] == b"-" or int(entry["size"]) > LARGEST:
        return "is larger than 1 MiB"
    return ""
