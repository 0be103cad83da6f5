"""A store whose process is killed, and stores that several processes change at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from langchain_core.documents import Document
from tests.patience import PROCESS_PATIENCE
from tests.retrieval.conftest import Clock, HashEmbeddings

from pilotman.retrieval import FaissVectorStore

ROOT = Path(__file__).parents[2]
IDS = [f"d{n}" for n in range(6)]

BUSY = """
import sys
from pilotman.retrieval import FaissVectorStore
from tests.retrieval.conftest import HashEmbeddings

store = FaissVectorStore(HashEmbeddings(), sys.argv[1])
ids = [f"d{n}" for n in range(6)]
for turn in range(10_000):
    print("write", turn, flush=True)
    store.add_texts([f"turn{turn} of {name}" for name in ids], ids=ids)
    print("wrote", turn, flush=True)
    store.delete(ids[:3])
    print("deleted", turn, flush=True)
"""

DIES = """
import os, signal, sys
from pilotman.retrieval import FaissVectorStore
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.vectors import VectorIndex
from tests.retrieval.conftest import HashEmbeddings

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

store = FaissVectorStore(HashEmbeddings(), sys.argv[1])
setattr({"Change": Change, "VectorIndex": VectorIndex}[sys.argv[2]], sys.argv[3], die)
if sys.argv[4] == "delete":
    store.delete(["d0", "d1"])
else:
    store.add_texts(["new of d0", "new of d1"], ids=["d0", "d1"])
"""

ADDS = """
import sys
from pilotman.retrieval import FaissVectorStore
from tests.retrieval.conftest import HashEmbeddings

store = FaissVectorStore(HashEmbeddings(), sys.argv[1])
name = sys.argv[2]
for n in range(40):
    store.add_texts([f"{name} number {n}", f"shared by {name}"], ids=[f"{name}{n}", "shared"])
    if n % 4 == 3:
        store.delete([f"{name}{n - 1}"])
