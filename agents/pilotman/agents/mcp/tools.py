"""MCP tools as tools of ours: effect by the user's word, schema checked, pinned or said not to be."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pilotman.agents.identity import Identity
from pilotman.agents.mcp.calling import RefusingBody, ServerBody
from pilotman.agents.mcp.description import shown
from pilotman.agents.mcp.hints import hinted
from pilotman.agents.mcp.lockfile import HINT, read_lock
from pilotman.agents.mcp.server import LIST_SECONDS, Server
from pilotman.agents.output import Output
from pilotman.agents.parts import ToolParts
from pilotman.agents.schema import SchemaArguments
from pilotman.agents.settings import ToolSettings
from pilotman.agents.tool import Tool
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.pin import Definition, Lock
from pilotman.guardrails.policy import Effect

if TYPE_CHECKING:
    from langchain_mcp_adapters.client import MultiServerMCPClient

_UNUSABLE = re.compile(r"[^A-Za-z0-9_-]")
_NOTHING: Mapping[str, Any] = MappingProxyType({"type": "object", "properties": {}})
_log = logging.getLogger("pilotman.mcp")


async def mcp_tools(
    client: MultiServerMCPClient,
    *,
    trusted: Sequence[str] = (),
    effects: Mapping[str, Effect] = MappingProxyType({}),
    pins: str | Path | None = None,
    timeout: float = 30.0,
) -> list[Tool[..., Any]]:
    """The tools of all servers of a client; needs the extra ``mcp``.

    A server's word raises what a tool counts for and never lowers it: without ``effects`` each is an
    undeclared write, or worse by its annotations. ``effects`` is by tool or ``server/tool``. ``trusted``
    names servers, or ``server/tool``, whose output third parties do not write. ``timeout``: seconds, a call.

    ``pins`` is a lock file that ``pilotman mcp pin`` wrote: a tool that is not in it exactly as it is now
    comes back refusing every call. Without it a tool must stay as it is listed now; nobody has reviewed its
    description, which then leases nothing. A tool that no model can be shown refuses likewise.

    Raises:
        ConfigurationError: the lock file is missing or no lock file, two tools have one name, or ``effects``
            or ``trusted`` name what no server offers.
        Unavailable: a server cannot be reached.
    """
    try:
        servers = [Server(client=client, name=name) for name in client.connections]
    except AttributeError:
        raise ConfigurationError(
            f"{client!r:.100} is no MCP client",
            hint="give a MultiServerMCPClient of langchain-mcp-adapters: pip install 'pilotman[mcp]'",
        ) from None
    lock = None if pins is None else read_lock(pins)
    listed = await asyncio.gather(*(server.definitions(timeout=LIST_SECONDS) for server in servers))
    offers = [
        _Offer(server=server, definition=one, prefixed=client.tool_name_prefix)
        for server, definitions in zip(servers, listed, strict=True)
        for one in definitions
    ]
    _check_names(offers, effects, trusted)
    return [_made(offer, trusted, effects, lock, timeout) for offer in offers]


@dataclass(frozen=True, kw_only=True)
class _Offer:
    """One tool that a server offers. ``prefixed``: models know it by its server's name too."""

    server: Server
    definition: Definition
    prefixed: bool

    @property
    def keys(self) -> tuple[str, str]:
        return f"{self.server.name}/{self.definition.name}", self.definition.name

    @property
    def name(self) -> str:
        """By which models call it: letters, digits, ``_`` and ``-``, at most 64."""
        own = f"{self.server.name}_{self.definition.name}" if self.prefixed else self.definition.name
        usable = _UNUSABLE.sub("_", own)
        return (usable if usable[:1].isalpha() or usable[:1] == "_" else f"_{usable}")[:64]


def _check_names(offers: Sequence[_Offer], effects: Mapping[str, Effect], trusted: Sequence[str]) -> None:
    """Two tools of one name, and settings about nothing."""
    by_name: dict[str, str] = {}
    for offer in offers:
        other = by_name.setdefault(offer.name, offer.keys[0])
        if other != offer.keys[0]:
            raise ConfigurationError(
                f"{other} and {offer.keys[0]} are both called {offer.name}",
                hint="MultiServerMCPClient(…, tool_name_prefix=True) puts the server's name in front",
            )
    known = {key for offer in offers for key in offer.keys}
    servers = {offer.server.name for offer in offers}
    for what, names, right in (("effects", effects, known), ("trusted", trusted, known | servers)):
        unknown = sorted(name for name in names if name not in right)
        if unknown:
            raise ConfigurationError(
                f"{what} names {unknown[0]}, which no server offers",
                hint=f"one of {', '.join(sorted(right))}"[:1_000],
            )


def _made(
    offer: _Offer, trusted: Sequence[str], effects: Mapping[str, Effect], lock: Lock | None, timeout: float
) -> Tool[..., Any]:
    definition, name = offer.definition, offer.keys[0]
    objection = None if lock is None else lock.objection(definition)
    if objection is not None:
        return _refusing(offer, f"{name} may not be used: {objection}; {HINT}")
    try:
        told = shown(definition)
        arguments = SchemaArguments(told.schema, name=name)
    except ConfigurationError as error:
        return _refusing(offer, f"{name} may not be used: {error}")
    if told.suspicions:
        _log.warning("%s describes itself suspiciously: %s", name, ", ".join(sorted(told.suspicions)))
    body = ServerBody(server=offer.server, approved=definition)
    settings = ToolSettings(
        effect=next((effects[key] for key in offer.keys if key in effects), None),
        at_least=hinted(definition.annotations),
        timeout=timeout,
        third_party=not {offer.server.name, *offer.keys[:1]}.intersection(trusted),
        pinned=lock is not None,
    )
    return _tool(offer, told.description, arguments, body, settings)


def _refusing(offer: _Offer, reason: str) -> Tool[..., Any]:
    """A tool that only says why it cannot be used. Nothing reaches the server: a read."""
    _log.warning("%s", reason)
    arguments = SchemaArguments(_NOTHING, name=offer.keys[0])
    settings = ToolSettings(effect="read", third_party=False)
    return _tool(offer, "Not available now.", arguments, RefusingBody(reason=reason), settings)


def _tool(
    offer: _Offer,
    description: str,
    arguments: SchemaArguments,
    body: ServerBody | RefusingBody,
    settings: ToolSettings,
) -> Tool[..., Any]:
    parts = ToolParts(
        fn=body.__call__,
        name=offer.name,
        description=description,
        arguments=arguments,
        body=body,
        output=Output(Any, name=offer.name),
    )
    return Tool(parts, settings=settings, identity=Identity(scope="run", fields=()))
