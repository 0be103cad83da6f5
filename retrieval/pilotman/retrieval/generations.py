"""The index that serves: opened when there is one, left when another model's takes over."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pilotman.guardrails.errors import CorruptIndex
from pilotman.retrieval.catalogue.catalogue import Catalogue
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.forgetting import TOLD
from pilotman.retrieval.vectors import VectorIndex

_FOLDER = "vectors"
"""Begins the name of the folder of the vectors; their generation ends it."""

_REFRESH = 1.0
"""Seconds after which an index that others trained anew is seen."""


class Generations:
    """The vectors of a catalogue's rows. A generation is all that one model made: another model begins the
    next, in a folder of its own under ``folder``, and the former goes. Without a folder they are in memory.
    """

    def __init__(
        self,
        folder: Path | None,
        catalogue: Catalogue,
        *,
        config: IndexConfig,
        clock: Callable[[], float],
    ) -> None:
        self.opened: VectorIndex | None = None
        self._folder = folder
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._number = 0
        self._checked: Model | None = None
        self._opening = threading.Lock()
        self._state, self._refreshed = 0, 0.0
        self._turn_over()

    def index(self) -> VectorIndex | None:
        """The index of the present generation; None before its first vector was written."""
        if self.opened is None:
            model = self._catalogue.model()
            return None if model is None else self._open(model)
        return self.opened

    def followed(self) -> VectorIndex | None:
        """The same, after a look at what others have changed."""
        state, now = self._catalogue.follow(), self._clock()
        if state != self._state:
            self._turn_over()
        index = self.index()
        # Another process's rebuild is no change of the catalogue.
        if index is not None and (state != self._state or abs(now - self._refreshed) >= _REFRESH):
            index.refresh()
            self._state, self._refreshed = state, now
        return index

    def count(self) -> int:
        """How many rows have had their vector, after a look at what others have changed."""
        index = self.followed()
        return 0 if index is None else index.count

    def check(self, model: Model) -> bool:
        """Whether there are vectors, and this is the model that made them.

        Raises:
            ConfigurationError: it is another.
        """
        if self._checked is model:
            return True
        stored = self._catalogue.model()
        if stored is None:
            return False
        stored.check(model)
        self._checked = model
        return True

    def begun(self, change: Change, model: Model) -> VectorIndex:
        """The index, made where there is none yet, for whoever appends: see ``agreed``."""
        self._turn_over()
        self._open(model)
        index = self.agreed(change)
        assert index is not None
        return index

    def agreed(self, change: Change) -> VectorIndex | None:
        """The index as others have left it, for whoever changes it or the rows: nobody else does before the
        transaction ends. Vectors that a crash left without a text get rows that nobody finds.

        Raises:
            CorruptIndex: vectors that the catalogue knows are not there.
        """
        self._turn_over()
        index = self.index()
        if index is None:
            return None
        index.refresh()
        known = change.vectors()
        if known > index.count:
            raise CorruptIndex(
                f"{self._place()} holds {index.count} vectors of {known} that the catalogue knows;"
                " nothing was changed",
                hint="restore the folder from a backup, or fill another",
            )
        change.fill(index.count)
        return index

    def tidy(self) -> None:
        """Overwrite the vectors of what is deleted, also of what a crash left."""
        self._turn_over()
        index = self.index()
        if index is not None and index.clusters:
            dying = [row for row in self._catalogue.unerased() if row < index.count]
            if index.tells(dying):
                with self._catalogue.change() as change:
                    change.to_purge(TOLD)
        with self._catalogue.change() as change:
            index = self.agreed(change)
            change.without_vector(0 if index is None else index.count)
            rows = change.unerased()
            if rows and index is not None:
                index.erase(np.array(rows, dtype=np.int64))
                change.erased(rows)

    def sweep(self) -> None:
        """Remove the vectors of former models."""
        if self._folder is not None:
            for old in self._folder.glob(f"{_FOLDER}-*"):
                if old != self._place():
                    shutil.rmtree(old, ignore_errors=True)

    def close(self) -> None:
        """Let the files go."""
        if self.opened is not None:
            self.opened.close()

    def _turn_over(self) -> None:
        """Leave vectors that are another model's by now; a search that runs may finish."""
        number = self._catalogue.generation()
        with self._opening:
            if number == self._number:
                return
            self.opened = self._checked = None
            self._number = number
        self.sweep()

    def _open(self, model: Model) -> VectorIndex:
        with self._opening:
            if self.opened is None:
                self.opened = VectorIndex(self._place(), dimensions=model.dimensions, config=self._config)
            return self.opened

    def _place(self) -> Path | None:
        return None if self._folder is None else self._folder / f"{_FOLDER}-{self._number}"