store.close()
"""


def child(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def ended(*processes: subprocess.Popen[str]) -> list[int]:
    for process in processes:
        process.communicate(timeout=PROCESS_PATIENCE)
    return [process.returncode for process in processes]


def _is(text: str, document: Document) -> bool:
    return document.page_content == text


def written(folder: Path) -> None:
    FaissVectorStore.from_texts(
        [f"old of {name}" for name in IDS], HashEmbeddings(), ids=IDS, path=folder
    ).close()


def stands(store: FaissVectorStore) -> dict[str, str]:
    """What is there by id; every way of asking agrees, and every text has its own vector."""
    found = store.similarity_search_with_score("of", k=1_000)
    by_id = {str(document.id): document.page_content for document, _ in found}
    assert len(by_id) == len(found)
    assert {str(d.id): d.page_content for d in store.get_by_ids(IDS)} == {
        name: text for name, text in by_id.items() if name in IDS
    }
    for text in by_id.values():
        is_it = partial(_is, text)
        [(_, score)] = store.similarity_search_with_score(text, k=9, filter=is_it)
        assert score == pytest.approx(1, abs=1e-5)
    return by_id


@pytest.mark.parametrize("lines", [1, 2, 10, 35])
def test_a_killed_process_leaves_nothing_half(tmp_path: Path, lines: int) -> None:
    with child(BUSY, tmp_path) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(lines)]
        process.kill()
        said += [line.split() for line in process.stdout.read().splitlines()]
    store = FaissVectorStore(HashEmbeddings(), tmp_path)
    last, turn = said[-1][0], int(said[-1][1])
    now = {name: f"turn{turn} of {name}" for name in IDS}
    before = {name: f"turn{turn - 1} of {name}" for name in IDS[3:]} if turn else {}
    kept = {name: now[name] for name in IDS[3:]}
    possible = {"write": (before, now), "wrote": (now, kept), "deleted": (kept,)}[last]
    assert stands(store) in possible
    store.close()


@pytest.mark.parametrize(
    ("where", "what", "survives"),
    [
        (("VectorIndex", "erase"), "delete", False),  # committed, the vectors still there
        (("Change", "erased"), "delete", False),  # committed, the vectors gone, not noted yet
        (("Change", "bury"), "delete", True),  # not committed
        (("Change", "add"), "upsert", True),  # the new vectors there, not committed
        (("VectorIndex", "erase"), "upsert", False),  # committed, the old vectors still there
    ],
)
def test_a_crash_in_the_middle(tmp_path: Path, where: tuple[str, str], what: str, survives: bool) -> None:
    written(tmp_path)
    assert ended(child(DIES, tmp_path, *where, what)) == [-9]
    store = FaissVectorStore(HashEmbeddings(), tmp_path)
    expected = {name: f"old of {name}" for name in IDS[0 if survives else 2 :]}
    if what == "upsert" and not survives:
        expected |= {"d0": "new of d0", "d1": "new of d1"}
    assert stands(store) == expected
    index = store.holdings.index()
    assert index is not None
    there = np.flatnonzero(np.any(index.vectors(np.arange(index.count)) != 0, axis=1))
    assert len(there) == len(expected), "the vector of something that is gone is still on the disk"
    store.add_texts(["later"], ids=["later"])
    assert stands(store) == {**expected, "later": "later"}
    store.close()


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    names = ("left", "right")
    assert ended(*[child(ADDS, tmp_path, name) for name in names]) == [0, 0]
    store = FaissVectorStore(HashEmbeddings(), tmp_path)
    found = stands(store)
    assert found.pop("shared") in {f"shared by {name}" for name in names}
    assert found == {f"{name}{n}": f"{name} number {n}" for name in names for n in range(40) if n % 4 != 2}
    store.close()


def test_what_one_process_deletes_another_serves_no_more(tmp_path: Path) -> None:
    written(tmp_path)
    one, other = (FaissVectorStore(HashEmbeddings(), tmp_path) for _ in range(2))
    for count, name in enumerate(IDS, 1):
        assert len(other.similarity_search("old", k=9)) == len(IDS) - count + 1
        one.delete([name])
        assert name not in {document.id for document in other.similarity_search("old", k=9)}
        one.add_texts([f"new of {name}"], ids=[f"n{count}"])
        assert f"n{count}" in {document.id for document in other.similarity_search("new", k=9)}
        other.delete([f"n{count}"])
    one.close()
    other.close()


@pytest.mark.parametrize("on_disk", [True, False])
def test_searches_race_deletions_and_none_is_served_late(tmp_path: Path, on_disk: bool) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path if on_disk else None)
    count = 120
    ids = [f"{n}" for n in range(count)]
    store.add_texts([f"word {name}" for name in ids], ids=ids)
    deleted: list[str] = []
    wrong: list[str] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            gone = set(deleted)
            found = store.similarity_search("word", k=5)
            if any(document.id in gone for document in found):
                wrong.append("a phantom")
            if len(found) < min(5, count - len(deleted)):
                wrong.append("a result short")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for name in ids[:110]:
        store.delete([name])
        deleted.append(name)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    store.close()


@pytest.mark.parametrize("what", ["delete", "forbid", "replace", "expire"])
def test_what_changes_while_a_query_is_in_flight_is_not_served(
    tmp_path: Path, what: str, clock: Clock
) -> None:
    one, other = (FaissVectorStore(HashEmbeddings(), tmp_path, clock=clock) for _ in range(2))
    soon = clock.now + timedelta(minutes=1)
    one.add_texts(["disk full", "disk"], ids=["near", "far"])
    one.add_texts(["disk full"], ids=["near"], expires_at=soon)
    acts: dict[str, Callable[[], object]] = {
        "delete": lambda: other.delete(["near"]),
        "forbid": lambda: other.set_readers(["near"], ["tenant:acme"]),
        "replace": lambda: other.add_texts(["bread"], ids=["near"]),
        "expire": lambda: clock.forward(minutes=1),
    }

    def meanwhile(document: Document) -> bool:  # is asked when the rows have been chosen from
        if what in acts:
            acts.pop(what)()
            acts.clear()
        return True

    assert [document.id for document in one.similarity_search("disk full", k=1, filter=meanwhile)] == ["far"]
    assert acts == {}
    one.close()
    other.close()
