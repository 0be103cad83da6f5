"""The shipped teams use what any user's team can: the rooms' front doors, the error tree, each other."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from pilotman.supervisor import teams

FOLDER = Path(teams.__file__).parent
DOORS = (
    "pilotman.agents",
    "pilotman.guardrails",
    "pilotman.memory",
    "pilotman.retrieval",
    "pilotman.supervisor",
)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_team_needs_public_names_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("pilotman"):
            continue
        module = str(node.module)
        if module.startswith("pilotman.supervisor.teams") or module == "pilotman.guardrails.errors":
            continue
        assert module in DOORS, f"{path.name} imports {module}"
        public = importlib.import_module(module).__all__
        assert {alias.name for alias in node.names} <= {*public}, f"{path.name} from {module}"
