"""Front door of the memory plane: one installation's journal, checkpoints and facts, by URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from langgraph.checkpoint.base import BaseCheckpointSaver

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Seal
from pilotman.memory.audit.anchor_store import AnchorStore
from pilotman.memory.audit.anchoring import Anchoring, Anchors
from pilotman.memory.audit.audit import Report, verify
from pilotman.memory.checkpoints.parking import ParkingSaver
from pilotman.memory.checkpoints.savers import Savers
from pilotman.memory.defence.verbs import Defence
from pilotman.memory.defence.ward import Ward
from pilotman.memory.facts.book import FactBook
from pilotman.memory.facts.contradiction import Contradictions, strongest
from pilotman.memory.facts.fact import Records
from pilotman.memory.facts.inventory import Inventory
from pilotman.memory.facts.reader import Reader
from pilotman.memory.facts.verbs import Facts
from pilotman.memory.forgetting.archive import Archive
from pilotman.memory.forgetting.forgetting import Forgetting
from pilotman.memory.forgetting.order import Order, Store
from pilotman.memory.forgetting.stores import FactStore, GraphEcho, GraphStore, ItemStore, RunStore
from pilotman.memory.forgetting.sweep import Sweep
from pilotman.memory.forgetting.verbs import Holds
from pilotman.memory.journal.access import now
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.outbox import Lag
from pilotman.memory.keyring.place import Place, keys_at
from pilotman.memory.keyring.table import DatabaseKeys
from pilotman.memory.provenance.lineage import Lineage
from pilotman.memory.provenance.opening import open_graph
from pilotman.memory.provenance.provenance import Provenance, name_of
from pilotman.memory.retention import Retention
from pilotman.memory.storage.database import database, parse, sqlite_path
from pilotman.memory.store.shelf import Contents
from pilotman.memory.store.store import MemoryStore

_KEEP = Retention()


class Memory(Facts, Defence, Holds):
    """All that is kept of one installation: journal, parked graphs, facts, items, provenance.

    ``url``: ``sqlite://`` (in memory, gone with this object), ``sqlite:///desk.db`` (parked graphs lie in
    ``desk.checkpoints.db`` beside it) or ``postgresql://host/database`` (extra ``postgres``). Constructing
    does no I/O. Start it in the event loop that uses it; after ``aclose`` it may be started again, also in
    another.
    """

    def __init__(
        self,
        url: str = "sqlite://",
        *,
        provenance: str | None = None,
        anchors: Anchors | None = None,
        keys: Place | None = None,
        retention: Retention = _KEEP,
        contradictions: Contradictions = strongest,
        records: Records | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """``provenance`` is where the provenance graph lives: ``neo4j://user:password@host:7687`` (extra
        ``neo4j``), a URL like ``url``, or beside the journal (None). ``anchors`` says where to note, outside,
        what the journal has come to; ``clock`` gives aware times.

        ``keys`` says where the keys of users' content lie: a folder, a ``postgresql://`` URL, or an object
        with the methods of ``Keys``. None: the folder ``desk.keys`` beside ``desk.db``, a table of a server's
        database, none in memory. Back keys and database up apart: who has both reads all of it, and a backup
        of a key brings back what was forgotten. ``PILOTMAN_MASTER_KEY`` wraps the keys where they lie.
        ``retention`` says how long what is remembered is kept, ``contradictions`` which of the facts that
        contradict each other are told. ``records`` are the systems that know better, by name: each gives
        the version that it has of a key, and is asked before a write relies on a fact that points there.

        Raises:
            ConfigurationError: not a URL that a journal can live at, or no place where anchors or keys can
                be kept.
        """
        parsed = parse(url)
        if anchors is not None and anchors.to == url:
            raise ConfigurationError("anchors in the journal protect nothing", hint="name another place")
        self._url = url
        self._ephemeral = parsed.get_backend_name() == "sqlite" and sqlite_path(parsed) is None
        self._clock = clock or now
        self._seal = Seal(keys_at(keys, journal=url))
        self._journal = Journal(url, clock=self._clock, seal=self._seal)
        self._anchoring = None if anchors is None else Anchoring(self._journal, anchors, clock or now)
        self._retention = retention
        self._opened = Contents()
        self._remember(contradictions, records or {})
        self._provenance = Provenance(
            self._journal,
            open_graph(provenance, url),
            name=name_of(provenance),
            eager=provenance is not None or not self._ephemeral,
        )
        self._savers = Savers(url, self._seal, subject=self._journal.subject, ephemeral=self._ephemeral)
        self._checkpointer, self._users_checkpointer = self._savers.ours, self._savers.users
        self._forget()

    def _remember(self, contradictions: Contradictions, records: Records) -> None:
        """Who writes facts, tells them, lists them, and keeps the poisoned ones back."""
        journal, seal, clock, retention = self._journal, self._seal, self._clock, self._retention
        self._reader = Reader(journal, seal, contradictions=contradictions, clock=clock, records=records)
        live = self._reader.live
        self._facts = FactBook(journal, seal, retention=retention, clock=clock, live=live)
        self._inventory = Inventory(journal, seal, self._reader, retention=retention, clock=clock)
        self._ward = Ward(journal, seal, clock=clock)

    def _forget(self) -> None:
        """Who forgets, what is held, and who sweeps."""
        self._archive = Archive(self._journal, clock=self._clock)
        self._forgetful = (
            RunStore(self._journal, self._facts, unpark=self._checkpointer.forget),
            FactStore(self._facts),
            ItemStore(self._journal),
            GraphStore(self._users_checkpointer),
        )
        self._echo = GraphEcho(self._provenance.graph)
        self._sweep = Sweep(
            self._journal,
            of_runs=self._forgetful[0],
            of_facts=self._forgetful[1],
            echo=self._echo,
            archive=self._archive,
            retention=self._retention,
            clock=self._clock,
        )

    def forgetting(self, stores: Sequence[Store], *, first: Sequence[Store] = ()) -> Forgetting:
        """Who forgets in all of this memory, and in other ``stores`` beside it; ``first`` are asked
        before, and have nothing when this process has ended."""
        return Forgetting(
            (*self._forgetful, *stores),
            (self._echo,),
            first=first,
            keys=self._seal.keys,
            archive=self._archive,
            clock=self._clock,
        )

    async def under_way(self, order: Order) -> list[tuple[str, str]]:
        """Ids and teams of the runs in which something is to be forgotten, and that are not over."""
        return await self._forgetful[0].under_way(order)

    @property
    def journal(self) -> Journal:
        return self._journal

    @property
    def seal(self) -> Seal:
        """What content goes through on its way to a disk."""
        return self._seal

    @property
    def checkpointer(self) -> ParkingSaver:
        """For the supervisor's own graphs."""
        return self._checkpointer

    @property
    def provenance(self) -> Provenance:
        """Where everything came from."""
        return self._provenance

    @property
    def retention(self) -> Retention:
        """How long what is remembered is kept."""
        return self._retention

    @property
    def ephemeral(self) -> bool:
        """Whether everything is gone with this object."""
        return self._ephemeral

    def as_checkpointer(self) -> BaseCheckpointSaver[str]:
        """For users' own graphs: every checkpoint is stored, as with LangGraph's own savers.

        On a disk it is sealed for the ``principal`` in ``config["configurable"]`` (a ``Principal``), without
        one for the installation. Metadata is not sealed.
        """
        return self._users_checkpointer

    def as_store(self, *, principal: Principal | None = None, thread_id: str | None = None) -> MemoryStore:
        """For users' own graphs and tools: the items of a user, and of the user's conversation.

        ``principal`` None: of the run that moves where it is used. ``thread_id`` names the conversation where
        neither a run nor a graph does.
        """
        return self._store(principal, thread_id, apart=False)

    def conversation(self, *, principal: Principal, thread_id: str) -> MemoryStore:
        """For the supervisor: a conversation's turns, where no store of the user's own reaches."""
        return self._store(principal, thread_id, apart=True)

    def _store(self, principal: Principal | None, thread_id: str | None, *, apart: bool) -> MemoryStore:
        return MemoryStore(
            self._journal,
            seal=self._seal,
            principal=principal,
            thread_id=thread_id,
            retention=self._retention,
            clock=self._clock,
            apart=apart,
            opened=self._opened,
        )

    async def start(self) -> None:
        """Open the journal. Starting what is started does nothing.

        Raises:
            CorruptJournal: the file is damaged or not ours; it was left untouched.
            Unavailable: it cannot be reached or created.
        """
        await self._journal.start()
        self._savers.start()
        if self._anchoring is not None:
            self._anchoring.start()
        self._provenance.start()

    async def aclose(self) -> None:
        """Store what is queued and close. Closing what is closed does nothing.

        Raises:
            Unavailable: something that nobody waited for could not be stored.
        """
        try:
            await self._provenance.aclose()
            await self._savers.aclose()
            if self._anchoring is not None:
                await self._anchoring.aclose()
        finally:
            await self._journal.aclose()
            if isinstance(self._seal.keys, DatabaseKeys):
                self._seal.keys.close()

    async def why(self, what: str, *, principal: Principal) -> Lineage:
        """What something came from: requests, documents, decisions, approvals, and by whom.

        ``what``: the id of a run, an effect, an approval, a fact, a document or a chunk, or of any node.

        Raises:
            InvalidRequest: it is empty.
            NotFound: there is no such thing, or it is another tenant's, or another user's fact.
            Unavailable: the provenance graph cannot be reached, and the journal alone cannot tell.
        """
        await self._check_asked(what, principal)
        return await self._provenance.why(what, principal=principal)

    async def impact(self, source: str, *, principal: Principal) -> Lineage:
        """What came of something, and would be in doubt without it: runs, answers, effects, facts.

        ``source``: the name of a source, a document's id or URI, or the id of any node.

        Raises:
            InvalidRequest: it is empty.
            NotFound: nothing came of such a thing, or it is another tenant's, or another user's fact.
            Unavailable: the provenance graph cannot be reached.
        """
        await self._check_asked(source, principal)
        return await self._provenance.impact(source, principal=principal)

    async def _check_asked(self, what: str, principal: Principal) -> None:
        """Nobody is told of nothing, nor of another user's facts."""
        if not what.strip():
            raise InvalidRequest(
                "nothing is asked about", hint="name a run, an effect, a document, a source …"
            )
        await self._facts.check_seen(what.removeprefix("fact:"), principal)

    async def lag(self) -> Lag:
        """How far the provenance graph is behind the journal."""
        return await self._provenance.lag()

    async def verify(
        self, *, anchors: str | Path | AnchorStore | None = None, key: str | Path | None = None
    ) -> Report:
        """Look whether the journal is as it was written, and as ``anchors`` say. Reads all of it.

        ``key`` is the file of the key that anchors must be signed with, its public half suffices. Without
        anchors only what contradicts itself is found.

        Raises:
            CorruptJournal: it cannot be read at all.
            Unavailable: it, or the anchors, cannot be reached.
            ConfigurationError: no such key or place, or the journal is kept in memory.
        """
        if self._ephemeral:
            raise ConfigurationError("a journal in memory is nobody else's: there is nothing to audit")
        stores = [] if anchors is None else [Anchors(to=anchors).store()]
        public = None
        if key is not None:
            from pilotman.memory.audit.keys import PublicKey  # it takes time to load

            public = PublicKey.load(Path(key))
        journal = database(self._url, busy_timeout=5.0)
        return await asyncio.to_thread(verify, journal, stores, key=public, seal=self._seal)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
