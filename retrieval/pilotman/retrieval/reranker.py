"""A second look at the best documents: a cross-encoder reads query and passage together."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.embedding import computing, installed

_PROVIDER = "cross-encoder"
_BATCH = 16


@runtime_checkable
class Reranker(Protocol):
    """Judges passages for a query. Called in a thread, with some twenty passages at once."""

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """A score for each text, larger is better; only their order and distances count."""
        ...


class RerankingFailed(Exception):
    """The reranker raised, or gave something else than a finite score for each text."""


class CrossEncoder:
    """A cross-encoder of sentence-transformers, loaded at its first use, from a folder or by its name from
    the model hub; weights are only read in the safetensors format."""

    def __init__(self, model: str, *, threads: int | None = None) -> None:
        self.model = model
        self._threads = threads
        self._loaded: Any = None
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    def scores(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """See ``Reranker``."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            with computing(self._threads):
                pairs = [(query, text) for text in texts]
                found = self._loaded.predict(pairs, batch_size=_BATCH, show_progress_bar=False)
        scores: list[float] = np.asarray(found, dtype=np.float64).tolist()
        return scores

    def _load(self) -> Any:
        """The model; a failure stands, because the way to the hub may be long."""
        if self._failure is not None:
            raise self._failure
        library: Any = importlib.import_module("sentence_transformers")
        try:
            return library.CrossEncoder(self.model, device="cpu", model_kwargs={"use_safetensors": True})
        except Exception as error:  # the libraries beneath raise whatever they like
            self._failure = error
            raise


def reranker_of(given: str | Reranker | None) -> Reranker | None:
    """The reranker of ``cross-encoder:NAME``, or the given one.

    Raises:
        ConfigurationError: another form, or the extra ``embeddings`` is not installed.
    """
    if not isinstance(given, str):
        return given
    provider, _, model = given.partition(":")
    if provider != _PROVIDER or not model:
        hint = f"write {_PROVIDER}:NAME, or pass an object with scores(query, texts)"
        raise ConfigurationError(f"unknown reranker {given!r}", hint=hint)
    if not installed():
        raise ConfigurationError(f"{given} needs an extra", hint="pip install 'pilotman[embeddings]'")
    return CrossEncoder(model)


def judged(reranker: Reranker, query: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """The scores of the texts, shape ``(texts,)``.

    Raises:
        RerankingFailed: see there.
    """
    try:
        scores = np.asarray(reranker.scores(query, texts), dtype=np.float32)
    except Exception as error:  # a user's model may raise anything
        why = (str(error).strip() or "no reason given").splitlines()[0]
        raise RerankingFailed(f"{type(error).__name__}: {why}") from error
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise RerankingFailed(f"it gave an array of shape {scores.shape}, not {len(texts)} finite scores")
    return scores
