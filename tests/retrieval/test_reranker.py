from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval import Corpus, FolderSource
from pilotman.retrieval.reranker import CrossEncoder, RerankingFailed, judged, reranker_of

pytestmark = pytest.mark.anyio

needs_extra = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="the extra embeddings is not installed"
)

ALICE = Principal(tenant="acme", user="alice")
QUERY = "The disk is full"


class Counting:
    """Likes the texts that have a word, or does what it was told."""

    def __init__(self, word: str, then: Any = None) -> None:
        self.word = word
        self.then = then
        self.texts: list[str] = []

    def scores(self, query: str, texts: Sequence[str]) -> Any:
        assert query == QUERY
        self.texts += texts
        if isinstance(self.then, Exception):
            raise self.then
        return [text.count(self.word) for text in texts] if self.then is None else self.then


@pytest.fixture
def books(tmp_path: Path) -> FolderSource:
    for name, text in {
        "DiskFull.md": "The disk is full. Remove files.",
        "DiskSlow.md": "The disk is slow. Move the journal.",
        "CPUBusy.md": "The processors are busy.",
    }.items():
        (tmp_path / name).write_text(text)
    return FolderSource(tmp_path)


async def found(corpus: Corpus) -> list[str]:
    snapshot = await corpus.search(QUERY, principal=ALICE)
    assert all(0 <= document.metadata["score"] <= 1 for document in snapshot.documents)
    return [document.metadata["source"] for document in snapshot.documents]


async def test_the_reranker_has_the_last_word_among_the_best(books: FolderSource) -> None:
    assert (await found(Corpus([books], embedding=None)))[0] == "DiskFull.md"
    reranker = Counting("journal")
    assert (await found(Corpus([books], embedding=None, rerank=reranker)))[:2] == [
        "DiskSlow.md",
        "DiskFull.md",
    ]
    assert all(text.startswith("Disk ") for text in reranker.texts)


@pytest.mark.parametrize(
    "then", [RuntimeError("out of memory"), [1.0], [float("nan")] * 2, [[1.0], [2.0]], ["x", "y"]]
)
async def test_where_the_reranker_fails_the_first_order_stands_with_a_caveat(
    books: FolderSource, then: Any
) -> None:
    corpus = Corpus([books], embedding=None, rerank=Counting("journal", then))
    assert (await found(corpus))[0] == "DiskFull.md"
    assert any("the reranker failed" in caveat for caveat in corpus.caveats)


async def test_a_reranker_is_shown_nothing_that_the_reader_may_not_see(tmp_path: Path) -> None:
    for name in ("open", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "disk.md").write_text(f"The disk is full. {name}")
    reranker = Counting("disk")
    sources = [
        FolderSource(tmp_path / "open"),
        FolderSource(tmp_path / "secret", readers=["tenant:globex"]),
    ]
    await found(Corpus(sources, embedding=None, rerank=reranker))
    assert reranker.texts
    assert not any("secret" in text for text in reranker.texts)


@pytest.mark.parametrize("name", ["", "all-MiniLM", "cross-encoder:", "bm25:x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown reranker"):
        reranker_of(name)


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="the extra embeddings is not installed"
)
def test_a_cross_encoder_in_a_folder_judges_pairs(tmp_path: Path) -> None:
    library: Any = importlib.import_module("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "disk", "full", "music"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    library.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = library.BertConfig(vocab_size=len(words), num_labels=1, **sizes)
    library.BertForSequenceClassification(config).save_pretrained(tmp_path)
    scores = judged(CrossEncoder(str(tmp_path)), "disk full", ["disk", "music", "disk"])
    assert scores.shape == (3,)
    assert scores[0] == pytest.approx(scores[2], abs=1e-6)
    assert np.isfinite(scores).all()


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="the extra embeddings is not installed"
)
def test_a_cross_encoder_that_is_not_there_fails_in_one_line(tmp_path: Path) -> None:
    reranker = CrossEncoder(str(tmp_path / "missing"))
    for _ in range(2):
        with pytest.raises(RerankingFailed) as failure:
            judged(reranker, "x", ["y"])
        assert "\n" not in str(failure.value)
