"""One server of a client, asked: who it is, which tools it offers, and to run one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pilotman.agents.failure import ToolFailure
from pilotman.agents.result import clean_text
from pilotman.guardrails.digest import canonical, digest
from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.guardrails.pin import Definition

if TYPE_CHECKING:
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.interceptors import MCPToolCallRequest
    from mcp import ClientSession
    from mcp.types import CallToolResult

LIST_SECONDS = 30.0
"""Seconds that a server may take to say what it offers."""
MAX_TOOLS = 256
MAX_PAGES = 32
MAX_DESCRIPTION = 16_384
"""Characters: more is no description."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """One connection of a client, by the name that its owner gave it."""

    client: MultiServerMCPClient
    name: str

    async def definitions(self, *, timeout: float) -> list[Definition]:
        """All tools as the server describes them now.

        Raises:
            Unavailable: it cannot be reached, or does not answer within ``timeout`` seconds.
            ConfigurationError: what it offers cannot be told apart, or is too much.
        """
        try:
            async with asyncio.timeout(timeout), self._opened(None) as (session, identity):
                return await self._listed(session, identity)
        except (ConfigurationError, asyncio.CancelledError):
            raise
        except TimeoutError:
            why = f"it did not answer within {timeout:g} s"
        except Exception as error:  # a subprocess, a network, somebody's server
            found = _own(error)
            if isinstance(found, ConfigurationError):
                raise found from None
            why = _told(found)
        raise Unavailable(f"the tools of the MCP server {self.name} cannot be listed: {why}")

    async def call(self, approved: Definition, args: Mapping[str, Any]) -> CallToolResult:
        """What the server answers, if it still describes the tool as it did; else nothing is called.

        The description is asked for in the very session that makes the call.

        Raises:
            ToolFailure: nothing was called: the tool has changed, or the server could not be reached.
            Exception: whatever happened after the call was sent.
        """
        from langchain_mcp_adapters.interceptors import MCPToolCallRequest

        handler: _Handler = partial(self._send, approved)
        for interceptor in reversed(self.client.tool_interceptors):
            handler = partial(_through, interceptor, handler)
        request = MCPToolCallRequest(name=approved.name, args=dict(args), server_name=self.name)
        return cast("CallToolResult", await handler(request))

    async def _send(self, approved: Definition, request: MCPToolCallRequest) -> CallToolResult:
        sent = False
        try:
            async with self._opened(request.headers) as (session, identity):
                offered = [one for one in await self._listed(session, identity) if one.name == request.name]
                if request.name != approved.name or [one.digest for one in offered] != [approved.digest]:
                    what = f"{self.name}/{request.name} is not what it was when it was listed"
                    raise ToolFailure(f"{what}; nothing was called", kind="authorization")
                sent = True
                return await _called(session, request)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            found = _own(error)
            if sent or isinstance(found, ToolFailure):
                raise found from None
            why = f"the MCP server {self.name} cannot be reached: {_told(found)}; nothing was called"
            raise ToolFailure(why, kind="transient") from error

    @asynccontextmanager
    async def _opened(self, headers: Mapping[str, Any] | None) -> AsyncGenerator[tuple[ClientSession, str]]:
        """A session, and the server's identity."""
        client = self.client if headers is None else self._with_headers(headers)
        async with client.session(self.name, auto_initialize=False) as session:
            told = await session.initialize()
            yield session, self._identity(told.serverInfo.name)

    def _with_headers(self, headers: Mapping[str, Any]) -> MultiServerMCPClient:
        own: dict[str, Any] = dict(self.client.connections[self.name])
        own["headers"] = {**(own.get("headers") or {}), **headers}
        return type(self.client)(cast("Any", {self.name: own}), callbacks=self.client.callbacks)

    def _identity(self, own_name: str) -> str:
        """Digest of the names, and of the program or address: no secrets (environment, headers, queries)."""
        connection: Mapping[str, Any] = dict(self.client.connections[self.name])
        where: list[Any] = [connection.get("transport")]
        if "command" in connection:
            where += [PurePath(connection["command"]).name, *map(str, connection.get("args") or ())]
        else:
            url = urlsplit(str(connection.get("url", "")))
            where += [url.scheme, url.hostname, url.port, url.path]
        return digest([self.name, own_name, where])

    async def _listed(self, session: ClientSession, identity: str) -> list[Definition]:
        from mcp.types import PaginatedRequestParams

        found: dict[str, Definition] = {}
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await session.list_tools(
                params=None if cursor is None else PaginatedRequestParams(cursor=cursor)
            )
            for tool in page.tools:
                if tool.name in found:
                    twice = ascii(tool.name)[:100]
                    raise ConfigurationError(f"the MCP server {self.name} offers two tools named {twice}")
                notes = tool.annotations
                found[tool.name] = Definition(
                    server=self.name,
                    identity=identity,
                    name=tool.name,
                    description=tool.description or "",
                    schema=_plain(tool.inputSchema),
                    annotations={} if notes is None else _plain(notes.model_dump(exclude_none=True)),
                )
            cursor = page.nextCursor
            if len(found) > MAX_TOOLS or not cursor:
                break
        if len(found) > MAX_TOOLS or cursor:
            raise ConfigurationError(f"the MCP server {self.name} offers more than {MAX_TOOLS} tools")
        return list(found.values())


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """What a server tells, if it has a canonical form; else something that is no schema of any tool."""
    try:
        canonical(told)
    except TypeError:  # nested without end, a number beyond 64 bits
        return {"type": "beyond JSON"}
    return told


_Handler = Callable[["MCPToolCallRequest"], Awaitable[Any]]


async def _called(session: ClientSession, request: MCPToolCallRequest) -> CallToolResult:
    """The bare request: ``session.call_tool`` would check the answer by a schema of the server's, in Python's
    regular expressions, and one of these can hold the event loop for ever."""
    from mcp.types import CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest

    params = CallToolRequestParams(name=request.name, arguments=request.args)
    return await session.send_request(ClientRequest(CallToolRequest(params=params)), CallToolResult)


async def _through(interceptor: Any, handler: _Handler, request: MCPToolCallRequest) -> Any:
    return await interceptor(request, handler)


def _own(error: Exception) -> Exception:
    """What went wrong inside the task groups that a session is made of."""
    if not isinstance(error, ExceptionGroup):
        return error
    inner = [_own(one) for one in cast("ExceptionGroup[Exception]", error).exceptions]
    return next((one for one in inner if isinstance(one, ConfigurationError)), inner[0])


def _told(error: Exception) -> str:
    text = clean_text(str(error)).strip().split("\n", 1)[0][:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
