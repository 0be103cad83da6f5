"""Traces in a real receiver: Arize Phoenix, which takes OTLP and gives spans back."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.patience import PROCESS_PATIENCE

MAIN = "from pilotman.supervisor.cli import main; main()"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Phoenix that is there already, or of one that is started here."""
    given = os.environ.get("PILOTMAN_TEST_PHOENIX_URL")
    if given:
        yield given
        return
    command = os.environ.get("PILOTMAN_TEST_PHOENIX") or shutil.which("phoenix")
    if command is None:
        missing = (
            "needs Arize Phoenix: pip install arize-phoenix in an environment of its own, and name its "
            "command in PILOTMAN_TEST_PHOENIX (or a running one in PILOTMAN_TEST_PHOENIX_URL)"
        )
        if os.environ.get("PILOTMAN_REQUIRE_SERVERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    url = f"http://127.0.0.1:{_free_port()}"
    folder = tmp_path_factory.mktemp("phoenix")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": url.rsplit(":", 1)[1],
        "PHOENIX_GRPC_PORT": str(_free_port()),
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([command, "serve"], env=environment, stdout=log, stderr=log)
        try:
            _wait(url, server, folder / "log")
            yield url
        finally:
            server.terminate()
            server.wait(20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/healthz", timeout=1.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    pytest.fail(f"Phoenix did not come up: {log.read_text()[-2_000:]}")


def _spans(url: str, at_least: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for _ in range(60):
        answer = httpx.get(f"{url}/v1/projects/default/spans", params={"limit": 500}, timeout=5.0)
        found = answer.json()["data"] if answer.status_code == 200 else []
        if len(found) >= at_least:
            return found
        time.sleep(0.5)
    return found


@pytest.mark.slow
def test_a_run_is_one_trace_in_a_real_receiver(receiver: str, tmp_path: Path) -> None:
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver}
    ended = subprocess.run(
        [sys.executable, "-c", MAIN, "triage", "--home", str(tmp_path), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
    )
    assert ended.returncode == 3, ended.stderr
    spans = _spans(receiver, 15)
    names = {span["name"] for span in spans}
    assert {"invoke_workflow incident", "plan incident", "invoke_agent operator"} <= names
    assert {"execute_tool open_ticket", "retrieval lexical"} & names
    assert len({span["context"]["trace_id"] for span in spans}) == 1
    by_id = {span["context"]["span_id"]: span for span in spans}
    for span in spans:
        parent = by_id.get(span["parent_id"])
        if span["name"].startswith("execute_tool"):
            assert parent is not None
            assert parent["name"].startswith("invoke_agent")
    told = str([span["attributes"] for span in spans])
    assert "orders-api" not in told, "prompts and answers are on spans only by opt-in"


def test_a_receiver_that_is_gone_does_not_keep_a_run(tmp_path: Path) -> None:
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ended = subprocess.run(
        [sys.executable, "-c", MAIN, "runs", "--home", str(tmp_path), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]")
