"""Facts of a host: true of the machine that they name, and of no other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from pilotman.agents import Tool
from pilotman.supervisor.teams.diagnosis import host_tools
from pilotman.supervisor.teams.host import Machine, disks, load, memory, processes, same_service, sockets

HERE = socket.gethostname()


def did(tool: Tool[..., Any], **args: Any) -> Any:
    """What the tool's function returns."""
    return tool.fn(**args)


def own_addresses() -> list[str]:
    entries = (entry for entries in psutil.net_if_addrs().values() for entry in entries)
    return [e.address.split("%")[0] for e in entries if e.family in (socket.AF_INET, socket.AF_INET6)]


@pytest.mark.parametrize(
    "host", [HERE, HERE.upper(), f"{HERE}.", "localhost", "127.0.0.1", "::1", *own_addresses()]
)
def test_this_machine_knows_its_names(host: str) -> None:
    assert Machine().is_called(host)


@pytest.mark.parametrize(
    "host", ["", "web-1", "192.0.2.7", "2001:db8::7", f"{HERE}-2", f"{HERE}.elsewhere.example"]
)
def test_it_does_not_answer_for_others(host: str) -> None:
    assert not Machine().is_called(host)


def test_an_alias_is_a_name() -> None:
    assert Machine(aliases=["Web-1"]).is_called("web-1")


def test_another_host_is_not_observed_and_that_is_said() -> None:
    looked: list[str] = []

    def look() -> object:
        looked.append("here")
        return memory()

    facts, missing = Machine().observe(["web-1"], look)  # type: ignore[arg-type]  # pyright: ignore
    assert looked == []
    assert facts["observed_host"] is None
    assert missing == facts["summary"] == f"host web-1 is not this machine ({HERE}): it was not observed"


def test_a_stand_in_names_the_machine_that_was_observed() -> None:
    facts, missing = Machine(observe_here=True).observe(["web-1"], memory)
    assert (facts["hosts"], facts["observed_host"], missing) == (["web-1"], HERE, "")
    assert facts["summary"].startswith(
        f"observed on {HERE} (asked about web-1; this machine was observed as its user said)"
    )


def test_of_several_hosts_those_that_were_not_observed_are_named() -> None:
    facts, missing = Machine().observe(["web-1", HERE, "web-2"], memory)
    assert (facts["hosts"], facts["observed_host"]) == (["web-1", HERE, "web-2"], HERE)
    assert facts["summary"].startswith(f"observed on {HERE}: memory is ")
    assert missing == f"hosts web-1, web-2 are not this machine ({HERE}): they were not observed"
    _, missing = Machine().observe([f"web-{n}" for n in range(9)], memory)
    assert "web-4 and 4 more are not" in missing


def test_disks_are_those_that_the_system_reports() -> None:
    seen = disks("/")
    root = seen.facts["disks"][0]
    usage = psutil.disk_usage("/")
    assert root["mount"] == "/"
    assert root["used_percent"] == pytest.approx(usage.percent, abs=2)
    assert root["size_gib"] == pytest.approx(usage.total / 2**30, abs=0.1)
    assert seen.missing == ""


def test_a_mount_point_that_does_not_exist_is_said_to_be_missing() -> None:
    seen = disks("/no/such/mount")
    assert seen.missing == "nothing is mounted at /no/such/mount"
    assert seen.facts["disks"]


def test_memory_and_load_are_those_of_the_system() -> None:
    assert memory().facts["memory_size_gib"] == pytest.approx(psutil.virtual_memory().total / 2**30, abs=0.1)
    facts = load().facts
    assert facts["cores"] == psutil.cpu_count()
    assert facts["load_15m"] == pytest.approx(os.getloadavg()[2], abs=1)
    assert facts["up_hours"] > 0


def test_a_busy_process_and_a_service_are_found_by_name_without_their_arguments() -> None:
    secret = "password-of-the-database"
    spin = [sys.executable, "-c", "while True: pass", secret]
    with subprocess.Popen(spin) as busy:
        try:
            time.sleep(0.2)
            name = psutil.Process(busy.pid).name()
            seen = processes(name, most=10_000)  # others may be busy too
        finally:
            busy.kill()
    used = {row["pid"]: row["cpu_percent"] for row in seen.facts["by_cpu"]}
    assert used[busy.pid] > 0
    assert list(used.values()) == sorted(used.values(), reverse=True)
    assert any(row["name"] == name for row in seen.facts["of_service"])
    assert secret not in str(seen)


def test_a_service_without_a_process_is_said_to_have_none() -> None:
    seen = processes("no-such-service")
    assert seen.facts["of_service"] == []
    assert "none of them belongs to no-such-service" in seen.summary


def test_a_listening_socket_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = sockets()
    assert seen.missing or port in [row["port"] for row in seen.facts["listening"]]


@pytest.mark.parametrize(
    ("service", "process", "same"),
    [
        ("nginx.service", "nginx", True),
        ("postgresql", "postgres", True),
        ("ssh", "sshd", True),
        ("orders-api", "python3", False),
        ("shop", "sh", False),
    ],
)
def test_services_and_processes_are_matched_by_name(service: str, process: str, same: bool) -> None:
    assert same_service(service, process) is same


TOOLS = {one.name: one for one in host_tools(Machine())}


class TestTools:
    @pytest.mark.parametrize("name", sorted(TOOLS))
    def test_each_names_the_observed_host(self, name: str) -> None:
        result = did(TOOLS[name], hosts=[HERE])
        assert result.value["observed_host"] == HERE
        assert result.value["summary"].startswith(f"observed on {HERE}: ")
        assert next(iter(result.value)) == "summary"

    @pytest.mark.parametrize("name", sorted(TOOLS))
    def test_each_is_partial_about_another_host(self, name: str) -> None:
        result = did(TOOLS[name], hosts=["web-1"])
        assert (result.status, result.value["observed_host"]) == ("partial", None)
        assert result.caveats == (f"host web-1 is not this machine ({HERE}): it was not observed",)

    def test_all_only_read_and_ask_for_the_host(self) -> None:
        assert {one.effect for one in TOOLS.values()} == {"read"}
        assert all(one.args_schema["required"] == ["hosts"] for one in TOOLS.values())
