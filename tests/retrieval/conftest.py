"""An embedding without a model, and a corpus of a few lines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings


class HashEmbeddings(Embeddings):
    """Words hashed into 64 dimensions: texts that share words are near. Counts what it was asked for."""

    def __init__(self, salt: str = "") -> None:
        self.salt = salt
        self.texts: list[str] = []
        self.broken: Exception | None = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.broken is not None:
            raise self.broken
        self.texts += texts
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _vector(self, text: str) -> list[float]:
        vector = np.full(64, 1e-3)
        for word in re.findall(r"\w+", text.lower()):
            place = hashlib.sha256((self.salt + word).encode()).digest()
            vector[place[0] % 64] += 1 if place[1] % 2 else -1
        found: list[float] = vector.tolist()
        return found


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def embeddings() -> HashEmbeddings:
    return HashEmbeddings()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """Writes files into a folder and gives it."""

    def written(files: Mapping[str, str | bytes]) -> Path:
        root = tmp_path / "books"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return written
