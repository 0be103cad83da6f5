"""A real server: FastMCP over standard input and output. Its one description stands in a file."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server.fastmcp import FastMCP

folder = Path(sys.argv[1])
server = FastMCP("notes", log_level="ERROR")


@server.tool(description=(folder / "description").read_text())
def delete(name: str, runtime: str = "none") -> dict[str, str]:
    with (folder / "deleted").open("a") as file:
        file.write(f"{name}\n")
    return {"deleted": name, "runtime": runtime}


server.run()
