"""The laws of the port ``Source``, tried on a connector and what stands behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, NotFound, PilotmanError, Unavailable
from pilotman.retrieval.access import readers_of
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.source import Source
from pilotman.retrieval.sources.terms import moment

_STRANGE = ("", "none", "../none", "a\0b", "\ud800", "x" * 5_000, "' or 1=1 --", "-1")
"""Ids that nothing has."""


class Origin(Protocol):
    """What stands behind a source, for the laws to change. It begins empty, or nearly so."""

    def source(self) -> Source:
        """A connector to it: a new one at each call."""
        ...

    async def put(self, name: str, text: str) -> str:
        """Write a document, new or changed; returns the id that the source gives it."""
        ...

    async def delete(self, name: str) -> None:
        """Take one away again."""
        ...

    async def break_off(self) -> bool:
        """Be away, as a server that is down, until ``come_back``; False where that cannot be."""
        ...

    async def come_back(self) -> None:
        """Be as before."""
        ...


async def source_faults(origin: Origin) -> tuple[str, ...]:
    """What the connector does against the port, a line each; empty: it conforms.

    Documents named ``law-a`` and ``law-b`` are written to the origin and stay there.
    """
    a = await origin.put("law-a", "# First\n\nIt stands first.\n")
    b = await origin.put("law-b", "# Second\n\nIt comes second.\n")
    trial = _Trial(origin, a, b)
    laws = (
        trial.is_described,
        trial.lists_the_same_again,
        trial.fetches_what_it_lists,
        trial.fetches_without_a_listing,
        trial.knows_no_other_ids,
        trial.bears_many_at_once,
        trial.serves_another_loop,
        trial.sees_a_change,
        trial.sees_a_deletion,
        trial.says_that_its_origin_is_away,
    )
    faults: list[str] = []
    for law in laws:
        name = law.__name__.replace("_", " ")
        try:
            faults += [f"{name}: {fault}" async for fault in law()]
        except Exception as error:  # whatever it raises where nothing is to be raised
            faults.append(f"{name}: {type(error).__name__}: {error}")
    return tuple(faults)


class _Trial:
    """The laws, each a list of what broke it."""

    def __init__(self, origin: Origin, a: str, b: str) -> None:
        self.origin = origin
        self.source = origin.source()
        self.a, self.b = a, b

    async def is_described(self) -> AsyncIterator[str]:
        if not self.source.name.strip() or not self.source.name.isprintable():
            yield f"the name {self.source.name!r} cannot be shown"
        if self.source.max_staleness < timedelta(0):
            yield "max_staleness is negative"
        max_age = getattr(self.source, "max_age", None)
        if max_age is not None and not isinstance(max_age, timedelta):
            yield f"max_age is {max_age!r}, no timedelta"

    async def lists_the_same_again(self) -> AsyncIterator[str]:
        pairs = [pair async for pair in self.source.list()]
        ids = [document_id for document_id, _ in pairs]
        if not all(f"{part}" == part and part for pair in pairs for part in pair):
            yield "ids and versions are texts that are not empty"
        if len(set(ids)) < len(ids):
            yield "an id is listed twice"
        if missing := {self.a, self.b} - set(ids):
            yield f"{sorted(missing)} is there and not listed"
        if await _listed(self.source) != dict(pairs):
            yield "nothing changed, and the second listing is another"
        if await _listed(self.origin.source()) != dict(pairs):
            yield "another connector to the same origin lists other versions: a restart would fetch all again"

    async def fetches_what_it_lists(self) -> AsyncIterator[str]:
        for document_id in await _listed(self.source):
            for fault in _faults_of(await self.source.fetch(document_id)):
                yield f"{document_id}: {fault}"
        text = (await self.source.fetch(self.a)).page_content
        if "It stands first." not in text:
            yield f"{self.a} has the text {text[:80]!r}"

    async def fetches_without_a_listing(self) -> AsyncIterator[str]:
        if "It stands first." not in (await self.origin.source().fetch(self.a)).page_content:
            yield "a connector that has listed nothing yet fetches another text"

    async def knows_no_other_ids(self) -> AsyncIterator[str]:
        for document_id in _STRANGE:
            try:
                await self.source.fetch(document_id)
            except NotFound:
                continue
            except Exception as error:
                yield f"{document_id[:20]!r} raises {type(error).__name__} in place of NotFound"
            else:
                yield f"{document_id[:20]!r} is fetched and never was there"

    async def bears_many_at_once(self) -> AsyncIterator[str]:
        listings = await asyncio.gather(*(_listed(self.source) for _ in range(4)))
        if any(listing != listings[0] for listing in listings):
            yield "listings at the same time differ"
        documents = await asyncio.gather(*(self.source.fetch(one) for one in [self.a, self.b] * 4))
        if len({document.page_content for document in documents}) > 2:
            yield "fetches at the same time differ"

    async def serves_another_loop(self) -> AsyncIterator[str]:
        there = await off_loop(lambda: asyncio.run(_listed(self.source)))
        if there != await _listed(self.source):
            yield "another event loop gets another listing"

    async def sees_a_change(self) -> AsyncIterator[str]:
        before = await _listed(self.source)
        await self.origin.put("law-a", "# First\n\nIt was changed.\n")
        after = await _listed(self.source)
        if before[self.a] == after.get(self.a):
            yield "the version stays when the text changes"
        if before[self.b] != after.get(self.b):
            yield "the version of a document changes with another's"
        if "It was changed." not in (await self.source.fetch(self.a)).page_content:
            yield "the old text is fetched after a new listing"

    async def sees_a_deletion(self) -> AsyncIterator[str]:
        await self.origin.delete("law-b")
        if self.b in await _listed(self.source):
            yield f"{self.b} is listed after its deletion"
        try:
            await self.source.fetch(self.b)
        except NotFound:
            pass
        else:
            yield f"{self.b} is fetched after its deletion"
        await self.origin.put("law-b", "# Second\n\nIt comes second.\n")
        if self.b not in await _listed(self.source):
            yield f"{self.b} came back and is not listed"

    async def says_that_its_origin_is_away(self) -> AsyncIterator[str]:
        before = await _listed(self.source)
        if not await self.origin.break_off():
            return
        for again in ("", ", nor does a new connector"):
            try:
                listed = await _listed(self.origin.source() if again else self.source)
            except (Unavailable, ConfigurationError):
                continue
            except PilotmanError as error:
                yield f"it raises {type(error).__name__}, not Unavailable{again}"
            else:
                yield f"it lists {len(listed)} documents while the origin is away{again}: deletions"
        await self.origin.come_back()
        if await _listed(self.source) != before:
            yield "the listing is another after the origin came back"


async def _listed(source: Source) -> dict[str, str]:
    return {document_id: version async for document_id, version in source.list()}


def _faults_of(document: Document) -> tuple[str, ...]:
    faults: list[str] = []
    metadata = document.metadata
    try:
        readers_of(metadata.get("readers", ()))
    except ConfigurationError as error:
        faults.append(str(error))
    if "expires_at" in metadata:
        try:
            moment(metadata["expires_at"])
        except ConfigurationError as error:
            faults.append(str(error))
    if not isinstance(metadata.get("trusted", False), bool):
        faults.append("trusted is neither True nor False")
    texts = ("source", "version", "revision")
    faults += [f"{name} is no text" for name in texts if not isinstance(metadata.get(name, ""), str)]
    return tuple(faults)
