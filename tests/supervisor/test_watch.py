"""A team that is open keeps the sources of its corpora fresh."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.patience import until

from pilotman.agents import Specialist
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Supervisor

pytestmark = pytest.mark.anyio


def corpus(folder: Path) -> Corpus:
    folder.mkdir()
    (folder / "disk.md").write_text("# Disk\n\nDelete rotated journals.\n")
    return Corpus([FolderSource(folder)], embedding=None)


async def test_an_open_team_reads_its_sources_and_those_of_nested_teams(tmp_path: Path) -> None:
    outer, inner = corpus(tmp_path / "outer"), corpus(tmp_path / "inner")
    nested = Supervisor("storage", [Specialist("clerk", "Knows disks.")], corpus=inner)
    team = Supervisor("desk", [nested], corpus=outer)
    for _ in range(2):  # it may be opened again
        async with team:
            await until(lambda: all(one.status()[0].fresh for one in (outer, inner)))
    assert outer.status()[0].documents == inner.status()[0].documents == 1
