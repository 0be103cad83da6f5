from __future__ import annotations

from pathlib import Path

import pytest

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.seal import KeysInMemory
from pilotman.memory import Memory
from pilotman.memory.keyring.folder import FolderKeys
from pilotman.memory.keyring.master import VARIABLE
from pilotman.memory.keyring.place import Place, keys_at
from pilotman.memory.keyring.table import DatabaseKeys


def test_keys_lie_beside_the_journal_unless_another_place_is_named(tmp_path: Path) -> None:
    file = f"sqlite:///{tmp_path / 'desk.db'}"
    assert keys_at(None, journal="sqlite://") is None, "what is in memory is only packed"
    beside = keys_at(None, journal=file)
    assert isinstance(beside, FolderKeys)
    assert beside.path == tmp_path / "desk.keys"
    assert isinstance(keys_at(None, journal="postgresql://host/desk"), DatabaseKeys)
    assert isinstance(keys_at("postgresql://other/keys", journal=file), DatabaseKeys)


@pytest.mark.parametrize("form", ["path", "text", "url"])
def test_a_folder_is_named_as_path_or_url(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "my keys"
    named: dict[str, Place] = {"path": folder, "text": str(folder), "url": folder.as_uri()}
    found = keys_at(named[form], journal="sqlite:///desk.db")
    assert isinstance(found, FolderKeys)
    assert found.path == folder


def test_an_object_with_the_methods_is_taken_as_it_is() -> None:
    keys = KeysInMemory()
    assert Memory("sqlite://", keys=keys).seal.keys is keys


@pytest.mark.parametrize("place", ["redis://host", "sqlite:///keys.db", "s3://bucket"])
def test_keys_lie_nowhere_else(place: str) -> None:
    with pytest.raises(ConfigurationError):
        keys_at(place, journal="sqlite://")


def test_a_master_key_that_is_none_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigurationError, match=VARIABLE):
        Memory("sqlite:///desk.db")
