"""``pilotman why`` and ``pilotman impact``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.supervisor.cli.test_app import Terminal


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def test_why_and_impact_meet_in_the_run(pilotman: Terminal, tmp_path: Path) -> None:
    _, run = pilotman.json("triage")
    code, why = pilotman.json("why", run["run_id"])
    assert code == 0
    documents = [node for node in why["nodes"] if node["type"] == "document"]
    assert {node["uri"] for node in documents} == {one["source"] for one in run["retrieved"]}
    cited = run["citations"][0]["source"]
    code, impact = pilotman.json("impact", cited)
    assert code == 0
    assert [node["run_id"] for node in impact["nodes"] if node["type"] == "run"] == [run["run_id"]]
    assert {node["tool"] for node in impact["nodes"] if node["type"] == "effect"} == {"open_ticket"}
    code, out, _ = pilotman("impact", cited)
    assert code == 0
    assert f"runs: {run['run_id']}" in out
    page = tmp_path / "why.html"
    code, out, err = pilotman("why", run["run_id"], "--html", str(page))
    assert (code, out) == (0, "")
    assert "was written" in err
    assert run["run_id"] in page.read_text(encoding="utf-8")


def test_what_is_not_known_or_another_tenants_is_not_found(pilotman: Terminal) -> None:
    _, run = pilotman.json("triage")
    for arguments in (("run_of_nobody",), (run["run_id"], "--tenant", "other")):
        for command in ("why", "impact"):
            code, out, err = pilotman(command, *arguments)
            assert (code, out) == (2, "")
            assert "nothing is known of" in err
