"""Keep pages equal to what the sources list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, NotFound, PilotmanError, Unavailable
from pilotman.retrieval.access import readers_of
from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.page import Page, page_of
from pilotman.retrieval.source import Source


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What is known of one source: its pages by document id, each with the version that was listed."""

    pages: Mapping[str, tuple[str, Page]]
    listed_at: datetime
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What one pass did. ``failures`` has an error for each source that could not be listed; such a source
    keeps the shelf that it had."""

    shelves: Mapping[int, Shelf]
    added: int = 0
    updated: int = 0
    deleted: int = 0
    failures: tuple[PilotmanError, ...] = ()


class Reconciler:
    """One pass compares what the sources list with the shelves and fetches what differs."""

    def __init__(
        self, sources: Sequence[Source], *, analyzer: Analyzer, clock: Callable[[], datetime]
    ) -> None:
        self._sources = tuple(sources)
        self._analyzer = analyzer
        self._clock = clock

    async def run(self, before: Mapping[int, Shelf]) -> Changes:
        """The shelves as the sources list them now; the numbers count documents."""
        changes = Changes(shelves=MappingProxyType(dict(before)))
        for number, source in enumerate(self._sources):
            try:
                shelf = await self._shelf(source, before.get(number))
            except PilotmanError as error:
                changes = replace(changes, failures=(*changes.failures, error))
                continue
            changes = _counted(changes, number, before.get(number), shelf)
        return changes

    async def _shelf(self, source: Source, before: Shelf | None) -> Shelf:
        listed_at = self._clock()
        versions = await _listed(source)
        known: Mapping[str, tuple[str, Page]] = {} if before is None else before.pages
        pages: dict[str, tuple[str, Page]] = {}
        left_out: list[str] = []
        for document_id, version in sorted(versions.items()):
            held = known.get(document_id)
            if held is not None and held[0] == version:
                pages[document_id] = held
                continue
            try:
                pages[document_id] = (version, await self._page(source, document_id, version))
            except NotFound:
                continue  # it went between the listing and the fetch: a deletion
            except ConfigurationError as error:
                left_out.append(f"{document_id} of {source.name} is not served: {error}")
        said: tuple[str, ...] = tuple(getattr(source, "caveats", ()))
        return Shelf(pages=pages, listed_at=listed_at, caveats=(*said, *left_out))

    async def _page(self, source: Source, document_id: str, version: str) -> Page:
        fetched_at = self._clock()
        try:
            document = await source.fetch(document_id)
        except PilotmanError:
            raise
        except Exception as error:  # a user's connector may raise anything
            raise _unavailable(f"{document_id} of {source.name} could not be fetched", error) from error
        return await off_loop(self._built, document, document_id, version, fetched_at)

    def _built(self, document: Document, document_id: str, version: str, fetched_at: datetime) -> Page:
        metadata: dict[str, Any] = document.metadata
        labels: dict[str, Any] = {
            "trusted": metadata.get("trusted") is True,
            "fetched_at": fetched_at.isoformat(),
        }
        if "label" in metadata:
            labels["label"] = metadata["label"]
        return page_of(
            document.page_content,
            source=str(metadata.get("source", document_id)),
            version=str(metadata.get("version", version)),
            readers=readers_of(metadata.get("readers", ())),
            labels=MappingProxyType(labels),
            analyzer=self._analyzer,
        )


async def _listed(source: Source) -> dict[str, str]:
    try:
        return {document_id: version async for document_id, version in source.list()}
    except PilotmanError:
        raise
    except Exception as error:  # a user's connector may raise anything
        raise _unavailable(f"the source {source.name} could not be listed", error) from error


def _unavailable(what: str, error: Exception) -> Unavailable:
    why = (str(error).strip() or "no reason given").splitlines()[0]
    return Unavailable(f"{what}: {type(error).__name__}: {why}")


def _counted(changes: Changes, number: int, before: Shelf | None, after: Shelf) -> Changes:
    old: Mapping[str, tuple[str, Page]] = {} if before is None else before.pages
    kept = [document_id for document_id in after.pages if document_id in old]
    return replace(
        changes,
        shelves=MappingProxyType({**changes.shelves, number: after}),
        added=changes.added + len(after.pages) - len(kept),
        updated=changes.updated + sum(after.pages[one] is not old[one] for one in kept),
        deleted=changes.deleted + len(old) - len(kept),
    )
