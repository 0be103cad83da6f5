from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory.audit.anchor_store import (
    AnchorFile,
    AnchorStore,
    AnchorStream,
    AnchorTable,
    anchor_store,
)


@pytest.fixture(params=["file", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "deep" / "anchors.jsonl")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'other.db'}"
    return str(request.getfixturevalue("postgres_url"))


def kept(store: AnchorStore) -> list[str]:
    return [line.rstrip("\n") for line in store.lines()]


def test_what_is_kept_comes_back_in_its_order_for_whoever_asks(place: str) -> None:
    store = anchor_store(place)
    for n in range(5):
        store.append(f"line {n} ü")
    assert kept(anchor_store(place)) == [f"line {n} ü" for n in range(5)]


def test_several_may_write_at_once(place: str) -> None:
    stores = [anchor_store(place) for _ in range(4)]
    stores[0].append("first")
    with ThreadPoolExecutor(4) as pool:
        for n in range(24):
            pool.submit(stores[n % 4].append, f"line {n}")
    assert sorted(kept(stores[0])) == sorted(["first", *(f"line {n}" for n in range(24))])


def test_places_are_told_apart(tmp_path: Path) -> None:
    assert isinstance(anchor_store("-"), AnchorStream)
    assert isinstance(anchor_store(tmp_path / "a"), AnchorFile)
    assert isinstance(anchor_store("a/b.jsonl"), AnchorFile)
    assert isinstance(anchor_store(f"sqlite:///{tmp_path}/a.db"), AnchorTable)
    assert list(tmp_path.iterdir()) == [], "nothing is written before there is an anchor"


def test_half_a_line_that_a_full_disk_left_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_text("whole\nhal")
    AnchorFile(path).append("next")
    assert kept(AnchorFile(path)) == ["whole", "hal", "next"]


def test_bytes_that_are_no_text_do_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_bytes(b"\xff\xfe\ngood\n")
    assert kept(AnchorFile(path))[1] == "good"


def test_a_full_disk_is_told() -> None:
    with pytest.raises(Unavailable, match="/dev/full"):
        AnchorFile(Path("/dev/full")).append("line")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="anchors"):
        list(AnchorFile(tmp_path / "none").lines())


def test_a_database_without_anchors_has_none(tmp_path: Path) -> None:
    assert list(anchor_store(f"sqlite:///{tmp_path / 'empty.db'}").lines()) == []


@pytest.mark.parametrize("url", ["postgresql://nobody:secret@localhost:1/none", "sqlite:////nowhere/none.db"])
def test_a_database_that_cannot_be_reached_is_told_without_its_password(url: str) -> None:
    for use in (lambda: anchor_store(url).append("line"), lambda: list(anchor_store(url).lines())):
        with pytest.raises(Unavailable) as told:
            use()
        assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["sqlite://", "nosuch://host/db", "://"])
def test_what_is_no_place_is_told_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError):
        anchor_store(url)


def test_a_log_shipper_gets_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor_store("-").append("line")
    assert capsys.readouterr().out == "line\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    assert kept(anchor_store("-")) == ["one", "two"]
