"""What a run looks up in its corpus, at its start and when an agent searches: each a snapshot on the run."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from langchain_core.documents import Document

from pilotman.agents.blocking import bounded
from pilotman.agents.body import FunctionBody
from pilotman.agents.flow import documents, from_corpus
from pilotman.agents.report import Passage
from pilotman.agents.scope import RunScope
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.incoming.cleaner import Cleaned, clean
from pilotman.retrieval import Corpus, Snapshot
from pilotman.retrieval.passage import emptied
from pilotman.supervisor.team import SEARCH

PASSAGES = 4
_ON_RECORD = ("source", "version", "score", "heading", "start", "end", "trusted", "fetched_at")
_IF_TOLD = ("expires_at", "document_id", "origin", "ref", "cited")
MOST_SECONDS = 60.0
SHARE = 0.5
"""A search may take so much of the time left, at most so long: the first one reads all sources."""


class Recall:
    """Searches of one lead or task. What is found becomes citable in ``passages``, numbered from ``base``."""

    def __init__(
        self, corpus: Corpus | None, run: RunScope, *, path: str, passages: dict[int, Passage], base: int
    ) -> None:
        self._corpus = corpus
        self._run = run
        self._path = path
        self._passages = passages
        self._next = base + 1

    async def begin(self, query: str) -> list[Passage]:
        """The passages for the request itself; none where nothing covers it, which is said."""
        if self._corpus is None:
            return []
        run, path = self._run, f"{self._path}/recall" if self._path else "recall"
        recorded = run.recorder.result("retrieval", path, digest(query))
        body = None if recorded is None else run.recorder.fetch(recorded["payload"])
        if body is not None:
            snapshot = await self._again(Snapshot.from_dict(body))
        else:
            found = await self._search(query, path)
            if found is None:
                return []
            snapshot = found
        if not snapshot.covered:
            run.caveat("nothing in the corpus covers this request")
            return []
        return self._number(snapshot)

    def tool(self) -> Tool[..., Any] | None:
        """The search as a tool for agents, or None where there is no corpus."""
        if self._corpus is None:
            return None

        async def search_corpus(query: str) -> list[dict[str, Any]]:
            path = f"{self._path}/search:{self._run.recorder.mark(query)}"
            snapshot = await self._search(query, path)
            return [] if snapshot is None else [p.to_dict() for p in self._number(snapshot)]

        return _TOOL.with_body(replace(_BODY, fn=search_corpus))  # making its schema costs more than a search

    async def _again(self, snapshot: Snapshot) -> Snapshot:
        """What the run retrieved before a crash or a pause, less what has been deleted since."""
        assert self._corpus is not None
        try:
            timeout = self._run.time_for(min(MOST_SECONDS, self._run.left() * SHARE), path=self._path)
            standing = await bounded(self._corpus.again(snapshot, principal=self._run.principal), timeout)
        except Exception as error:  # as below; what nobody can vouch for is not shown
            self._run.caveat(f"the corpus could not be searched: {str(error) or type(error).__name__}")
            return replace(snapshot, documents=tuple(map(emptied, snapshot.documents)))
        gone = sum(not document.page_content for document in standing.documents)
        if gone:
            self._run.caveat(f"{gone} of the passages that were read have been deleted since")
        return standing

    async def _search(self, query: str, path: str) -> Snapshot | None:
        """Ask the corpus and write down what it gave; None if it cannot answer, which is said."""
        run, corpus = self._run, self._corpus
        assert corpus is not None
        started = time.perf_counter()
        with run.telemetry.span("retrieval", corpus.mode, {"gen_ai.conversation.id": run.thread_id}):
            try:
                timeout = run.time_for(min(MOST_SECONDS, run.left() * SHARE), path=path)
                search = corpus.search(query, principal=run.principal, k=PASSAGES)
                snapshot = await bounded(search, timeout)
            except Exception as error:  # its sources and its embedding may be anybody's: the run goes on
                run.caveat(f"the corpus could not be searched: {str(error) or type(error).__name__}")
                return None
        for caveat in corpus.caveats:
            run.caveat(caveat)
        body = snapshot.to_dict()
        run.recorder.emit(
            "retrieval_completed",
            actor="retrieval",
            path=path,
            digest=digest(query),
            snapshot_id=snapshot.snapshot_id,
            query=query,
            epoch=snapshot.epoch,
            mode=snapshot.mode,
            covered=snapshot.covered,
            documents=[self._row(document) for document in snapshot.documents],
            payload=run.recorder.keep(body),
            latency_ms=round((time.perf_counter() - started) * 1000, 3),
        )
        return snapshot

    def _row(self, document: Document) -> dict[str, Any]:
        """What the record says of one document that was found, beside its text."""
        meta = document.metadata
        row = {name: meta.get(name) for name in _ON_RECORD}
        row |= {name: meta[name] for name in _IF_TOLD if name in meta}
        suspicions = sorted(_clean(document).suspicions)
        self._run.flow.suspect(documents(trusted=bool(meta.get("trusted"))), suspicions)
        return row | ({"suspicions": suspicions} if suspicions else {})

    def _number(self, snapshot: Snapshot) -> list[Passage]:
        """The snapshot's documents as passages, cleaned; one that is known already keeps its number."""
        known = {(p.source, p.version, p.text): p for p in self._passages.values()}
        numbered: list[Passage] = []
        for document in snapshot.documents:
            meta = document.metadata
            heading, text = _clean(document).value
            passage = known.get((meta["source"], meta["version"], text))
            if passage is None:
                passage = self.place(
                    Passage(
                        number=0,
                        source=meta["source"],
                        version=meta["version"],
                        heading=heading,
                        text=text,
                        trusted=bool(meta.get("trusted", False)),
                        fetched_at=str(meta.get("fetched_at", "")),
                        score=float(meta.get("score", 0.0)),
                    )
                )
            numbered.append(passage)
        for seen in from_corpus(numbered):
            self._run.flow.observe(seen)
        return numbered

    def place(self, passage: Passage) -> Passage:
        """The passage with the next number that none has; it can be cited from now on."""
        while self._next in self._passages:  # a run that goes on has numbered some before
            self._next += 1
        numbered = replace(passage, number=self._next)
        self._passages[self._next] = self._run.passages[self._next] = numbered
        self._next += 1
        return numbered


async def _unbound(query: str) -> list[dict[str, Any]]:
    """Search the team's documents (runbooks, policies, manuals) for passages to cite."""
    raise ConfigurationError(f"nobody searches for {query!r}", hint="a task's own tool does: Recall.tool()")


# what it returns is clean, by the trust in each source
_TOOL = tool(effect="read", name=SEARCH, third_party=False)(_unbound)
_BODY = FunctionBody.of(_unbound, name=SEARCH)


def _clean(document: Document) -> Cleaned:
    """Heading and text as a model may see them. Whoever trusts a source takes its text as it is."""
    meta = document.metadata
    return clean([meta.get("heading", ""), document.page_content], third_party=not meta.get("trusted"))
