"""Trained indexes on disk, each a folder that is written once.

::

    epoch-000003/lists.faiss    the inverted file, read into memory
    epoch-000003/codes.faiss    the 8-bit codes, mapped
    epoch-000003/cells.i32      the list of each row, mapped
    epoch-000003/manifest.json  sizes and SHA-256 of these, and its own

A folder gets its name when all that is in it is durable. FAISS reads a file only after its checksum held.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pilotman.guardrails.errors import CorruptIndex, Unavailable
from pilotman.retrieval.vectors.checksum import intact, summed
from pilotman.retrieval.vectors.table import Fault, sync_folder
from pilotman.retrieval.vectors.trained import Trained

VERSION = 1
_FILES = ("lists.faiss", "codes.faiss", "cells.i32")
_NAME = re.compile(r"epoch-(\d{6,})(\.aside)?")


class Epochs:
    """The trained indexes under a folder. Writing and sweeping are for one process at a time."""

    def __init__(self, folder: Path, *, dimensions: int, fault: Fault) -> None:
        self._folder = folder
        self._dimensions = dimensions
        self._fault = fault

    def write(self, number: int, trained: Trained) -> None:
        """Write an epoch; it serves nobody yet.

        Raises:
            Unavailable: the disk is full or unwell; the epoch before goes on serving.
        """
        place = self._place(number)
        aside = place.with_suffix(".aside")
        try:
            self._write(aside, trained)
            shutil.rmtree(place, ignore_errors=True)  # of a rebuild that died before its swap
            aside.replace(place)
            sync_folder(self._folder)
        except (OSError, RuntimeError) as error:  # FAISS raises the latter
            shutil.rmtree(aside, ignore_errors=True)
            raise Unavailable(
                f"{aside} could not be written: {str(error).splitlines()[0]}; the epoch before serves",
                hint="see that there is space, then rebuild again",
            ) from error
        self._fault("named")

    def _write(self, aside: Path, trained: Trained) -> None:
        faiss: Any = importlib.import_module("faiss")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        faiss.write_index(trained.lists, str(aside / "lists.faiss"))
        self._fault("half written")
        faiss.write_index(trained.codes, str(aside / "codes.faiss"))
        trained.cells.tofile(aside / "cells.i32")
        body = {
            "format": VERSION,
            "dimensions": self._dimensions,
            "rows": trained.rows,
            "trained_on": trained.trained_on,
            "files": {name: _digest(aside / name) for name in _FILES},
        }
        (aside / "manifest.json").write_text(summed(body))
        for name in (*_FILES, "manifest.json"):
            _sync(aside / name)
        sync_folder(aside)
        self._fault("written")

    def load(self, number: int) -> Trained:
        """Open an epoch.

        Raises:
            FileNotFoundError: it is not there (any more).
            CorruptIndex: it is damaged, foreign or of a newer version.
        """
        faiss: Any = importlib.import_module("faiss")
        place = self._place(number)
        body = self._manifest(place)
        for name, expected in body["files"].items():
            if _digest(place / name) != expected:
                raise self._corrupt(place / name, "is damaged")
        try:
            return Trained(
                lists=faiss.read_index(str(place / "lists.faiss")),
                codes=faiss.read_index(str(place / "codes.faiss"), faiss.IO_FLAG_MMAP_IFC),
                cells=np.memmap(place / "cells.i32", dtype=np.int32, mode="r").view(np.ndarray),
                rows=body["rows"],
                trained_on=body["trained_on"],
            )
        except RuntimeError as error:  # FAISS's only one
            raise self._corrupt(place, f"cannot be read by FAISS ({str(error).splitlines()[0]})") from error

    def numbers(self) -> list[int]:
        """Of the epochs that are there, the newest first."""
        found = (_NAME.fullmatch(each.name) for each in self._folder.iterdir())
        return sorted((int(name[1]) for name in found if name and not name[2]), reverse=True)

    def sweep(self, serving: int) -> None:
        """Remove what does not serve. Processes that have it mapped keep what they mapped."""
        for each in self._folder.iterdir():
            name = _NAME.fullmatch(each.name)
            if name and (name[2] or int(name[1]) != serving):
                shutil.rmtree(each, ignore_errors=True)

    def _place(self, number: int) -> Path:
        return self._folder / f"epoch-{number:06}"

    def _manifest(self, place: Path) -> Mapping[str, Any]:
        body = intact((place / "manifest.json").read_bytes())
        if body is None or not body.keys() >= {"format", "dimensions", "rows", "trained_on", "files"}:
            raise self._corrupt(place / "manifest.json", "is damaged or not ours")
        if body["format"] > VERSION:
            raise self._corrupt(place, f"has format {body['format']}, this package reads up to {VERSION}")
        if body["dimensions"] != self._dimensions or set(body["files"]) != set(_FILES):
            raise self._corrupt(place, "belongs to another index")
        return body

    def _corrupt(self, what: Path, why: str) -> CorruptIndex:
        return CorruptIndex(f"{what} {why}; it was left untouched", hint="a rebuild writes it anew")


class InMemoryEpochs:
    """The same without a folder."""

    def __init__(self) -> None:
        self._kept: dict[int, Trained] = {}

    def write(self, number: int, trained: Trained) -> None:
        self._kept[number] = trained

    def load(self, number: int) -> Trained:
        return self._kept[number]

    def numbers(self) -> list[int]:
        return sorted(self._kept, reverse=True)

    def sweep(self, serving: int) -> None:
        self._kept = {number: kept for number, kept in self._kept.items() if number == serving}


def _digest(file: Path) -> str:
    with file.open("rb") as read:
        return hashlib.file_digest(read, "sha256").hexdigest()


def _sync(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())
