from __future__ import annotations

import subprocess
import sys

import pytest

from pilotman.memory.journal.owner import is_dead, owner_name

CHILD = "from pilotman.memory.journal.owner import owner_name; print(owner_name(), flush=True); input()"


def test_this_process_lives_and_each_name_is_new() -> None:
    assert not is_dead(owner_name())
    assert owner_name() != owner_name()


def test_a_process_is_dead_once_it_is_gone_even_before_it_is_reaped() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert not is_dead(name)
    child.kill()
    while child.returncode is None and not is_dead(name):  # a zombie until it is waited for
        pass
    assert is_dead(name)
    child.communicate()
    assert is_dead(name)


def test_a_number_used_again_is_another_process() -> None:
    host, pid, started, rest = owner_name().rsplit(":", 3)
    assert is_dead(f"{host}:{pid}:{float(started) - 60:.2f}:{rest}")
    assert not is_dead(f"{host}:{pid}:{float(started) + 0.9:.2f}:{rest}")  # the boot time may tick


@pytest.mark.parametrize("name", ["elsewhere:1:0.0:abc", "me", "", "::::", "a:b:c:d"])
def test_of_others_only_the_lease_can_tell(name: str) -> None:
    assert not is_dead(name)


def test_names_of_this_host_that_make_no_sense_are_left_to_the_lease() -> None:
    host = owner_name().rsplit(":", 3)[0]
    assert not is_dead(f"{host}:x:y:z")
