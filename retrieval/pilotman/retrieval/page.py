"""A document as it is indexed: cut into chunks and taken apart into terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.chunk import Chunk, cut, title_of

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[-_.\s]+")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One version of a document with its labels; ``source`` is what a citation names.

    ``name`` is the last part of the source in words (``Kube Proxy Down``). ``subjects`` are the terms of
    each of its names: of the source, the title and the first heading. ``terms`` has a list per chunk.
    """

    source: str
    version: str
    name: str
    readers: frozenset[str]
    labels: Mapping[str, Any]
    chunks: tuple[Chunk, ...]
    terms: tuple[tuple[str, ...], ...]
    name_terms: tuple[str, ...]
    subjects: tuple[frozenset[str], ...]

    @property
    def vocabulary(self) -> frozenset[str]:
        """All terms that occur in the page or its name."""
        return frozenset(self.name_terms).union(*self.terms)

    def texts(self) -> tuple[str, ...]:
        """What is embedded for each chunk: the page's name, the innermost heading, the text."""
        heads = [chunk.path[-1] if chunk.path else "" for chunk in self.chunks]
        return tuple(
            f"{self.name}. {head}\n{chunk.text}" for head, chunk in zip(heads, self.chunks, strict=True)
        )


def page_of(
    text: str,
    *,
    source: str,
    version: str,
    readers: frozenset[str],
    labels: Mapping[str, Any],
    analyzer: Analyzer,
) -> Page:
    """The page of one document's text."""
    chunks = cut(text)
    written = PurePosixPath(source).stem or source
    name = " ".join(part for part in _CAMEL.split(written) if part)
    named = [written, title_of(text), chunks[0].path[0] if chunks and chunks[0].path else ""]
    parts = [frozenset(part for word in analyzer.words(one) for part in word.parts) for one in named]
    return Page(
        source=source,
        version=version,
        name=name,
        readers=readers,
        labels=labels,
        chunks=chunks,
        terms=tuple(tuple(analyzer.terms(f"{written}\n{chunk.heading}\n{chunk.text}")) for chunk in chunks),
        name_terms=tuple(analyzer.terms(written)),
        subjects=tuple(dict.fromkeys(part for part in parts if part)),
    )
