from __future__ import annotations

import subprocess
import sys

import pilotman.retrieval


def test_the_front_door_is_frozen_and_sorted() -> None:
    names = "Corpus FaissVectorStore FolderSource GitSource HTTPSource IndexConfig Objective SQLSource"
    names += " Snapshot Source"
    assert pilotman.retrieval.__all__ == names.split()


def test_importing_the_room_loads_no_model_library() -> None:
    heavy = "torch", "sentence_transformers", "faiss", "bm25s"
    code = f"import pilotman.retrieval, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
