"""Where a provenance graph is, by URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pilotman.memory.provenance.graph import Graph
from pilotman.memory.provenance.neo4j_graph import SCHEMES, Neo4jGraph
from pilotman.memory.provenance.sql_graph import SqlGraph
from pilotman.memory.storage.database import parse, sqlite_path


def open_graph(url: str | None, journal_url: str) -> Graph:
    """The graph at ``url``: Neo4j, SQLite or PostgreSQL; None: where it belongs to the journal's URL.

    That is beside its file (``desk.db`` has its graph in ``desk.provenance.db``, so that neither waits for
    the other), in memory, or in tables of the same server. Does no I/O.

    Raises:
        ConfigurationError: not such a URL, or the driver for it is not installed.
    """
    if url is not None:
        return Neo4jGraph(url) if urlsplit(url).scheme in SCHEMES else SqlGraph(url)
    parsed = parse(journal_url)
    path = sqlite_path(parsed) if parsed.get_backend_name() == "sqlite" else None
    return SqlGraph(journal_url if path is None else f"sqlite:///{provenance_path(path)}")


def provenance_path(journal: Path) -> Path:
    """``desk.db`` has its provenance in ``desk.provenance.db``."""
    return journal.with_name(f"{journal.stem}.provenance{journal.suffix or '.db'}")
