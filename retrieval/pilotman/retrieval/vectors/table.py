"""Raw vectors by row, in a folder: appended, overwritten, never moved.

::

    header        two slots of ``Header``: what is committed
    vectors.f32   float32, row after row; bytes past the committed rows are overwritten by the next append
    vectors.crc   uint32 a row: the CRC-32 of its bytes as appended
    erased.log    two int64 a death: the row and its complement
    lock          held by whoever changes something
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from pilotman.guardrails.errors import ConfigurationError, Conflict, CorruptIndex, Unavailable
from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.config import Metric
from pilotman.retrieval.vectors.header import SLOT, Header, read
from pilotman.retrieval.vectors.lock import locked

Fault = Callable[[str], None]
"""Called with the name of each step that was just done: where a test pulls the plug."""

_MARK = 16
"""Bytes of a death."""

_FILES = ("header", "vectors.f32", "vectors.crc", "erased.log")


class Table:
    """The raw vectors of a folder. What changes them is called inside ``changing``.

    Raises:
        ConfigurationError: the folder cannot be used, or holds vectors of another model or metric.
        CorruptIndex: a file is damaged, foreign or of a newer version.
    """

    resident = 0  # the files are mapped: their pages are the system's cache, shared by all processes

    def __init__(self, folder: Path, *, dimensions: int, metric: Metric, fault: Fault) -> None:
        self._folder = folder
        self._fault = fault
        self._stride = dimensions * 4
        self._open: dict[str, int] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with locked(folder / "lock"):
                self._create(Header(dimensions=dimensions, metric=metric))
                for name in _FILES:
                    self._open[name] = os.open(folder / name, os.O_RDWR)
                self.header = self._read()
                self.header.expect(dimensions, metric)
                self._check_sizes()
                self._clear_rest()
        except OSError as error:
            self.close()
            raise ConfigurationError(
                f"the folder {folder} cannot hold an index: {error.strerror}",
                hint="give a folder that can be written",
            ) from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def changing(self) -> Generator[None]:
        """Keep other processes from changing anything; begins with what they have committed."""
        with locked(self._folder / "lock"):
            self.refresh()
            yield

    def stale(self) -> bool:
        """Whether another process has committed something since."""
        return self._read().sequence != self.header.sequence

    def refresh(self) -> None:
        """Read what is committed."""
        found = self._read()
        if found.sequence != self.header.sequence:
            self.header = found
            self._check_sizes()

    def append(self, vectors: Vectors) -> None:
        """Write rows after the last; durable when it returns."""
        count = self.header.count
        self._write("vectors.f32", vectors.data.cast("B"), count * self._stride)
        sums = np.fromiter((zlib.crc32(row) for row in vectors), dtype=np.uint32, count=len(vectors))
        self._write("vectors.crc", sums.tobytes(), count * 4)
        self._fault("appended")
        self._commit(replace(self.header, count=count + len(vectors)))

    def erase(self, rows: Rows) -> None:
        """Mark rows dead, then overwrite them; a crash in between is made good at the next opening."""
        marks = np.stack([rows, ~rows], axis=1)
        self._write("erased.log", marks.tobytes(), self.header.erased * _MARK)
        self._fault("logged")
        self._commit(replace(self.header, erased=self.header.erased + len(rows)))
        self._fault("marked")
        self._clear_rest()

    def swap(self, epoch: int) -> None:
        """Let another epoch serve."""
        self._commit(replace(self.header, epoch=epoch))

    def trim(self) -> None:
        """Cut off what a crash left behind the last row; durable when it returns."""
        for name, each, count in self._sizes():
            os.ftruncate(self._file(name), each * count)
            os.fsync(self._file(name))

    def vectors(self) -> Vectors:
        """The committed rows, mapped, shape ``(count, dimensions)``."""
        shape = (self.header.count, self.header.dimensions)
        if not shape[0]:
            return np.zeros(shape, dtype=np.float32)
        return np.memmap(self._folder / "vectors.f32", dtype=np.float32, mode="r", shape=shape).view(
            np.ndarray
        )

    def deaths(self, first: int) -> Rows:
        """The rows of the committed deaths from number ``first`` on, in the order in which they died."""
        raw = os.pread(self._file("erased.log"), (self.header.erased - first) * _MARK, first * _MARK)
        marks = np.frombuffer(raw, dtype=np.int64).reshape(-1, 2)
        rows = marks[:, 0]
        if not (rows == ~marks[:, 1]).all() or not ((rows >= 0) & (rows < self.header.count)).all():
            raise self._corrupt("erased.log", "holds what was not written there")
        return rows

    def damaged(self, first: int, last: int) -> Rows:
        """Rows in ``[first, last)`` whose bytes are not those that were appended; erased ones among them."""
        raw = os.pread(self._file("vectors.crc"), (last - first) * 4, first * 4)
        now = self.vectors()[first:last]
        sums = np.fromiter((zlib.crc32(row) for row in now), dtype=np.uint32, count=len(now))
        return first + np.flatnonzero(sums != np.frombuffer(raw, dtype=np.uint32))

    def close(self) -> None:
        for file in self._open.values():
            os.close(file)
        self._open = {}

    def _create(self, header: Header) -> None:
        """The header comes last: without it there is no index yet, and nothing that could be lost."""
        if (self._folder / "header").exists():
            return
        if any((self._folder / name).is_file() and (self._folder / name).stat().st_size for name in _FILES):
            raise self._corrupt("header", "is missing beside the vectors")
        for name in _FILES[1:]:
            (self._folder / name).touch(mode=0o600)
        aside = self._folder / ".header"
        with aside.open("wb") as file:
            file.write(header.packed().ljust(2 * SLOT, b"\0"))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._folder / "header")
        sync_folder(self._folder)

    def _file(self, name: str) -> int:
        if name not in self._open:
            raise Conflict("the index is closed", hint="open it again")
        return self._open[name]

    def _read(self) -> Header:
        return read(os.pread(self._file("header"), 2 * SLOT, 0), str(self._folder / "header"))

    def _check_sizes(self) -> None:
        for name, each, count in self._sizes():
            if os.fstat(self._file(name)).st_size < each * count:
                raise self._corrupt(name, f"is shorter than the {count} entries that were committed")

    def _sizes(self) -> Sequence[tuple[str, int, int]]:
        """What is committed of each file: bytes of an entry, and how many."""
        rows, deaths = self.header.count, self.header.erased
        return ("vectors.f32", self._stride, rows), ("vectors.crc", 4, rows), ("erased.log", _MARK, deaths)

    def _clear_rest(self) -> None:
        """Overwrite the vectors of the dead that still have theirs."""
        if self.header.cleared == self.header.erased:
            return
        nothing = bytes(self._stride)
        for row in self.deaths(self.header.cleared):
            os.pwrite(self._file("vectors.f32"), nothing, int(row) * self._stride)
        os.fsync(self._file("vectors.f32"))
        self._fault("cleared")
        self._commit(replace(self.header, cleared=self.header.erased))

    def _write(self, name: str, data: bytes | memoryview, at: int) -> None:
        left, file = memoryview(data), self._file(name)
        try:
            while left:
                written = os.pwrite(file, left, at)
                left, at = left[written:], at + written
            os.fsync(file)
        except OSError as error:
            raise Unavailable(
                f"{self._folder / name} could not be written: {error.strerror}; nothing was changed",
                hint="see that there is space and that the disk is well, then try again",
            ) from error

    def _commit(self, header: Header) -> None:
        header = replace(header, sequence=self.header.sequence + 1)
        self._write("header", header.packed(), header.sequence % 2 * SLOT)
        self.header = header

    def _corrupt(self, name: str, what: str) -> CorruptIndex:
        return CorruptIndex(
            f"{self._folder / name} {what}; it was left untouched",
            hint="restore the folder from a backup, or take an empty one and index the documents again",
        )


class InMemory:
    """The same without a folder: nothing outlives the process."""

    def __init__(self, *, dimensions: int, metric: Metric) -> None:
        self.header = Header(dimensions=dimensions, metric=metric)
        self._rows = np.zeros((0, dimensions), dtype=np.float32)
        self._deaths: list[Rows] = []

    @property
    def resident(self) -> int:
        """Bytes of private memory."""
        return self._rows.nbytes

    @contextmanager
    def changing(self) -> Generator[None]:
        """Nobody else is there."""
        yield

    def stale(self) -> bool:
        """Nobody else changes anything."""
        return False

    def refresh(self) -> None:
        """There is nothing to read."""

    def append(self, vectors: Vectors) -> None:
        count = self.header.count + len(vectors)
        if count > len(self._rows):
            grown = np.zeros((max(count, 2 * len(self._rows)), self._rows.shape[1]), dtype=np.float32)
            grown[: len(self._rows)] = self._rows
            self._rows = grown
        self._rows[self.header.count : count] = vectors
        self._commit(replace(self.header, count=count))

    def erase(self, rows: Rows) -> None:
        self._rows[rows] = 0
        self._deaths.append(rows)
        self._commit(replace(self.header, erased=self.header.erased + len(rows)))

    def swap(self, epoch: int) -> None:
        self._commit(replace(self.header, epoch=epoch))

    def trim(self) -> None:
        """There is nothing behind the last row that was ever written."""

    def vectors(self) -> Vectors:
        return self._rows[: self.header.count]

    def deaths(self, first: int) -> Rows:
        return np.concatenate([np.zeros(0, dtype=np.int64), *self._deaths])[first:]

    def damaged(self, first: int, last: int) -> Rows:  # noqa: ARG002
        """Memory is not doubted."""
        return np.zeros(0, dtype=np.int64)

    def close(self) -> None:
        self._rows = self._rows[:0]

    def _commit(self, header: Header) -> None:
        self.header = replace(header, sequence=header.sequence + 1)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
