"""Keys in a folder: one file for each subject. What forgets a user for good is the loss of 55 bytes.

Keep it apart from the database and never in the same backup: whoever has both reads everything, and a backup
of a key brings back what was forgotten. On file systems that copy on write, and on flash, overwriting may
leave the old bytes somewhere: there a master key kept elsewhere (or disk encryption) is what protects them.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pilotman.guardrails.errors import Unavailable
from pilotman.guardrails.seal import Key, Subject, new_key
from pilotman.memory.keyring.master import Master, name

_MOST_KNOWN = 4096
_Stamp = tuple[int, int, int]


class FolderKeys:
    """Keys in files that only their owner can read, named by digests. Many processes may share the folder.

    ``master`` wraps each secret; None: what ``PILOTMAN_MASTER_KEY`` says. Constructing does no I/O.
    """

    def __init__(self, path: str | Path, master: Master | None = None) -> None:
        """
        Raises:
            ConfigurationError: ``PILOTMAN_MASTER_KEY`` holds no master key.
        """
        self._path = Path(path).expanduser().absolute()
        self._master = Master.of_environment() if master is None else master
        self._known: dict[Subject, tuple[str, _Stamp, Key]] = {}

    @property
    def path(self) -> Path:
        return self._path

    def current(self, subject: Subject) -> Key:
        """The subject's key, on the disk before it is returned."""
        while True:
            key = self.find(subject)
            if key is not None:
                return key
            with self._reached():
                self._make(self._file(subject), self._master.wrap(subject, new_key()))

    def find(self, subject: Subject) -> Key | None:
        """The subject's key. One look at its file: what another process has destroyed is not found."""
        known = self._known.get(subject)
        path = str(self._file(subject)) if known is None else known[0]
        with self._reached():
            try:
                stamp = _stamp(path)
            except FileNotFoundError:
                self._known.pop(subject, None)
                return None
            if known is not None and known[1] == stamp:
                return known[2]
            return self._read(subject, path, stamp)

    def destroy(self, subject: Subject) -> bool:
        """Overwrite the key's file and remove it, on the disk before this returns."""
        path = self._file(subject)
        self._known.pop(subject, None)
        with self._reached():
            return _remove(path)

    def _read(self, subject: Subject, path: str, stamp: _Stamp) -> Key | None:
        try:
            body = Path(path).read_bytes()
        except FileNotFoundError:
            return None
        key = self._master.unwrap(subject, body)
        if key is None:
            if not any(body):  # somebody was about to remove it
                _remove(Path(path))
                return None
            raise Unavailable(f"the key in {path} is damaged", hint="restore it from a backup of the keys")
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[subject] = (path, stamp, key)
        return key

    def _make(self, path: Path, body: bytes) -> None:
        """Put a key in its place whole and durable, unless one is there: that one counts."""
        self._make_folder(path.parent)
        draft = path.with_name(f".{uuid.uuid4().hex}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                file.write(body)
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)  # of two at once, one wins
        finally:
            draft.unlink()
        _sync_folder(path.parent)

    def _make_folder(self, folder: Path) -> None:
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        for part in reversed(missing):
            part.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(part.parent)

    def _file(self, subject: Subject) -> Path:
        digest = name(subject)
        return self._path / digest[:2] / digest[2:]

    @contextmanager
    def _reached(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            what = f"the keys in {self._path} cannot be reached: {error.strerror}"
            raise Unavailable(what, hint="check path, rights and disk") from error


def _remove(path: Path) -> bool:
    """Overwrite the file with zeros and remove it; False: it is gone. A file that came in its place stays."""
    try:
        with path.open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # who removes this very file is alone with it
            if path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                return False
            file.write(bytes(os.fstat(file.fileno()).st_size))
            os.fsync(file.fileno())
            path.unlink()
    except FileNotFoundError:
        return False
    _sync_folder(path.parent)
    return True


def _stamp(path: str) -> _Stamp:
    """What changes when the file becomes another."""
    found = os.stat(path)  # at every use: a Path costs more than the look
    return found.st_ino, found.st_mtime_ns, found.st_size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
