"""``pilotman models``: how each model did, over the last runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.supervisor.cli.test_app import Terminal


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def test_what_the_models_of_the_last_runs_answered_is_counted(pilotman: Terminal) -> None:
    assert pilotman("models")[1] == "no model was asked yet\n"
    assert pilotman.json("models") == (0, [])
    _, run = pilotman.json("triage")
    code, [tier] = pilotman.json("models")
    assert code == 0
    assert set(tier) == {"model", "answered", "unusable", "failed", "left"}
    assert (tier["model"], tier["answered"]) == ("pilotman:rules", run["usage"]["steps"])
    code, out, _ = pilotman("models", "--limit", "1")
    assert code == 0
    assert out.splitlines()[0].split() == ["model", "answered", "unusable", "failed", "left"]
    assert pilotman("models", "--tenant", "other")[1] == "no model was asked yet\n"
