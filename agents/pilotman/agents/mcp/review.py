"""A person's review of what servers offer: what is new, changed or gone; and the approval."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pilotman.agents.mcp.description import shown
from pilotman.agents.mcp.lockfile import read_lock, write_lock
from pilotman.agents.mcp.server import LIST_SECONDS, Server
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError, Conflict
from pilotman.guardrails.pin import Change, Definition, Lock

if TYPE_CHECKING:
    from langchain_mcp_adapters.client import MultiServerMCPClient


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a person has to look at before ``approve``.

    ``remarks``: by ``server/tool``, why a definition wants a close look or cannot be used at all. ``digest``
    is that of what is shown.
    """

    path: Path
    lock: Lock
    servers: tuple[str, ...]
    offered: tuple[Definition, ...]
    changes: tuple[Change, ...]
    remarks: Mapping[str, str]

    @property
    def digest(self) -> str:
        return digest([[change.kind, change.server, change.tool, change.diff] for change in self.changes])[
            :16
        ]

    def approve(self, seen: str, *, by: str, at: datetime) -> None:
        """Write the lock file: all that was shown is approved.

        Raises:
            Conflict: ``seen`` is the digest of something else; nothing is written.
            ConfigurationError: the file cannot be written.
        """
        if seen != self.digest:
            raise Conflict(
                f"the tools are not those that {seen} stands for; nothing was approved",
                hint="review them again",
            )
        write_lock(self.path, self.lock.approved(self.offered, servers=self.servers, by=by, at=at))


async def review(client: MultiServerMCPClient, path: str | Path) -> Review:
    """Compare what all servers of a client offer with a lock file, which need not exist yet.

    Raises:
        ConfigurationError: the file is no lock file, or a server offers what cannot be told apart.
        Unavailable: a server cannot be reached.
    """
    lock = read_lock(path, must_exist=False)
    servers = [Server(client=client, name=name) for name in client.connections]
    listed = await asyncio.gather(*(server.definitions(timeout=LIST_SECONDS) for server in servers))
    offered = tuple(definition for definitions in listed for definition in definitions)
    names = tuple(server.name for server in servers)
    changes = tuple(lock.review(offered, servers=names))
    changed = {(change.server, change.tool) for change in changes}
    return Review(
        path=Path(path),
        lock=lock,
        servers=names,
        offered=offered,
        changes=changes,
        remarks={
            f"{one.server}/{one.name}": said
            for one in offered
            if one.key in changed and (said := _remark(one))
        },
    )


def _remark(definition: Definition) -> str:
    try:
        suspicions = shown(definition).suspicions
    except ConfigurationError as error:
        return f"cannot be used: {error}"
    return f"suspicious: {', '.join(sorted(suspicions))}" if suspicions else ""
