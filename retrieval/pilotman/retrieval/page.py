"""A document as its chunks tell it, taken apart into terms: what coverage looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilotman.retrieval.catalogue.entry import Record
from pilotman.retrieval.lexicon import text_of, written_name
from pilotman.retrieval.words.analyzer import Analyzer


@dataclass(frozen=True, kw_only=True)
class Page:
    """``terms`` has a list for each chunk. ``subjects`` are the terms of each of the document's names (of the
    source, the title and the first heading) that its text says too: a name in which nothing comes from the
    text, such as a number, is none."""

    terms: tuple[tuple[str, ...], ...]
    name_terms: tuple[str, ...]
    subjects: tuple[frozenset[str], ...]

    @property
    def vocabulary(self) -> frozenset[str]:
        """All terms that occur in the page or its name."""
        return frozenset(self.name_terms).union(*self.terms)


def page_of(chunks: Sequence[Record], analyzer: Analyzer) -> Page:
    """The page of a document's chunks, in their order."""
    chunks = sorted(chunks, key=lambda chunk: chunk.metadata.get("start", 0))  # rows do not tell: some stay
    first = chunks[0].metadata
    name = written_name(first)
    named = [name, str(first.get("title", "")), str(first.get("heading", "")).split(" > ")[0]]
    said = _parts(analyzer, (f"{chunk.metadata.get('heading', '')}\n{chunk.text}" for chunk in chunks))
    parts = [_parts(analyzer, [one]) & said for one in named]
    return Page(
        terms=tuple(tuple(analyzer.terms(text_of(chunk))) for chunk in chunks),
        name_terms=tuple(analyzer.terms(name)),
        subjects=tuple(dict.fromkeys(part for part in parts if part)),
    )


def _parts(analyzer: Analyzer, texts: Iterable[str]) -> frozenset[str]:
    return frozenset(part for text in texts for word in analyzer.words(text) for part in word.parts)
