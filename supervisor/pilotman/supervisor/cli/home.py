"""The folder in which the command line keeps everything: journal, tickets, accounts, teams' settings."""

from __future__ import annotations

import asyncio
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import TypeAdapter

from pilotman.guardrails import Label
from pilotman.guardrails.errors import ConfigurationError, PilotmanError, Unavailable
from pilotman.memory import Memory
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor.cli.embedding_bar import EmbeddingBar
from pilotman.supervisor.cli.output import errors
from pilotman.supervisor.records import Records
from pilotman.supervisor.supervisor import Supervisor
from pilotman.supervisor.teams.incident import incident_team
from pilotman.supervisor.teams.samples import sample_runbooks, support_policies
from pilotman.supervisor.teams.shop import SQLiteShop, add_samples
from pilotman.supervisor.teams.support import support_team
from pilotman.supervisor.teams.ticket_client import HTTPTicketBook
from pilotman.supervisor.teams.tickets import SQLiteTicketBook, TicketBook

TENANT = "default"
"""The tenant where none is named."""
KEYS: Final = "PILOTMAN_KEYS"
"""Where the keys of users' content are, unless they are beside the journal."""


def memory_at(url: str, *, provenance: str | None = None) -> Memory:
    """The memory of a journal, with its keys where the environment says."""
    return Memory(url, provenance=provenance, keys=os.environ.get(KEYS) or None)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a team is built from. Kept for each run, so that ``resume`` and ``approve`` build the same."""

    documents: str | None = None
    model: str | None = None
    tickets_url: str | None = None
    prometheus_url: str | None = None
    alertmanager_url: str | None = None
    probe_hosts: tuple[str, ...] = ()
    observe_here: bool = False


_SETTINGS = TypeAdapter(Settings)


class Home:
    """One home. The default is the platform's data folder. Nothing is written before a team is used."""

    def __init__(self, path: Path | None) -> None:
        self._named = path is not None
        self.path = path or platformdirs.user_data_path("pilotman", appauthor=False)
        self._journal = self.path / "pilotman.db"
        self.url = f"sqlite:///{self._journal}"
        self.memory = memory_at(self.url)
        self.records = Records(self.memory, lambda: datetime.now(UTC))

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept here."""
        return self._journal.exists()

    @property
    def shop(self) -> SQLiteShop:
        """The support team's accounts and orders."""
        return SQLiteShop(self.path / "shop.db")

    def open_shop(self, *, tenant: str, customer: str) -> None:
        """Fill an empty shop with sample orders of a customer, so that there is something to ask about."""
        add_samples(self.shop, tenant=tenant, customer=customer, today=date.today())

    def tickets(self, settings: Settings) -> TicketBook:
        """The ticket service where one is configured, else a book in the home."""
        if settings.tickets_url is not None:
            return HTTPTicketBook(settings.tickets_url)
        return SQLiteTicketBook(self.path / "tickets.db")

    @property
    def anchors(self) -> Path:
        """Where the journal's anchors go unless somebody says where."""
        return self.path / "anchors.jsonl"

    @property
    def audit_key(self) -> Path:
        """What signs them; its public half has the suffix ``.pub``."""
        return self.path / "audit.key"

    def flags(self, tenant: str) -> str:
        """What a command needs besides its arguments to find this home and a tenant's data in it."""
        home = f" --home {shlex.quote(str(self.path))}" if self._named else ""
        return home if tenant == TENANT else f"{home} --tenant {shlex.quote(tenant)}"

    def new_team(self, name: str, settings: Settings) -> Supervisor:
        """A shipped team, for new runs.

        Raises:
            ConfigurationError: a folder of which nothing can be read, an unknown model, a URL that is none.
        """
        if settings.documents is not None:
            asyncio.run(_check(FolderSource(settings.documents)))
        return self._build(name, settings)

    def team(self, name: str, run_id: str | None = None) -> Supervisor:
        """A shipped team as it was built for a run, or the last time. Its folder may be gone: runs say so.

        Raises:
            ConfigurationError: no team of that name, a model that cannot be used any more.
        """
        return self._build(name, self.settings(name, run_id))

    def teams(self) -> list[Supervisor]:
        """The shipped teams that can be built here: their documents are what facts may stand on."""
        found: list[Supervisor] = []
        for name in ("incident", "support"):
            with suppress(PilotmanError):
                found.append(self.team(name))
        return found

    def _build(self, name: str, settings: Settings) -> Supervisor:
        if name == "incident":
            return self._incident(settings)
        if name == "support":
            return self._support(settings)
        raise ConfigurationError(
            f"the command line has no team named {name}", hint="resume its runs in the program that owns it"
        )

    def _incident(self, settings: Settings) -> Supervisor:
        return incident_team(
            models=settings.model,
            memory=self.memory,
            corpus=self._corpus(settings.documents, sample_runbooks()),
            tickets=self.tickets(settings),
            prometheus_url=settings.prometheus_url,
            alertmanager_url=settings.alertmanager_url,
            probe_hosts=settings.probe_hosts,
            observe_here=settings.observe_here,
        )

    def _support(self, settings: Settings) -> Supervisor:
        return support_team(
            models=settings.model,
            memory=self.memory,
            corpus=self._corpus(settings.documents, support_policies()),
            shop=self.shop,
        )

    def _corpus(self, documents: str | None, default: Path) -> Corpus:
        folder = default if documents is None else Path(documents)
        chosen = Label(
            author="system", trusted=True, tenant="*"
        )  # by the operator of this command, for all tenants
        bar = EmbeddingBar(errors)
        return Corpus([FolderSource(folder, label=chosen)], path=self.path / "index", progress=bar)

    def settings(self, name: str, run_id: str | None = None) -> Settings:
        """What a team was built from for a run, else the last time; the defaults if neither can be read."""
        for kept in (run_id, name):
            with suppress(OSError, ValueError):
                if kept is not None:
                    return _SETTINGS.validate_json(self._file(kept).read_bytes())
        return Settings()

    def keep(self, name: str, settings: Settings) -> None:
        """Keep settings under the name of a team or of a run.

        Raises:
            Unavailable: the home cannot be written.
        """
        file = self._file(name)
        aside = file.with_suffix(f".{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(_SETTINGS.dump_json(settings))
            aside.replace(file)
        except OSError as error:
            raise Unavailable(
                f"{self.path} cannot be written: {error.strerror}", hint="choose another folder with --home"
            ) from error

    def keep_once(self, run_id: str, *, settings: Settings) -> None:
        """A run keeps the settings that it began with; where they cannot be kept, the last ones count."""
        if not self._file(run_id).exists():
            with suppress(Unavailable):
                self.keep(run_id, settings)

    def _file(self, name: str) -> Path:
        return self.path / "settings" / f"{name}.json"


async def _check(source: FolderSource) -> None:
    """Find out now, not in the run, that a folder is of no use."""
    async for _ in source.list():
        return
