"""The house stays as it was drawn: five rooms on four floors, small front doors, nothing else inside."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"guardrails": 1, "memory": 2, "retrieval": 2, "agents": 3, "supervisor": 4}
PAGES = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "compose.yaml"}
TOP = {*PAGES, *FLOORS, "tests", "notebooks"}

FRONT_DOORS = {
    "pilotman.guardrails": (
        "Approval Breaker Budget Call Cap Capacity CedarPolicy Combination Decision Gate Label Limit Outbound"
        " PilotmanError Policy Principal Quota Retry"
    ),
    "pilotman.memory": "Anchors Event Fact Lineage Memory Pointer Receipt Retention Selector",
    "pilotman.memory.testing": "Edge Graph Node Subgraph graph_faults",
    "pilotman.retrieval": (
        "Corpus FaissVectorStore FolderSource GitSource HTTPSource IndexConfig Objective SQLSource"
        " Snapshot Source"
    ),
    "pilotman.retrieval.testing": "Origin source_faults",
    "pilotman.agents": (
        "Agent ChatRules Citation Kit Models Specialist Tool ToolContext ToolFailure ToolResult mcp_tools"
        " memory_tools tool"
    ),
    "pilotman.agents.testing": "FaultyChatModel ScriptedChatModel call faulty",
    "pilotman.supervisor": "Action Event Intake Plan Run RunState Supervisor Task",
    "pilotman.supervisor.teams": "incident_team support_team",
}


def tracked() -> list[Path]:
    """The repository's files: what git would take, or all but caches where there is no git."""
    asked = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not re.search(r"/(\.|__pycache__)", str(p))]


def sources() -> Iterator[tuple[str, Path]]:
    for room in FLOORS:
        for path in sorted((ROOT / room / "pilotman" / room).rglob("*.py")):
            yield room, path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield f"{node.module}"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_imports_run_downwards_only() -> None:
    upwards = [
        f"{path.relative_to(ROOT)}: {name}"
        for room, path in sources()
        for name in imported(path)
        if (other := next((r for r in FLOORS if f"{name}.".startswith(f"pilotman.{r}.")), None))
        and other != room
        and FLOORS[other] >= FLOORS[room]
    ]
    assert upwards == []


def contracts(root: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command as run; run()"
    rooms = os.pathsep.join(str(root / room) for room in FLOORS)
    return subprocess.run(
        [sys.executable, "-c", program, "--config", str(root / "pyproject.toml"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": rooms, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def copied(target: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", target)
    for room, path in sources():
        copy = target / room / path.relative_to(ROOT / room)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return target


def test_the_contracts_are_kept(tmp_path: Path) -> None:
    done = contracts(copied(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("guardrails", "from pilotman.memory.event import Event"),
        ("memory", "from pilotman.retrieval import Corpus"),
        ("retrieval", "import pilotman.memory.event"),
        ("agents", "from pilotman.supervisor.state import TERMINAL"),
    ],
)
def test_an_arrow_against_the_floors_is_caught(room: str, line: str, tmp_path: Path) -> None:
    root = copied(tmp_path)
    (root / room / "pilotman" / room / "burglar.py").write_text(line + "\n")
    done = contracts(root)
    assert done.returncode != 0
    assert f"pilotman.{room}.burglar" in done.stdout


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_front_doors_are_frozen(door: str) -> None:
    names = importlib.import_module(door).__all__
    assert names == FRONT_DOORS[door].split()
    assert names == sorted(names)


@pytest.mark.parametrize("room", FLOORS)
def test_a_front_door_holds_nothing_but_names(room: str) -> None:
    tree = ast.parse((ROOT / room / "pilotman" / room / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert all(isinstance(n, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign) for n in tree.body)


def test_the_namespace_is_nobodys() -> None:
    for room in FLOORS:
        assert {p.name for p in (ROOT / room).iterdir() if not p.name.startswith((".", "__"))} == {"pilotman"}
        inside = {p.name for p in (ROOT / room / "pilotman").iterdir() if not p.name.startswith((".", "__"))}
        assert inside == {room}, "no pilotman/__init__.py: five folders share the namespace"
        assert (ROOT / room / "pilotman" / room / "py.typed").is_file()


def test_the_top_level_holds_nothing_else() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} <= TOP


def test_nothing_names_the_machine_that_it_was_built_on() -> None:
    # Written so that this file does not name them either.
    private = ["/wo" + "rk/", "/ro" + "ot/venv", "pypi" + ".org", "files.python" + "hosted", "index" + "-url"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked()
        if path.suffix not in (".png", ".db", ".npy", ".svg")
        for word in private
        if word in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []


def test_no_lock_file_and_no_vague_module_names() -> None:
    names = [path.name for path in tracked()]
    assert not {"uv.lock", "poetry.lock", "Pipfile.lock", "requirements.txt"} & set(names)
    vague = {f"{word}.py" for word in ("utils", "util", "helpers", "common", "manager", "misc")}
    assert not vague & {path.name for _, path in sources()}


def test_rooms_keep_no_state_in_modules() -> None:
    """Two supervisors with different settings live in one process."""
    empty = (ast.Dict, ast.List, ast.Set)
    mutable = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for _, path in sources()
        if "migrations" not in path.parts
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, empty)
        and not (node.value.keys if isinstance(node.value, ast.Dict) else node.value.elts)
    ]
    assert mutable == []


def test_the_base_install_does_not_import_what_extras_bring() -> None:
    """Importing every front door needs no torch, no server's client and no provider's SDK."""
    doors = ", ".join(FRONT_DOORS)
    heavy = ("torch", "sentence_transformers", "psycopg", "neo4j", "langchain_openai", "mcp", "pytest")
    program = f"import sys, {doors}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
