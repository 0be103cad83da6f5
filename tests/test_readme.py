"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.patience import PROCESS_PATIENCE
from typer.testing import CliRunner

from pilotman.supervisor.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_the_python_blocks_run_one_after_another(tmp_path: Path) -> None:
    program = "\n".join(blocks("python"))
    asked = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        asked, cwd=tmp_path, capture_output=True, text=True, timeout=PROCESS_PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "97% of /var used" in done.stdout
    assert "status='applied'" in done.stdout
    assert "ESCALATED" in done.stdout
    assert "May operator do open_ticket" in done.stdout
    assert list(tmp_path.iterdir()) == [], "a library writes no surprise files"


def test_the_first_block_composes_a_team_in_some_twenty_lines() -> None:
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 25


def test_the_first_screen_holds_the_two_commands_and_the_team() -> None:
    head = README.split("## The house")[0]
    assert len(head.splitlines()) < 60
    assert head.count("```console") == 2
    assert head.count("```python") == 1


def commands() -> list[str]:
    return [line.split("#")[0].strip() for block in blocks("console")[2:] for line in block.splitlines()]


@pytest.mark.parametrize("line", commands())
def test_every_command_that_is_shown_exists(line: str) -> None:
    words = shlex.split(line)
    assert words[0] == "pilotman"
    done = CliRunner().invoke(app, [*words[1:], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    for option in (word for word in words if word.startswith("--")):
        assert option in done.output


def test_links_and_files_that_are_named_exist() -> None:
    for name in re.findall(r"`([A-Z]+\.md|notebooks/|tests/constraints\.txt)`", README):
        assert (ROOT / name).exists(), name
