"""Who drives a run: a process, named so that others can tell whether it still lives."""

from __future__ import annotations

import os
import socket
import uuid

import psutil

_TOLERANCE = 1.5
"""Seconds. The kernel's boot time is in whole seconds and may tick between two readings."""


def owner_name() -> str:
    """A new identity of this process: ``host:pid:start time in seconds after boot:random``."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_started(pid) or 0:.2f}:{uuid.uuid4().hex[:12]}"


def is_dead(owner: str) -> bool:
    """Whether that process is certainly gone.

    Only a process of this host can be known to be dead: none has its number, or one that started at another
    time. About other hosts, and about names of another form, only a lease can tell: False.
    """
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or parts[0] != _host():
        return False
    try:
        pid, started = int(parts[1]), float(parts[2])
    except ValueError:
        return False
    now = _started(pid)
    return now is None or abs(now - started) > _TOLERANCE


def _host() -> str:
    """This host and its table of processes: containers may share a name, not process numbers."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    digits = "".join(filter(str.isdigit, namespace))
    return f"{socket.gethostname()}/{digits}"


def _started(pid: int) -> float | None:
    """Seconds after boot, which unlike a time of day no clock adjustment moves; None: no such process."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        boot = psutil.boot_time()
        return process.create_time() - boot
    except psutil.NoSuchProcess:
        return None
