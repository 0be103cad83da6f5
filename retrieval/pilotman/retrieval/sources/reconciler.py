"""Keep what is held equal to what a source lists."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, NotFound, PilotmanError, Unavailable
from pilotman.retrieval.source import Source
from pilotman.retrieval.sources.plan import Changes, plan

T = TypeVar("T")

FORGOTTEN = "it was forgotten"
"""Why a document is not held that nobody is to be told of by its name."""
_GIVE_UP = 5
"""Documents of one pass that cannot be fetched before the others are left for the next."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A document as a source gave it; ``listed`` is its version there.

    ``until``: it holds so long, or until the ``expires_at`` of its own metadata if that is earlier.
    """

    document_id: str
    listed: str
    document: Document
    fetched_at: datetime
    until: datetime | None


class Stock(Protocol):
    """The port to where documents are kept, by the key of their source. Calls for one source come in turn."""

    async def versions(self, source: str) -> Mapping[str, str]:
        """The versions that were ``listed`` for what is held, by document id."""
        ...

    async def stopped(self, source: str, document_ids: Collection[str]) -> Collection[str]:
        """Those of them that were forgotten, and are not held whatever the source lists."""
        ...

    async def delete(self, source: str, document_ids: Collection[str]) -> None:
        """None of them is found any more when this returns."""
        ...

    async def put(self, source: str, documents: Sequence[Fetched]) -> Mapping[str, str]:
        """Hold these in place of what has their ids; returns what cannot be held and why, by document id.

        Of such a document nothing is held either.
        """
        ...

    async def confirm(self, source: str, document_ids: Collection[str], *, until: datetime) -> None:
        """These were listed again as they are, and hold ``until`` then, or until they expire themselves."""
        ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one pass did. ``error`` says why some documents are still as they were before."""

    changes: Changes
    listed_at: datetime
    documents: int
    added: int
    updated: int
    deleted: int
    caveats: tuple[str, ...] = ()
    error: PilotmanError | None = None


@dataclass(kw_only=True)
class _Pass:
    """What a pass has come to."""

    source: Source
    key: str
    listed_at: datetime
    versions: Mapping[str, str]
    held: set[str]
    stopped: int
    done: set[str] = field(default_factory=set[str])
    gone: set[str] = field(default_factory=set[str])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    errors: list[PilotmanError] = field(default_factory=list[PilotmanError])

    @property
    def until(self) -> datetime | None:
        max_age: timedelta | None = getattr(self.source, "max_age", None)
        return None if max_age is None else self.listed_at + max_age


