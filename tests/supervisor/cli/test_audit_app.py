"""``pilotman audit`` as an auditor uses it: real runs, anchors elsewhere, and somebody with SQL."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.cli.test_app import Terminal


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two teams have worked, and a person has answered."""
    home = tmp_path_factory.mktemp("audit") / "home"
    with pytest.MonkeyPatch.context() as patch:
        terminal = Terminal(home, _Silent(), patch)  # type: ignore[arg-type]
        terminal("triage")
        terminal("support", "Where is my refund?")
        question = sql(home, "SELECT approval_id FROM approvals WHERE state = 'pending'")[0][0]
        terminal("reject", question, "--by", "bob")
    return home


class _Silent:
    """Stands in for a test's capture where there is no test."""

    def readouterr(self) -> tuple[str, str]:
        return "", ""


@pytest.fixture
def pilotman(
    worked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    shutil.copytree(worked, tmp_path / "home")
    capsys.readouterr()
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def sql(home: Path, statement: str, **values: Any) -> list[Any]:
    with closing(sqlite3.connect(home / "pilotman.db")) as connection:
        found = connection.execute(statement, values).fetchall()
        connection.commit()
        return found


def longest(home: Path) -> tuple[str, int]:
    """The run with most events, and how many it has."""
    (found,) = sql(home, "SELECT run_id, count(*) FROM events GROUP BY run_id ORDER BY 2 DESC LIMIT 1")
    return str(found[0]), int(found[1])


def test_bodies_are_opened_with_keys_that_lie_elsewhere(
    pilotman: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(tmp_path / "home" / "pilotman.keys", elsewhere)
    code, out, _ = pilotman("audit", "verify")
    assert (code, "bodies were not opened" in out) == (0, True)
    code, out, _ = pilotman("audit", "verify", "--keys", str(elsewhere))
    assert (code, "bodies were not opened" in out) == (0, False)
    monkeypatch.setenv("PILOTMAN_KEYS", str(elsewhere))
    assert "bodies were not opened" not in pilotman("audit", "verify")[1]
    ((run_id,),) = sql(tmp_path / "home", "SELECT run_id FROM runs ORDER BY created_at LIMIT 1")
    assert pilotman("show", run_id)[0] == 0


def test_what_nobody_touched_is_sound_and_what_protects_it_is_said(pilotman: Terminal) -> None:
    code, out, _ = pilotman("audit", "verify")
    assert code == 0
    assert "sound: " in out
    assert "no anchor was given" in out
    code, out, err = pilotman("audit", "anchor")
    assert (code, out) == (0, "")
    assert "signed with key" in err
    assert "keep a copy of" in err
    code, out, _ = pilotman("audit", "verify")
    assert (code, "protected: up to block" in out, "unprotected" in out) == (0, True, False)
    pilotman("support", "Where is my refund?")
    code, out, _ = pilotman("audit", "verify")
    run_id = sql(pilotman.home, "SELECT run_id FROM runs ORDER BY created_at DESC LIMIT 1")[0][0]
    assert (code, "unprotected: what came later" in out, run_id in out) == (0, True, True)


TAMPERINGS = {
    "edited: event 5 of {run}": "UPDATE events SET actor = 'somebody' WHERE run_id = :run AND seq = 5",
    "dropped: event 1 of {run}": "DELETE FROM events WHERE run_id = :run AND seq = 1",
    "dropped: event 6 of {run}": "DELETE FROM events WHERE run_id = :run AND seq = 6",
    "truncated: event {last} of {run}": "DELETE FROM events WHERE run_id = :run AND seq = :last",
    "truncated: events 4 to {last} of {run}": "DELETE FROM events WHERE run_id = :run AND seq > 3",
    "dropped: run {run}": "DELETE FROM events WHERE run_id = :run",
    "dropped: block 2": "DELETE FROM blocks WHERE number = 2",
    "edited: payload": "UPDATE payloads SET body = x'7b7d' WHERE run_id = :run",
}


@pytest.mark.parametrize("finding", TAMPERINGS)
def test_what_was_tampered_with_is_named_and_the_exit_code_says_so(pilotman: Terminal, finding: str) -> None:
    run, last = longest(pilotman.home)
    statement = TAMPERINGS[finding]
    wanted = {name: value for name, value in (("run", run), ("last", last)) if f":{name}" in statement}
    sql(pilotman.home, statement, **wanted)
    code, out, _ = pilotman("audit", "verify")
    assert code == 1
    assert finding.format(run=run, last=last) in out
    assert "not sound: " in out
    code, found = pilotman.json("audit", "verify")
    assert (code, found["sound"]) == (1, False)
    assert any(finding.format(run=run, last=last) in f["text"] for f in found["findings"])


def test_a_journal_that_was_rolled_back_is_found_by_an_anchor_elsewhere(
    pilotman: Terminal, worked: Path, tmp_path: Path
) -> None:
    pilotman("support", "Where is my refund?")
    places = [str(tmp_path / "away" / "anchors.jsonl"), f"sqlite:///{tmp_path / 'other.db'}"]
    assert pilotman("audit", "anchor", "--to", places[0], "--to", places[1])[0] == 0
    for name in ("pilotman.db", "pilotman.db-wal", "pilotman.db-shm"):
        (pilotman.home / name).unlink(missing_ok=True)
    shutil.copy(worked / "pilotman.db", pilotman.home)
    assert pilotman("audit", "verify")[0] == 0
    for place in places:
        code, out, _ = pilotman("audit", "verify", "--anchor", place)
        assert (code, "truncated: block" in out) == (1, True)


def test_a_log_shipper_takes_anchors_and_gives_them_back(
    pilotman: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, line, _ = pilotman("audit", "anchor", "--to", "-")
    assert code == 0
    assert json.loads(line)["signature"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    code, out, _ = pilotman("audit", "verify", "--anchor", "-")
    assert (code, "protected: " in out) == (0, True)
    forged = line.replace('"events":', '"events":1')
    monkeypatch.setattr(sys, "stdin", io.StringIO(forged))
    code, out, _ = pilotman("audit", "verify", "--anchor", "-")
    assert (code, "forged: anchor 1: its signature is wrong" in out) == (1, True)


def test_the_key_may_lie_elsewhere_and_only_its_anchors_count(
    pilotman: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTMAN_AUDIT_KEY", str(tmp_path / "safe" / "theirs.key"))
    assert pilotman("audit", "anchor")[0] == 0
    assert not (pilotman.home / "audit.key").exists()
    monkeypatch.delenv("PILOTMAN_AUDIT_KEY")
    code, out, _ = pilotman("audit", "verify")
    assert (code, "signatures were not checked" in out) == (0, True)
    public = str(tmp_path / "safe" / "theirs.pub")
    code, out, _ = pilotman("audit", "verify", "--key", public)
    assert (code, "not checked" in out) == (0, False)
    assert pilotman("audit", "anchor", "--unsigned")[0] == 0
    code, out, _ = pilotman("audit", "verify", "--key", public)
    assert (code, "forged: anchor 2: it is not signed" in out) == (1, True)


def test_a_journal_anywhere_can_be_audited(pilotman: Terminal, tmp_path: Path) -> None:
    url = f"sqlite:///{pilotman.home / 'pilotman.db'}"
    place = str(tmp_path / "anchors")
    elsewhere = ("--home", str(tmp_path / "elsewhere"), "--journal", url)
    assert pilotman("audit", "anchor", "--to", place, *elsewhere, home=False)[0] == 0
    code, out, _ = pilotman("audit", "verify", "--anchor", place, *elsewhere, home=False)
    assert (code, "protected: " in out) == (0, True)


@pytest.mark.parametrize("command", ["anchor", "verify"])
def test_where_there_is_no_journal_none_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    terminal = Terminal(tmp_path / "none", capsys, monkeypatch)
    code, out, err = terminal("audit", command)
    assert (code, out) == (2, "")
    assert "there is no journal at" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["nosuch://host/db", "sqlite://"])
def test_a_place_that_is_none_is_a_usage_error(pilotman: Terminal, place: str) -> None:
    for args in (("anchor", "--to", place), ("verify", "--anchor", place)):
        code, _, err = pilotman("audit", *args)
        assert code == 2
        assert err.startswith("pilotman: ")
    assert not (pilotman.home / "audit.key").exists(), "nothing was made before the mistake was seen"


def test_a_journal_that_cannot_be_read_at_all_is_told(pilotman: Terminal) -> None:
    (pilotman.home / "pilotman.db").write_bytes(b"nonsense" * 1000)
    code, _, err = pilotman("audit", "verify")
    assert code == 1
    assert "is not a journal" in err
