from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval import embedded as module
from pilotman.retrieval.embedded import FILE, Embedded, EmbeddingFailed

pytestmark = pytest.mark.anyio

TEXTS = ["the disk is full", "the cpu is busy"]


async def test_each_text_is_embedded_once(embeddings: Any) -> None:
    embedded = Embedded(embeddings)
    await embedded.prepare([*TEXTS, *TEXTS])
    await embedded.prepare(TEXTS)
    asked: list[str] = embeddings.texts
    assert len(asked) == len(set(asked))
    found = embedded.of(TEXTS)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-6)


async def test_a_second_process_takes_the_vectors_from_the_folder(embeddings: Any, tmp_path: Path) -> None:
    first = Embedded(embeddings, tmp_path)
    await first.prepare(TEXTS)
    embeddings.texts.clear()
    second = Embedded(embeddings, tmp_path)
    await second.prepare(TEXTS)
    assert not set(embeddings.texts) & set(TEXTS)
    assert (second.of(TEXTS) == first.of(TEXTS)).all()


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage", "pickle", "empty", "other array"])
async def test_a_damaged_file_is_ignored_and_replaced(embeddings: Any, tmp_path: Path, damage: str) -> None:
    await Embedded(embeddings, tmp_path).prepare(TEXTS)
    file = tmp_path / FILE
    good = file.read_bytes()
    if damage == "pickle":
        np.save(file, np.array([{"key": 1}], dtype=object), allow_pickle=True)
    elif damage == "other array":
        np.save(file, np.zeros(3))
    else:
        middle = len(good) - 40
        flipped = good[:middle] + bytes([good[middle] ^ 64]) + good[middle + 1 :]
        file.write_bytes({"cut": good[:-7], "flipped": flipped, "garbage": b"hello", "empty": b""}[damage])
    again = Embedded(embeddings, tmp_path)
    await again.prepare(TEXTS)
    assert file.read_bytes() == good
    assert again.caveats == ()


async def test_vectors_of_another_model_are_not_used(embeddings: Any, tmp_path: Path) -> None:
    await Embedded(embeddings, tmp_path).prepare(TEXTS)
    other = type(embeddings)("salt")
    fresh = Embedded(other)
    await fresh.prepare(TEXTS)
    kept = Embedded(other, tmp_path)
    await kept.prepare(TEXTS)
    assert (kept.of(TEXTS) == fresh.of(TEXTS)).all()


async def test_two_corpora_share_a_file_and_a_deleted_text_leaves_it(embeddings: Any, tmp_path: Path) -> None:
    mine, theirs = Embedded(embeddings, tmp_path), Embedded(embeddings, tmp_path)
    await mine.prepare(TEXTS)
    await theirs.prepare(["refunds take five days"])
    embeddings.texts.clear()
    await Embedded(embeddings, tmp_path).prepare([*TEXTS, "refunds take five days"])
    assert len(embeddings.texts) == len(module.PROBES)
    size = (tmp_path / FILE).stat().st_size
    await mine.prepare(TEXTS[:1])
    assert (tmp_path / FILE).stat().st_size < size


async def test_a_folder_that_cannot_be_written_is_a_caveat(embeddings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    embedded = Embedded(embeddings, tmp_path / "file" / "index")
    await embedded.prepare(TEXTS)
    assert "could not be kept" in embedded.caveats[0]
    assert embedded.of(TEXTS).shape[0] == 2


class Odd(Embeddings):
    """Gives what it is told to."""

    def __init__(self, documents: object, query: object = None) -> None:
        self.documents = documents
        self.query = query

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if isinstance(self.documents, Exception):
            raise self.documents
        return [self.documents] * len(texts)  # type: ignore[list-item]

    def embed_query(self, text: str) -> list[float]:
        return self.query  # type: ignore[return-value]


@pytest.mark.parametrize(
    "answer", [RuntimeError("gone\nand a second line"), [float("nan"), 1.0], [], "text", 1.0, [[1.0]]]
)
async def test_an_embedding_that_gives_no_vectors_has_failed(answer: object) -> None:
    with pytest.raises(EmbeddingFailed) as failure:
        await Embedded(Odd(answer)).prepare(TEXTS)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("answer", [[1.0], [[1.0, 0.0]], [float("inf"), 0.0], None])
async def test_a_query_of_another_shape_has_failed(answer: object) -> None:
    embedded = Embedded(Odd([1.0, 0.0], answer))
    await embedded.prepare(TEXTS)
    with pytest.raises(EmbeddingFailed):
        await embedded.query("disk")


async def test_our_own_errors_pass_as_they_are() -> None:
    with pytest.raises(ConfigurationError):
        await Embedded(Odd(ConfigurationError("no such model"))).prepare(TEXTS)


async def test_closeness_begins_where_the_model_puts_strangers() -> None:
    embedded = Embedded(Odd([1.0, 0.2]))
    await embedded.prepare(TEXTS)
    assert embedded.background == pytest.approx(0.95)
    assert [embedded.closeness(cosine) for cosine in (-1.0, 0.9, 1.0)] == [0.0, 0.0, pytest.approx(1.0)]