class Reconciler:
    """One pass compares what a source lists with the stock; deletions come first, then what differs.

    ``listing_timeout`` and ``fetch_timeout``: seconds for a listing, and for one document. At most
    ``at_once`` documents are fetched at the same time, and put by ``batch``.
    """

    def __init__(
        self,
        stock: Stock,
        *,
        clock: Callable[[], datetime],
        listing_timeout: float = 300.0,
        fetch_timeout: float = 60.0,
        at_once: int = 8,
        batch: int = 256,
    ) -> None:
        self._stock = stock
        self._clock = clock
        self._listing_timeout = listing_timeout
        self._fetch_timeout = fetch_timeout
        self._at_once = at_once
        self._batch = batch
        # What could not be served, by source and document: with its version, and why. Not fetched again.
        self._refused: dict[str, dict[str, tuple[str, str]]] = {}

    def readmit(self) -> None:
        """Fetch what was refused because it was forgotten again, where it is listed."""
        for key, refused in self._refused.items():
            self._refused[key] = {one: kept for one, kept in refused.items() if kept[1] != FORGOTTEN}

    async def run(self, source: Source, key: str) -> Outcome:
        """Bring the stock of ``key`` up to what the source lists now.

        Raises:
            PilotmanError: it cannot be listed; the stock stays as it was.
        """
        listed_at = self._clock()
        listed = await self._listed(source)
        stopped = set(await self._stock.stopped(key, listed))
        versions = {name: version for name, version in listed.items() if name not in stopped}
        actual = await self._stock.versions(key)
        changes = plan(versions, actual)
        if changes.deleted:
            await self._stock.delete(key, changes.deleted)
        run = _Pass(
            source=source,
            key=key,
            listed_at=listed_at,
            versions=versions,
            held=set(actual),
            stopped=len(stopped),
        )
        await self._fetch_all(run, (*changes.added, *changes.updated))
        if run.until is not None and changes.unchanged:
            await self._stock.confirm(key, changes.unchanged, until=run.until)
        self._refused[key] = {one: (versions[one], why) for one, why in run.refused.items()}
        return self._outcome(run, changes)

    async def _fetch_all(self, run: _Pass, document_ids: Sequence[str]) -> None:
        known = self._refused.get(run.key, {})
        run.refused = {one: why for one, (version, why) in known.items() if run.versions.get(one) == version}
        wanted = [one for one in document_ids if one not in run.refused]
        gate = asyncio.Semaphore(self._at_once)
        for first in range(0, len(wanted), self._batch):
            batch = wanted[first : first + self._batch]
            tried = await asyncio.gather(*(self._fetched(run, one, gate) for one in batch))
            fetched = [one for one in tried if one is not None]
            if fetched:
                run.refused |= await self._stock.put(run.key, fetched)
                run.done |= {one.document_id for one in fetched} - run.refused.keys()
            if len(run.errors) >= _GIVE_UP:
                break
        gone = run.gone | (run.refused.keys() & run.held)
        if gone & run.held:
            await self._stock.delete(run.key, gone & run.held)

    async def _fetched(self, run: _Pass, document_id: str, gate: asyncio.Semaphore) -> Fetched | None:
        name = f"{document_id} of {run.source.name}"
        async with gate:
            if len(run.errors) >= _GIVE_UP:
                return None
            fetched_at = self._clock()
            try:
                document = await _bounded(
                    run.source.fetch(document_id), self._fetch_timeout, f"{name} could not be fetched"
                )
            except NotFound:
                run.gone.add(document_id)  # it went between the listing and the fetch: a deletion
            except ConfigurationError as error:
                run.refused[document_id] = str(error)
            except PilotmanError as error:
                run.errors.append(error)
            else:
                return Fetched(
                    document_id=document_id,
                    listed=run.versions[document_id],
                    document=document,
                    fetched_at=fetched_at,
                    until=run.until,
                )
            return None

    async def _listed(self, source: Source) -> Mapping[str, str]:
        async def listing() -> dict[str, str]:
            return {document_id: version async for document_id, version in source.list()}

        return await _bounded(
            listing(), self._listing_timeout, f"the source {source.name} could not be listed"
        )

    def _outcome(self, run: _Pass, changes: Changes) -> Outcome:
        said: tuple[str, ...] = tuple(getattr(run.source, "caveats", ()))
        told = {one: why for one, why in run.refused.items() if why != FORGOTTEN}
        refused = [f"{one} of {run.source.name} is not served: {why}" for one, why in told.items()]
        forgotten = run.stopped + len(run.refused) - len(told)
        if forgotten:
            refused.append(
                f"documents of {run.source.name} that were forgotten and are not taken: {forgotten}"
            )
        lost = (run.gone | run.refused.keys()) & run.held
        return Outcome(
            changes=changes,
            listed_at=run.listed_at,
            documents=len(changes.unchanged) + len(set(changes.updated) - lost - run.done) + len(run.done),
            added=len(run.done - run.held),
            updated=len(run.done & run.held),
            deleted=len(changes.deleted) + len(lost),
            caveats=(*said, *sorted(refused)),
            error=run.errors[0] if run.errors else None,
        )


async def _bounded(work: Awaitable[T], seconds: float, what: str) -> T:
    """The result; whatever a user's connector raises, or that it hangs, becomes one of our errors."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except PilotmanError:
        raise
    except TimeoutError:
        raise Unavailable(f"{what}: no answer within {seconds:g} s") from None
    except Exception as error:
        why = (str(error).strip() or "no reason given").splitlines()[0]
        raise Unavailable(f"{what}: {type(error).__name__}: {why}") from error
