from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest
from langchain_core.documents import Document

from pilotman.retrieval import Snapshot


def snapshot(text: str = "Rotate the logs.", version: str = "1") -> Snapshot:
    metadata = {
        "source": "disk.md",
        "version": version,
        "start": 0,
        "end": len(text),
        "score": 1.0,
        "readers": ["*"],
    }
    documents = (Document(id="books/disk.md#0", page_content=text, metadata=metadata),)
    return Snapshot(query="disk", epoch=3, mode="lexical", coverage=0.9, covered=True, documents=documents)


def test_it_survives_a_round_trip_through_json() -> None:
    for one in (snapshot(), replace(snapshot(), reformulated="disk space")):
        assert Snapshot.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_a_record_from_before_queries_were_reformulated_is_read() -> None:
    older = snapshot().to_dict()
    del older["reformulated"]
    assert Snapshot.from_dict(older) == snapshot()


def test_the_id_follows_from_the_content() -> None:
    assert snapshot().snapshot_id == replace(snapshot(), epoch=9).snapshot_id
    assert snapshot().snapshot_id != snapshot(version="2").snapshot_id
    assert snapshot().snapshot_id != replace(snapshot(), query="cpu").snapshot_id


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        snapshot().covered = False  # type: ignore[misc]
