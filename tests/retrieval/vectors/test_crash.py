"""A process that is killed at any step leaves a state that serves, and what it had promised."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.patience import PROCESS_PATIENCE
from tests.retrieval.vectors.spread import SIZE, TRAINED, clustered, unfound

from pilotman.retrieval.vectors import VectorIndex

OLD, NEW = 2_000, 100
ERASED = [4, 1_777]
ROOT = Path(__file__).parents[3]

CHILD = """
import os, signal, sys
from pathlib import Path
from pilotman.retrieval.vectors import VectorIndex
from tests.retrieval.vectors.spread import SIZE, TRAINED, clustered
from tests.retrieval.vectors.test_crash import ERASED, NEW

folder, verb, step = sys.argv[1:]

def fault(done):
    if done == step:
        os.kill(os.getpid(), signal.SIGKILL)

index = VectorIndex(Path(folder), dimensions=SIZE, config=TRAINED, fault=fault)
if verb == "append":
    index.append(clustered(NEW, seed=1))
elif verb == "erase":
    index.erase(ERASED)
else:
    index.rebuild(retrain=True)
print("it lived")
"""


READER = """
import sys
from pathlib import Path
from pilotman.retrieval.vectors import VectorIndex
from tests.retrieval.vectors.spread import SIZE, TRAINED, clustered, unfound
from tests.retrieval.vectors.test_crash import OLD

folder = Path(sys.argv[1])
index = VectorIndex(folder, dimensions=SIZE, config=TRAINED)
print("reading", flush=True)
seen = set()
while True:
    last = (folder / "stop").exists()
    index.refresh()
    seen.add(index.epoch)
    assert index.caveats == (), index.caveats
    assert len(unfound(index, clustered(OLD), range(OLD))) < 0.01 * OLD
    if last:
        break
print(*sorted(seen))
"""


def opened(folder: Path) -> VectorIndex:
    return VectorIndex(folder, dimensions=SIZE, config=TRAINED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "index"
    index = opened(folder)
    index.append(clustered(OLD))
    index.rebuild()
    index.append(clustered(NEW, seed=2))
    index.close()
    return folder


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def killed(made: Path, target: Path, verb: str, step: str) -> Path:
    folder = Path(shutil.copytree(made, target / "index"))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), verb, step],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    return folder


def serves(index: VectorIndex, *, but: list[int]) -> None:
    """Each vector finds its own row, but those that were erased."""
    vectors = np.concatenate([clustered(OLD), clustered(NEW, seed=2)])
    missing = unfound(index, vectors, np.arange(len(vectors)))
    assert set(but) <= missing
    assert len(missing) <= len(but) + 0.01 * len(vectors)


def test_an_append_that_was_cut_off_has_not_happened(made: Path, tmp_path: Path) -> None:
    index = opened(killed(made, tmp_path, "append", "appended"))
    assert index.count == OLD + NEW
    serves(index, but=[])
    assert index.append(clustered(3, seed=3)) == range(OLD + NEW, OLD + NEW + 3)
    assert index.vectors([OLD + NEW])[0] == pytest.approx(clustered(3, seed=3)[0], abs=1e-6)


def test_an_erasure_that_was_not_committed_has_not_happened(made: Path, tmp_path: Path) -> None:
    index = opened(killed(made, tmp_path, "erase", "logged"))
    assert index.vectors(ERASED).any(axis=1).all()
    serves(index, but=[])


@pytest.mark.parametrize("step", ["marked", "cleared"])
def test_an_erasure_that_was_committed_is_finished_by_whoever_opens_next(
    made: Path, tmp_path: Path, step: str
) -> None:
    folder = killed(made, tmp_path, "erase", step)
    index = opened(folder)
    assert not index.vectors(ERASED).any()
    serves(index, but=ERASED)
    raw = np.fromfile(folder / "vectors.f32", dtype=np.float32).reshape(-1, SIZE)
    assert not raw[ERASED].any()


@pytest.mark.parametrize(
    "step", ["trained", "filled", "half written", "written", "named", "loaded", "swapped"]
)
def test_a_rebuild_that_was_cut_off_leaves_an_epoch_that_serves(
    made: Path, tmp_path: Path, step: str
) -> None:
    folder = killed(made, tmp_path, "rebuild", step)
    index = opened(folder)
    assert (index.epoch, index.caveats) == (2 if step == "swapped" else 1, ())
    serves(index, but=[])
    index.erase(ERASED)
    index.rebuild()
    assert index.needs_rebuild() is None
    serves(index, but=ERASED)
    assert [each.name for each in folder.glob("epoch*")] == [f"epoch-{index.epoch:06}"]


def test_a_reader_in_another_process_sees_each_epoch_whole(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "index"))
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(folder)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        index = opened(folder)
        for turn in range(5):
            index.append(clustered(20, seed=10 + turn))
            index.rebuild(retrain=True)
        (folder / "stop").touch()
        out, errors = reader.communicate(timeout=PROCESS_PATIENCE)
    assert reader.returncode == 0, errors
    seen = [int(epoch) for epoch in out.split()]
    assert seen[-1] == index.epoch == 6
    assert seen[0] >= 1
