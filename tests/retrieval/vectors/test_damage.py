"""What is damaged, foreign or of another time is noticed, and nothing is lost over it."""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.retrieval.vectors.spread import SIZE, TRAINED, clustered

from pilotman.guardrails.errors import ConfigurationError, CorruptIndex
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.checksum import summed
from pilotman.retrieval.vectors.header import SLOT, read

VECTORS = clustered(2_000)


def opened(folder: Path, dimensions: int = SIZE, config: IndexConfig = TRAINED) -> VectorIndex:
    return VectorIndex(folder, dimensions=dimensions, config=config)


def kept(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def flip(file: Path, at: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[at] ^= 64
    file.write_bytes(raw)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "index"
    index = opened(folder)
    index.append(VECTORS)
    index.rebuild()
    index.append(VECTORS[:9])
    index.erase([3, 2_004])
    index.close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "index"))


def reseal(header: Path, place: int, value: int) -> None:
    """Write a field of both slots, with the right checksums."""
    raw = bytearray(header.read_bytes())
    for start in (0, SLOT):
        struct.pack_into("<I", raw, start + place, value)
        struct.pack_into("<I", raw, start + SLOT - 4, zlib.crc32(raw[start : start + SLOT - 4]))
    header.write_bytes(raw)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda f: (f / "header").write_bytes(b"hello" * 100), "damaged or not an index"),
    "empty header": (lambda f: (f / "header").write_bytes(b""), "damaged or not an index"),
    "foreign": (lambda f: reseal(f / "header", 0, 7), "damaged or not an index"),
    "future": (lambda f: reseal(f / "header", 8, 99), "newer version"),
    "no header": (lambda f: (f / "header").unlink(), "is missing"),
    "cut vectors": (lambda f: (f / "vectors.f32").write_bytes(b"x" * 100), "shorter than the 2009"),
    "cut checksums": (lambda f: (f / "vectors.crc").write_bytes(b""), "shorter than the 2009"),
    "cut deaths": (lambda f: (f / "erased.log").write_bytes(b"x" * 17), "shorter than the 2 "),
    "other deaths": (lambda f: flip(f / "erased.log", 18), "not written there"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_folder_is_refused_and_left_untouched(folder: Path, damage: str) -> None:
    harm, said = DAMAGE[damage]
    harm(folder)
    before = kept(folder)
    with pytest.raises(CorruptIndex, match=said) as refused:
        opened(folder)
    assert refused.value.hint
    assert kept(folder) == before


def test_a_torn_write_of_the_header_leaves_the_state_before(folder: Path) -> None:
    with closing(opened(folder)) as index:
        count = index.count
        index.append(VECTORS[:1])
        header = (folder / "header").read_bytes()
        torn = read(header, "header").sequence % 2 * SLOT
    flip(folder / "header", torn + 30)
    assert opened(folder).count == count


def test_another_model_or_metric_is_refused(folder: Path) -> None:
    before = kept(folder)
    with pytest.raises(ConfigurationError, match=f"{SIZE} dimensions, the model gives 32"):
        opened(folder, dimensions=32)
    with pytest.raises(ConfigurationError, match="'cosine', not 'dot'"):
        opened(folder, config=IndexConfig(metric="dot"))
    assert kept(folder) == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot hold an index"):
        opened(tmp_path / "file" / "index")


@pytest.mark.parametrize("file", ["lists.faiss", "codes.faiss", "cells.i32", "manifest.json"])
@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_a_damaged_epoch_does_not_serve_and_a_rebuild_heals_it(folder: Path, file: str, harm: str) -> None:
    target = folder / "epoch-000001" / file
    if harm == "flipped":
        flip(target, target.stat().st_size // 2)
    elif harm == "cut":
        target.write_bytes(target.read_bytes()[:-3])
    else:
        target.unlink()
    index = opened(folder)
    assert index.epoch == 0
    assert index.needs_rebuild() is not None
    assert any(file in caveat for caveat in index.caveats) == (harm != "gone")
    assert index.search(VECTORS[10:20], 1)[0][:, 0].tolist() == list(range(10, 20))
    index.rebuild()
    assert (index.epoch, index.caveats, opened(folder).epoch) == (2, (), 2)


@pytest.mark.parametrize("change", [{"format": 99}, {"dimensions": 8}, {"files": {}}])
def test_an_epoch_of_another_index_or_time_does_not_serve(folder: Path, change: dict[str, Any]) -> None:

    manifest = folder / "epoch-000001" / "manifest.json"
    body = json.loads(manifest.read_text())["body"] | change
    manifest.write_text(summed(body))
    index = opened(folder)
    assert index.epoch == 0
    assert "format 99" in index.caveats[0] or "another index" in index.caveats[0]


def test_the_last_good_epoch_serves_in_place_of_a_damaged_one(folder: Path) -> None:
    spare = folder.parent / "spare"
    shutil.copytree(folder / "epoch-000001", spare)
    with closing(opened(folder)) as index:
        index.rebuild()
    shutil.copytree(spare, folder / "epoch-000001")
    flip(folder / "epoch-000002" / "codes.faiss", 5_000)
    index = opened(folder)
    assert index.epoch == 1
    assert "codes.faiss is damaged" in index.caveats[0]
    assert "codes.faiss is damaged" in (index.needs_rebuild() or "")
    found = index.search(VECTORS[:10], 2)[0]
    assert not set(found.ravel()) & {3, 2_004}
    assert {0, 2_000} <= set(found[0])


def test_a_vector_that_is_no_longer_what_was_appended_is_not_found_and_named(folder: Path) -> None:
    for row in (5, 2_007):
        flip(folder / "vectors.f32", row * SIZE * 4 + 7)
    index = opened(folder)
    assert index.lost.tolist() == [2_007]
    assert 2_007 not in index.search(VECTORS[7:8], 2_009)[0]
    index.rebuild()
    assert index.lost.tolist() == [5, 2_007]
    assert not {5, 2_007} & set(index.search(VECTORS[[5, 7]], 20)[0].ravel())
    index.erase([5, 2_007])
    assert index.lost.tolist() == []
    assert not index.vectors([5, 2_007]).any()
    assert opened(folder).lost.tolist() == []


def test_no_file_is_ever_unpickled(folder: Path) -> None:
    marker = folder.parent / "executed"
    np.save(folder / "epoch-000001" / "cells.i32", np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    (folder / "epoch-000001" / "cells.i32.npy").replace(folder / "epoch-000001" / "cells.i32")
    assert opened(folder).epoch == 0
    assert not marker.exists()


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (Path.touch, (self.marker,))
