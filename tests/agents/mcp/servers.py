"""MCP servers for tests: in this process, where a test changes what they offer while they run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.sessions import StdioConnection
from mcp import ClientSession
from mcp.server.lowlevel import Server
from mcp.shared.memory import create_client_server_memory_streams
from mcp.types import CallToolResult, TextContent, Tool, ToolAnnotations

from pilotman.agents import Tool as OurTool
from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.result import ToolResult
from pilotman.guardrails import Principal

ONE = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def described(
    name: str = "delete",
    description: str = "Delete a note.",
    schema: dict[str, Any] | None = None,
    hints: dict[str, bool] | None = None,
) -> Tool:
    """A tool as a server lists it; ``hints`` are its annotations."""
    notes = None if hints is None else ToolAnnotations.model_validate(hints)
    return Tool(name=name, description=description, inputSchema=schema or ONE, annotations=notes)


def text(said: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=said)])


def done(name: str, _args: Any) -> CallToolResult:
    return text(f"{name} done")


def always(answer: CallToolResult) -> Callable[[str, Any], CallToolResult]:
    def answers(_name: str, _args: Any) -> CallToolResult:
        return answer

    return answers


class Notes:
    """A server. ``offers`` may be changed at any time, ``answer`` makes what a call returns."""

    def __init__(self, *offers: Tool, answer: Callable[[str, Any], CallToolResult] = done) -> None:
        self.offers = list(offers or (described(),))
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.own_name = "notes"

    def run(self) -> Server[Any]:
        server: Server[Any] = Server(self.own_name)

        @server.list_tools()  # type: ignore[no-untyped-call, untyped-decorator]
        async def offers() -> list[Tool]:
            return self.offers

        @server.call_tool(validate_input=False)  # type: ignore[untyped-decorator]
        async def call(name: str, arguments: dict[str, Any]) -> CallToolResult:
            self.calls.append((name, arguments))
            return self.answer(name, arguments)

        _ = offers, call
        return server


class Client(MultiServerMCPClient):
    """LangChain's client of servers in this process. One that is None is not there."""

    def __init__(self, servers: dict[str, Notes | None], **settings: Any) -> None:
        super().__init__(
            {name: StdioConnection(transport="stdio", command=name, args=[]) for name in servers}, **settings
        )
        self._servers = servers

    @asynccontextmanager
    async def session(
        self, server_name: str, *, auto_initialize: bool = True
    ) -> AsyncGenerator[ClientSession]:
        known = self._servers[server_name]
        if known is None:
            raise ConnectionRefusedError("nobody listens")
        server = known.run()
        async with (
            create_client_server_memory_streams() as ((read, write), (server_read, server_write)),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(server.run, server_read, server_write, server.create_initialization_options())
            async with ClientSession(read, write) as session:
                if auto_initialize:
                    await session.initialize()
                yield session
            tasks.cancel_scope.cancel()


async def call(known: OurTool[..., Any], /, **args: Any) -> ToolResult:
    """One attempt of a call, validated as a guard does it."""
    ctx = ToolContext(
        run_id="r",
        principal=Principal(tenant="t", user="u"),
        idempotency_key="",
        attempt=1,
        deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
        credentials={},
    )
    return await known.call(known.validate(args), ctx, timeout=30.0, threads=Threads())
