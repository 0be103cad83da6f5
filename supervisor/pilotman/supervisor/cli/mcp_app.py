"""``pilotman mcp pin``: what MCP servers offer, compared with what was approved. It needs no home."""

from __future__ import annotations

import asyncio
import getpass
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import orjson
import typer
from rich.text import Text

from pilotman.agents.mcp.review import Review, review
from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.guardrails.shape import is_mapping
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.imports import imported
from pilotman.supervisor.render import count

if TYPE_CHECKING:
    from langchain_mcp_adapters.client import MultiServerMCPClient

mcp_app = typer.Typer(name="mcp", help="Tools of MCP servers.", no_args_is_help=True)

_HINT = "a JSON file with mcpServers, or package.module:client"
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@mcp_app.callback()
def mcp() -> None:
    """Tools of MCP servers."""


@mcp_app.command("pin")
def pin(
    servers: Annotated[str, typer.Argument(metavar="SERVERS", help=f"{_HINT[0].upper()}{_HINT[1:]}.")],
    lock: Annotated[Path, typer.Option(readable=False, help="The lock file.")] = Path("mcp.lock"),
    approve: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Approve what was shown under this digest.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who approves. Default: your login name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which tools are new, changed or gone since they were approved: 1 if any are, else 0."""
    found = asyncio.run(review(_client(servers), lock))
    if approve is not None:
        found.approve(approve, by=by or getpass.getuser(), at=datetime.now(UTC))
    if as_json:
        output.as_json(_rows(found, approved=approve is not None))
    elif approve is not None:
        approved = count(len(found.changes), "change")
        output.console.print(Text(visible(f"{approved} approved in {lock}")), soft_wrap=True)
    else:
        again = ["pilotman", "mcp", "pin", servers, "--lock", str(lock), "--approve", found.digest]
        _show(found, shlex.join(again))
    raise typer.Exit(output.FAILED if found.changes and approve is None else output.COMPLETED)


def _rows(found: Review, *, approved: bool) -> dict[str, Any]:
    changes = [
        {
            "change": change.kind,
            "tool": f"{change.server}/{change.tool}",
            "remark": found.remarks.get(f"{change.server}/{change.tool}", ""),
            "diff": list(change.diff),
        }
        for change in found.changes
    ]
    return {"approved": approved, "digest": found.digest, "changes": changes}


def _show(found: Review, command: str) -> None:
    for change in found.changes:
        name = f"{change.server}/{change.tool}"
        output.console.print(Text(visible(f"{change.kind} {name}"), style="bold"), soft_wrap=True)
        if remark := found.remarks.get(name):
            output.console.print(Text(visible(f"  {remark}"), style="red"), soft_wrap=True)
        for line in change.diff:
            style = _STYLES.get(line[:1], "dim")
            output.console.print(Text(visible(f"  {line}", limit=20_000), style=style), soft_wrap=True)
    if not found.changes:
        output.console.print(Text("all tools are as they were approved", style="dim"))
        return
    output.console.print(Text("read them; then approve these and no others:", style="dim"))
    output.console.print(Text(visible(command, limit=2_000)), soft_wrap=True)


def _client(servers: str) -> MultiServerMCPClient:
    """The client that a file or a module gives.

    Raises:
        ConfigurationError: the extra is missing.
        InvalidRequest: it gives none.
    """
    if find_spec("langchain_mcp_adapters") is None:
        raise ConfigurationError("MCP needs the extra mcp", hint="pip install 'pilotman[mcp]'")
    from langchain_mcp_adapters.client import MultiServerMCPClient

    if servers.endswith(".json"):
        return MultiServerMCPClient(cast("Any", _connections(Path(servers))))
    found = imported(servers, what="client", usage=_HINT)
    if not isinstance(found, MultiServerMCPClient) and callable(found):
        found = cast("Callable[[], object]", found)()
    if not isinstance(found, MultiServerMCPClient):
        raise InvalidRequest(f"{servers} is no MultiServerMCPClient", hint=_HINT)
    return found


def _connections(file: Path) -> dict[str, dict[str, Any]]:
    """Connections by name, as clients keep them in files: ``{"mcpServers": {…}}``."""
    try:
        data = orjson.loads(file.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{file} is no JSON: {error}") from error
    named = data.get("mcpServers") if is_mapping(data) else None
    if not is_mapping(named) or not all(is_mapping(one) for one in named.values()):
        raise InvalidRequest(f"{file} names no servers", hint='{"mcpServers": {"name": {"command": …}}}')
    return {name: _connection(dict(one)) for name, one in named.items()}


def _connection(one: dict[str, Any]) -> dict[str, Any]:
    """One of them with its transport, which files call ``type`` or leave out."""
    given = one.pop("type", None) or one.get("transport")
    known: Mapping[Any, str] = {None: "streamable_http", "http": "streamable_http"}
    one["transport"] = "stdio" if "command" in one else known.get(given, given)
    return {"args": [], **one} if "command" in one else one
