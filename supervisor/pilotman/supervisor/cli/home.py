"""The folder in which the command line keeps everything: journal, tickets, accounts, teams' settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import TypeAdapter

from pilotman.guardrails import Label
from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory import Memory
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor.supervisor import Supervisor
from pilotman.supervisor.teams.incident import incident_team
from pilotman.supervisor.teams.samples import sample_runbooks, support_policies
from pilotman.supervisor.teams.shop import SQLiteShop, add_samples
from pilotman.supervisor.teams.support import support_team
from pilotman.supervisor.teams.ticket_client import HTTPTicketBook
from pilotman.supervisor.teams.tickets import SQLiteTicketBook, TicketBook


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a team is built from. Kept in the home, so that ``resume`` and ``approve`` build the same."""

    documents: str | None = None
    model: str | None = None
    tickets_url: str | None = None
    prometheus_url: str | None = None
    alertmanager_url: str | None = None
    probe_hosts: tuple[str, ...] = ()
    observe_here: bool = False


_KEPT: TypeAdapter[dict[str, dict[str, Any]]] = TypeAdapter(dict[str, dict[str, Any]])


class Home:
    """One home. The default is the platform's data folder. Nothing is written before a team is used."""

    def __init__(self, path: Path | None) -> None:
        self.path = path or platformdirs.user_data_path("pilotman", appauthor=False)
        self.memory = Memory(f"sqlite:///{self.path / 'pilotman.db'}")

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

    def team(self, name: str, settings: Settings | None = None) -> Supervisor:
        """A shipped team, built from ``settings``, or from what it was built from last.

        Raises:
            ConfigurationError: no team of that name, a folder that cannot be read, an unknown model.
        """
        kept = self.settings(name) if settings is None else settings
        if name == "incident":
            team = self._incident(kept)
        elif name == "support":
            team = self._support(kept)
        else:
            raise ConfigurationError(
                f"the command line has no team named {name}",
                hint="resume its runs in the program that owns it",
            )
        if settings is not None:
            self._keep(name, settings)
        return team

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
        if not os.access(folder, os.R_OK | os.X_OK) or not folder.is_dir():
            raise ConfigurationError(
                f"{folder} is no folder that can be read", hint="name a folder of Markdown"
            )
        chosen = Label(
            author="system", trusted=True, tenant="*"
        )  # by the operator of this command, for all tenants
        return Corpus([FolderSource(folder, label=chosen)], path=self.path / "index")

    def settings(self, name: str) -> Settings:
        """What the team was built from last; the defaults if never."""
        kept: Mapping[str, Any] = self._kept().get(name) or {}
        known = {field: kept[field] for field in Settings.__dataclass_fields__ if field in kept}
        return replace(Settings(**known), probe_hosts=tuple(known.get("probe_hosts") or ()))

    def _kept(self) -> dict[str, dict[str, Any]]:
        """The settings of all teams; a damaged file counts as none."""
        try:
            return _KEPT.validate_json((self.path / "teams.json").read_bytes())
        except (OSError, ValueError):
            return {}

    def _keep(self, name: str, settings: Settings) -> None:
        file = self.path / "teams.json"
        aside = file.with_suffix(".new")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps({**self._kept(), name: asdict(settings)}, indent=1))
            aside.replace(file)
        except OSError as error:
            raise Unavailable(
                f"{self.path} cannot be written: {error.strerror}", hint="choose another folder with --home"
            ) from error
