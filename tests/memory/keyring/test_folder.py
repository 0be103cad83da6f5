"""Keys in files: one for a subject, the same for all processes, and gone for all when it is destroyed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import PROCESS_PATIENCE

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.guardrails.seal import Key, Subject, new_key
from pilotman.memory.keyring.folder import FolderKeys
from pilotman.memory.keyring.master import VARIABLE, Master, name

ALICE, BOB = Subject("acme", "alice"), Subject("acme", "bob")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_key_is_made_once_and_found_by_whoever_opens_the_folder(tmp_path: Path) -> None:
    keys = FolderKeys(tmp_path / "keys")
    assert keys.find(ALICE) is None
    assert not (tmp_path / "keys").exists(), "looking makes nothing"
    key = keys.current(ALICE)
    assert len(key.secret) == 32
    assert keys.current(ALICE) == keys.find(ALICE) == FolderKeys(tmp_path / "keys").current(ALICE) == key
    assert keys.current(BOB) != key


def test_only_their_owner_can_read_them_and_no_name_tells_whose_they_are(tmp_path: Path) -> None:
    FolderKeys(tmp_path / "deep" / "keys").current(ALICE)
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "deep").rglob("*") if path.is_dir())
    assert "alice" not in str(file)
    assert b"alice" not in file.read_bytes()


def test_what_is_destroyed_is_gone_for_every_process_at_once(tmp_path: Path) -> None:
    one, other = FolderKeys(tmp_path), FolderKeys(tmp_path)
    key = one.current(ALICE)
    assert other.find(ALICE) == key
    bob = one.current(BOB)
    assert other.destroy(ALICE)
    assert one.find(ALICE) is None
    assert not one.destroy(ALICE)
    assert all(key.secret not in path.read_bytes() for path in files(tmp_path))
    new = one.current(ALICE)
    assert new != key
    assert (other.find(ALICE), other.find(BOB)) == (new, bob)


def test_a_destruction_that_was_cut_short_is_done_to_its_end(tmp_path: Path) -> None:
    FolderKeys(tmp_path).current(ALICE)
    (file,) = files(tmp_path)
    file.write_bytes(bytes(file.stat().st_size))
    assert FolderKeys(tmp_path).find(ALICE) is None
    assert files(tmp_path) == []


def test_many_threads_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(FolderKeys(tmp_path).current, ALICE) for _ in range(32)]
        keys = [one.result() for one in asked]
    assert len(set(keys)) == 1
    assert len(files(tmp_path)) == 1


def test_processes_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pilotman.guardrails.seal import Subject;"
        "from pilotman.memory.keyring.folder import FolderKeys;"
        "sys.stdin.read(1);"
        f"print(FolderKeys({str(tmp_path)!r}).current(Subject('acme', 'alice')).secret.hex())"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    said = [process.communicate("x", timeout=PROCESS_PATIENCE)[0] for process in started]
    assert len(set(said)) == 1
    assert said[0].strip() == FolderKeys(tmp_path).current(ALICE).secret.hex()


def test_threads_that_make_and_destroy_never_lose_a_key_that_nobody_destroyed(tmp_path: Path) -> None:
    def work(number: int) -> None:
        keys = FolderKeys(tmp_path)
        for _ in range(30):
            if number % 2:
                keys.destroy(ALICE)
            else:
                assert len(keys.current(ALICE).secret) == 32

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    key = FolderKeys(tmp_path).current(ALICE)
    assert FolderKeys(tmp_path).find(ALICE) == key
    assert len(files(tmp_path)) == 1, "no drafts are left"


def test_a_folder_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for verb in ("current", "find", "destroy"):
        with pytest.raises(Unavailable, match="cannot be reached"):
            getattr(FolderKeys(tmp_path / "file"), verb)(ALICE)


def test_a_damaged_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    FolderKeys(tmp_path).current(ALICE)
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Unavailable, match="damaged"):
        FolderKeys(tmp_path).current(ALICE)


# the master key


def test_a_master_key_wraps_what_lies_in_the_files(tmp_path: Path) -> None:
    master = Master(bytes(range(32)))
    key = FolderKeys(tmp_path, master).current(ALICE)
    assert all(key.secret not in path.read_bytes() for path in files(tmp_path))
    assert FolderKeys(tmp_path, Master(bytes(range(32)))).find(ALICE) == key
    for wrong, said in ((Master(bytes(32)), "another master key"), (Master(), "none was given")):
        with pytest.raises(ConfigurationError, match=said):
            FolderKeys(tmp_path, wrong).current(ALICE)
    assert FolderKeys(tmp_path, master).find(ALICE) == key, "nothing was changed"


@pytest.mark.parametrize("form", ["hex", "base64", "file", "text file"])
def test_a_master_key_comes_from_a_file_or_from_the_environment(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64

    secret = bytes(range(100, 132))
    text = base64.b64encode(secret).decode() if form == "base64" else secret.hex()
    key = FolderKeys(tmp_path / "keys", Master(secret)).current(ALICE)
    if "file" in form:
        path = tmp_path / "master"
        path.write_bytes(secret if form == "file" else f"{text}\n".encode())
        assert FolderKeys(tmp_path / "keys", Master.load(path)).find(ALICE) == key
    else:
        monkeypatch.setenv(VARIABLE, f" {text}\n")
        assert FolderKeys(tmp_path / "keys").find(ALICE) == key


@pytest.mark.parametrize("said", ["short", "00" * 31, "zz" * 32, "ä" * 44])
def test_what_is_no_master_key_is_refused(said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Master.of_environment({VARIABLE: said})
    (tmp_path / "master").write_text(said)
    with pytest.raises(ConfigurationError):
        Master.load(tmp_path / "master")
    with pytest.raises(ConfigurationError, match="no master key at"):
        Master.load(tmp_path / "none")


def test_a_wrapped_key_opens_for_its_subject_alone() -> None:
    master, key = Master(bytes(32)), new_key()
    wrapped = master.wrap(ALICE, key)
    assert master.unwrap(ALICE, wrapped) == key
    with pytest.raises(ConfigurationError):
        master.unwrap(BOB, wrapped)
    assert master.unwrap(ALICE, b"something else") is None
    assert Master().unwrap(ALICE, Master().wrap(ALICE, Key(bytes(8), b"short"))) is None


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_subjects_never_share_a_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (name(Subject(*one)) == name(Subject(*other))) == (one == other)
