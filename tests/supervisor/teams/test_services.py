"""Restarts: only of what is on the list, without a shell, and honest about what happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pilotman.agents import ToolContext
from pilotman.agents.blocking import Threads
from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor.teams.host import Machine
from pilotman.supervisor.teams.operation import service_tools
from pilotman.supervisor.teams.services import CommandControl, Rehearsal

HERE = Machine().name


def control(tmp_path: Path, *more: str) -> CommandControl:
    """A command that writes its arguments into a file, a line each."""
    script = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('\\n'.join(sys.argv[2:]))"
    command = [sys.executable, "-c", script, str(tmp_path / "done"), *(more or ("restart", "{service}"))]
    return CommandControl(command, services=["orders-api", "a b; $(c)"])


def test_a_rehearsal_restarts_nothing_and_says_so() -> None:
    rehearsal = Rehearsal()
    said = rehearsal.restart("orders-api", "web-1")
    assert "no service was touched" in said
    assert rehearsal.requests == [("orders-api", "web-1")]
    assert rehearsal.refusal("anything", "anywhere") is None


def test_the_command_is_run_with_the_name_as_one_word(tmp_path: Path) -> None:
    assert control(tmp_path).restart("a b; $(c)", HERE) == f"a b; $(c) was restarted on {HERE}."
    assert (tmp_path / "done").read_text().splitlines() == ["restart", "a b; $(c)"]


def test_what_is_not_on_the_list_or_elsewhere_is_not_restarted(tmp_path: Path) -> None:
    services = control(tmp_path)
    for service, host in [("sshd", HERE), ("orders-api", "web-99"), ("orders-api", "")]:
        with pytest.raises(PermissionError, match="nothing was restarted"):
            services.restart(service, host)
    assert not (tmp_path / "done").exists()


def test_another_host_is_for_a_command_that_names_it(tmp_path: Path) -> None:
    services = control(tmp_path, "{host}", "{service}")
    services.restart("orders-api", "web-99")
    assert (tmp_path / "done").read_text().splitlines() == ["web-99", "orders-api"]
    assert services.refusal("orders-api", "-oProxyCommand=x")
    assert services.refusal("orders-api", "")


def test_a_command_that_fails_or_hangs_is_an_error() -> None:
    failing = CommandControl([sys.executable, "-c", "import sys; sys.exit('no {service}')"], services=["s"])
    with pytest.raises(RuntimeError, match="no s"):
        failing.restart("s", HERE)
    hanging = CommandControl(
        [sys.executable, "-c", "import time; time.sleep(60)", "{service}"], services=["s"], timeout=0.3
    )
    with pytest.raises(subprocess.TimeoutExpired):
        hanging.restart("s", HERE)


def test_a_command_that_does_not_exist_is_known_before_anybody_is_asked() -> None:
    missing = CommandControl(["/no/such/command", "{service}"], services=["s"])
    assert missing.refusal("s", HERE) == "there is no command /no/such/command"
    with pytest.raises(PermissionError, match="nothing was restarted"):
        missing.restart("s", HERE)


def test_settings_that_cannot_work_are_refused() -> None:
    for command, services in [
        ((), ["s"]),
        (("{service}",), ["s"]),
        (("x", "y"), ["s"]),
        (("x", "{service}"), []),
    ]:
        with pytest.raises(ConfigurationError):
            CommandControl(command, services=services)
    with pytest.raises(ConfigurationError):
        CommandControl(("x", "{service}"), services="nginx")


class TestTool:
    def test_it_is_irreversible_and_cannot_be_looked_up(self) -> None:
        (tool,) = service_tools(Rehearsal())
        assert (tool.effect, tool.has_lookup, tool.has_precondition) == ("irreversible", False, True)

    def test_the_reason_is_not_its_identity(self) -> None:
        (tool,) = service_tools(Rehearsal())
        keys = {
            tool.key(
                tool.validate({"service": "orders-api", "host": "web-1", "reason": reason}),
                run_id="r",
                thread_id="t",
                tenant="acme",
            )
            for reason in ("it is down", "it does not answer")
        }
        assert len(keys) == 1

    @pytest.mark.anyio
    async def test_what_cannot_be_restarted_is_refused_before_anybody_is_asked(
        self, tmp_path: Path, ctx: ToolContext
    ) -> None:
        (tool,) = service_tools(control(tmp_path))

        async def facts(service: str) -> Any:
            args = {"service": service, "reason": "it is down", "host": HERE}
            return await tool.facts(args, ctx, timeout=5.0, threads=Threads())

        assert await facts("orders-api") == {"restartable": True}
        refused = await facts("sshd")
        assert refused.error.kind == "authorization"
        assert "nothing was restarted" in refused.error.message

    @pytest.mark.parametrize("service", ["", "-rf", "a b", "a;b", "../x", "x" * 200])
    def test_a_name_that_is_none_is_refused(self, service: str) -> None:
        (tool,) = service_tools(Rehearsal())
        with pytest.raises(ValueError, match="service"):
            tool.validate({"service": service, "reason": "it is down"})
