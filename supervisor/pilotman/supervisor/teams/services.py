"""Restarting services: the port, a rehearsal that restarts nothing, and a command of the user's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Sequence
from typing import Protocol

from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor.teams.host import Machine


class ServiceControl(Protocol):
    """The port. Its methods may block: they are called from a thread."""

    def refusal(self, service: str, host: str) -> str | None:
        """Why this service cannot be restarted there, or None. Asked before a person is."""
        ...

    def restart(self, service: str, host: str) -> str:
        """Restart it and say in a sentence what came of it."""
        ...


class Rehearsal:
    """What stands in where no service manager is configured. It restarts nothing, and says so."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []

    def refusal(self, service: str, host: str) -> str | None:  # noqa: ARG002 (anything may be rehearsed)
        return None

    def restart(self, service: str, host: str) -> str:
        self.requests.append((service, host))
        return (
            "rehearsal only: no service manager is configured, so the request was recorded"
            " and no service was touched"
        )


class CommandControl:
    """Restarts services on an allow-list by a command, without a shell.

    ``command`` is a template such as ``("systemctl", "restart", "{service}")``. Without a ``{host}`` in it
    only services of this machine can be restarted. ``timeout`` is seconds.

    Raises:
        ConfigurationError: the template does not say where the service's name goes, or no service is allowed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        services: Collection[str],
        machine: Machine | None = None,
        timeout: float = 25.0,
    ) -> None:
        if not command or not any("{service}" in part for part in command[1:]):
            raise ConfigurationError(
                "the restart command does not name the service", hint="such as systemctl restart {service}"
            )
        if isinstance(services, str) or not services:
            raise ConfigurationError("no service may be restarted", hint="list the names of those that may")
        self._command = tuple(command)
        self._services = frozenset(services)
        self._machine = machine or Machine()
        self._timeout = timeout

    def refusal(self, service: str, host: str) -> str | None:
        if service not in self._services:
            return f"{service} is not among the services that may be restarted"
        if shutil.which(self._command[0]) is None:
            return f"there is no command {self._command[0]}"
        if any("{host}" in part for part in self._command):
            # A value that begins with a dash would be an option of the command.
            return None if host and not host.startswith("-") else "the request names no host"
        return None if self._machine.is_called(host) else f"{host or 'no host'} is not this machine"

    def restart(self, service: str, host: str) -> str:
        """Run the command.

        Raises:
            PermissionError: it is refused; nothing was started.
            subprocess.TimeoutExpired: the command did not end and was killed; the service may be anything.
            RuntimeError: the command failed; it may have stopped the service without starting it again.
        """
        refusal = self.refusal(service, host)
        if refusal is not None:
            raise PermissionError(f"{refusal}; nothing was restarted")
        words = [part.replace("{service}", service).replace("{host}", host) for part in self._command]
        done = subprocess.run(  # noqa: S603 (the user's own command; service and host were checked)
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=self._timeout,
            check=False,
        )
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[:300]
            raise RuntimeError(f"{words[0]} failed ({done.returncode}): {said}")
        return f"{service} was restarted on {host}."
