from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.patience import PATIENCE

from pilotman.guardrails.errors import Unavailable
from pilotman.retrieval.catalogue.database import FILE, Database


@pytest.mark.parametrize("on_disk", [True, False])
def test_every_committed_change_shows_in_the_token(tmp_path: Path, on_disk: bool) -> None:
    one = Database(tmp_path if on_disk else None)
    other = Database(tmp_path) if on_disk else one
    tokens = [other.token()]
    for _ in range(3):
        with one.change() as change:
            change.execute("UPDATE state SET seq = seq + 1")
        assert other.token() != tokens[-1]
        tokens.append(other.token())
    assert other.token() == tokens[-1]
    with pytest.raises(ZeroDivisionError), one.change() as change:
        change.execute("UPDATE state SET seq = 99")
        raise ZeroDivisionError
    assert other.read("SELECT seq FROM state") == [(3,)]
    assert other.token() == tokens[-1]
    one.close()
    other.close()


def test_a_reader_is_not_held_up_by_a_change_and_sees_it_only_when_it_is_whole(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.change() as change:
        change.execute("UPDATE state SET seq = 7")
        assert database.read("SELECT seq FROM state") == [(0,)]
    assert database.read("SELECT seq FROM state") == [(7,)]
    database.close()


def test_deletions_overwrite_and_commits_are_durable(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.change() as change:
        settings = [
            change.execute(f"PRAGMA {name}").fetchone()[0] for name in ("secure_delete", "synchronous")
        ]
    assert settings == [1, 2]
    assert database.read("PRAGMA journal_mode") == [("wal",)]
    database.close()


def test_many_that_open_a_new_folder_at_once_make_one_catalogue(tmp_path: Path) -> None:
    together = threading.Barrier(6)
    failed: list[BaseException] = []

    def open_and_change() -> None:
        together.wait(PATIENCE)
        try:
            database = Database(tmp_path)
            with database.change() as change:
                change.execute("UPDATE state SET seq = seq + 1")
            database.close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=open_and_change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    database = Database(tmp_path)
    assert database.read("SELECT seq FROM state") == [(6,)]
    database.close()


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(Unavailable, match="cannot be used"):
        Database(tmp_path)
