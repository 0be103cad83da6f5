"""A LangChain embedding, looked at: what it gives must be vectors, and of the model that the store knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.catalogue.model import PROBE, Model


class Encoder:
    """Vectors of documents and queries, shape ``(texts, dimensions)`` and ``(dimensions,)``.

    The first use asks for one text more, by which the model is known. Errors of the embedding itself come
    through as they are.

    Raises:
        ConfigurationError: what the embedding gives is no array of vectors.
        InvalidRequest: a vector is not finite.
    """

    def __init__(self, embedding: Embeddings) -> None:
        given: Any = embedding
        if not isinstance(given, Embeddings):
            raise ConfigurationError(f"{given!r} is no embedding", hint="pass a LangChain Embeddings object")
        self.embedding = embedding
        self._model: Model | None = None

    def model(self) -> Model:
        """What makes the vectors."""
        if self._model is None:
            self._model = self._known(self.embedding.embed_documents([PROBE]))
        return self._model

    async def amodel(self) -> Model:
        if self._model is None:
            self._model = self._known(await self.embedding.aembed_documents([PROBE]))
        return self._model

    def documents(self, texts: Sequence[str], *, batch_size: int) -> Vectors:
        model = self.model()
        parts = [self.embedding.embed_documents(part) for part in _parts(texts, batch_size)]
        return _checked([vector for part in parts for vector in part], len(texts), model)

    async def adocuments(self, texts: Sequence[str], *, batch_size: int) -> Vectors:
        model = await self.amodel()
        parts = [await self.embedding.aembed_documents(part) for part in _parts(texts, batch_size)]
        return _checked([vector for part in parts for vector in part], len(texts), model)

    def query(self, text: str) -> Vectors:
        model = self.model()
        vector: Vectors = _checked([self.embedding.embed_query(text)], 1, model)[0]
        return vector

    async def aquery(self, text: str) -> Vectors:
        model = await self.amodel()
        vector: Vectors = _checked([await self.embedding.aembed_query(text)], 1, model)[0]
        return vector

    def _known(self, probe: Any) -> Model:
        kind = type(self.embedding)
        vectors = _array(probe)
        if vectors.ndim != 2 or len(vectors) != 1 or not vectors.shape[1]:
            raise ConfigurationError(f"{kind.__name__} gave an array of shape {vectors.shape} for one text")
        return Model.of(f"{kind.__module__}.{kind.__qualname__}", vectors[0])


def vector_of(given: Sequence[float]) -> Vectors:
    """A vector that a user brings, shape ``(dimensions,)``.

    Raises:
        InvalidRequest: it is none, or not finite.
    """
    vector = np.asarray(given, dtype=np.float32)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise InvalidRequest("a search by vector takes one vector of finite numbers")
    return vector


def _parts(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    if size < 1:
        raise InvalidRequest(f"batch_size={size} is no number of texts")
    return (list(texts[start : start + size]) for start in range(0, len(texts), size))


def _checked(given: Any, count: int, model: Model) -> Vectors:
    vectors = _array(given) if count else np.zeros((0, model.dimensions), dtype=np.float32)
    if vectors.shape != (count, model.dimensions):
        raise ConfigurationError(
            f"{model.name} gave an array of shape {vectors.shape}, not {(count, model.dimensions)}"
        )
    return vectors


def _array(given: Any) -> Vectors:
    try:
        with np.errstate(over="ignore"):
            vectors = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the embedding gave no array of vectors: {error}") from error
    if not np.isfinite(vectors).all():
        raise InvalidRequest("the embedding gave a vector that is not finite; nothing was stored")
    return vectors
