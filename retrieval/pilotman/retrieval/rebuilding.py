"""Rebuilding an index in the background, when it would help."""

from __future__ import annotations

import threading

from pilotman.guardrails.errors import PilotmanError
from pilotman.retrieval.vectors import VectorIndex


class Rebuilding:
    """At most one rebuild at a time, on a daemon thread; searches and changes go on meanwhile.

    ``failure`` says in words why the last one failed; the index then serves as it did.
    """

    def __init__(self) -> None:
        self.failure = ""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def consider(self, index: VectorIndex) -> None:
        """Begin one if the index is the better for it and none runs; one that runs looks again at its end."""
        with self._lock:
            if self._thread is None and index.needs_rebuild() is not None:
                self._begin(index, retrain=False)

    def retrain(self, index: VectorIndex) -> bool:
        """Begin one that learns the clusters anew; False where one runs already."""
        with self._lock:
            if self._thread is not None:
                return False
            self._begin(index, retrain=True)
            return True

    @property
    def runs(self) -> bool:
        """Whether one runs."""
        return self._thread is not None

    def wait(self) -> None:
        """Until none runs."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _begin(self, index: VectorIndex, *, retrain: bool) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(index, retrain), name="pilotman-rebuild", daemon=True
        )
        self._thread.start()

    def _run(self, index: VectorIndex, retrain: bool) -> None:
        again = True
        while again:
            before = index.epoch
            try:
                index.rebuild(retrain=retrain)
                self.failure = ""
            except (PilotmanError, OSError, MemoryError) as error:
                self.failure = f"the index could not be rebuilt: {error}"
            retrain = False
            with self._lock:
                again = index.epoch != before and index.needs_rebuild() is not None
                if not again:
                    self._thread = None
