"""The words of a catalogue's chunks and documents, kept up to date with it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import numpy as np

from pilotman.retrieval.arrays import Rows
from pilotman.retrieval.catalogue.catalogue import Catalogue
from pilotman.retrieval.catalogue.entry import Record
from pilotman.retrieval.words.analyzer import Analyzer
from pilotman.retrieval.words.bm25 import BM25

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[-_.\s]+")
_AT_ONCE = 5_000
"""Changes that are taken in at a time."""

_NONE = -1
Key: TypeAlias = tuple[str, str, str]
_NOTHING: tuple[Key, list[int]] = (("", "", ""), [])


class Lexicon:
    """BM25 over the chunks, by the rows of the catalogue, and over the names of their documents, by numbers
    of its own; and which chunks make a document.

    In memory alone: terms never reach a disk. After a start they are counted anew, some ten seconds for a
    hundred thousand passages.
    """

    def __init__(self, catalogue: Catalogue, analyzer: Analyzer) -> None:
        self.analyzer = analyzer
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all; the next look counts everything that can be read then."""
        with self._lock:
            self.texts = BM25()
            self.names = BM25()
            self._document_of = np.zeros(0, dtype=np.int64)
            self._documents: dict[int, tuple[Key, list[int]]] = {}
            self._numbers: dict[Key, int] = {}
            self._next = 0
            self._place = (0, -1)

    def follow(self) -> None:
        """Take in what was committed since the last look, by anybody."""
        with self._lock:
            while changes := self._catalogue.changes(self._place, _AT_ONCE):
                self._remove([row for alive, row, _ in changes if not alive])
                self._add([row for alive, row, _ in changes if alive])
                _, row, seq = changes[-1]
                self._place = (seq, row)

    def documents_of(self, rows: Rows) -> Rows:
        """The numbers of the documents that rows belong to; -1 where a row is not alive."""
        known = self._document_of
        return np.where(rows < len(known), known[np.minimum(rows, len(known) - 1)], _NONE)

    def rows_of(self, documents: Iterable[int]) -> Rows:
        """All rows of documents."""
        with self._lock:
            found = [row for number in documents for row in self._documents.get(number, _NOTHING)[1]]
        return np.array(found, dtype=np.int64)

    def _remove(self, rows: Sequence[int]) -> None:
        self.texts.remove(rows)
        gone: list[int] = []
        for row in rows:
            number = int(self._document_of[row]) if row < len(self._document_of) else _NONE
            if number == _NONE:
                continue
            self._document_of[row] = _NONE
            key, left = self._documents[number]
            left.remove(row)
            if not left:
                gone.append(number)
                del self._documents[number], self._numbers[key]
        self.names.remove(gone)

    def _add(self, rows: Sequence[int]) -> None:
        self._reserve(max(rows, default=-1) + 1)
        new = [row for row in rows if self._document_of[row] == _NONE]
        records = self._catalogue.chunks(new)
        found = [record.row for record in records]
        self.texts.add(found, [self.analyzer.terms(text_of(record)) for record in records])
        begun: dict[int, list[str]] = {}
        for record in records:
            key = _key(record)
            if key not in self._numbers:
                self._numbers[key] = self._next
                self._documents[self._next] = (key, [])
                begun[self._next] = self.analyzer.terms(written_name(record.metadata))
                self._next += 1
            number = self._numbers[key]
            self._documents[number][1].append(record.row)
            self._document_of[record.row] = number
        self.names.add(list(begun), list(begun.values()))

    def _reserve(self, size: int) -> None:
        if size > len(self._document_of):
            grown = np.full(max(size, len(self._document_of) * 5 // 4), _NONE, dtype=np.int64)
            grown[: len(self._document_of)] = self._document_of
            self._document_of = grown


def written_name(metadata: Mapping[str, Any]) -> str:
    """The last part of what a citation names, without its extension: what a document is called."""
    source = str(metadata.get("source", ""))
    return PurePosixPath(source).stem or source


def name_of(metadata: Mapping[str, Any]) -> str:
    """The same in words: ``KubeProxyDown.md`` is ``Kube Proxy Down``."""
    return " ".join(part for part in _CAMEL.split(written_name(metadata)) if part)


def text_of(record: Record) -> str:
    """What is counted of a chunk: its document's name, its headings, its text."""
    return f"{written_name(record.metadata)}\n{record.metadata.get('heading', '')}\n{record.text}"


def _key(record: Record) -> Key:
    """What makes chunks one document: its name in its source; a text that somebody added is one by itself."""
    if record.document is None:
        return (record.tenant, "", record.id)
    return (record.tenant, record.source or "", record.document)
