"""Facts of a host, read from the operating system by psutil. Every fact names the host that was observed."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import psutil

GIB = 2**30
SAMPLE_SECONDS = 0.3
"""How long processor use is measured."""

Facts: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One look at a host: ``summary`` is a sentence, ``facts`` are numbers, ``missing`` could not be read."""

    summary: str
    facts: Facts
    missing: str = ""


class Machine:
    """The machine that this process runs on. It answers for a host only where the two are known to be one.

    ``aliases`` are further names of it. With ``observe_here`` it stands in for every host, and says so.
    """

    def __init__(
        self,
        *,
        aliases: Iterable[str] = (),
        observe_here: bool = False,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.name = socket.gethostname()
        self._aliases = frozenset(alias.lower() for alias in aliases)
        self._observe_here = observe_here
        self._clock = clock or (lambda: datetime.now(UTC))

    def is_called(self, host: str) -> bool:
        """Whether ``host`` names this machine: its host name, full name, an address of it, or loopback."""
        wanted = host.strip().lower().rstrip(".")
        own = self.name.lower()
        if wanted in {own, "localhost", *self._aliases}:
            return True
        try:
            return _is_own(ipaddress.ip_address(wanted))
        except ValueError:
            # Another site may have a host of the same short name: a full name has to match in full.
            same_short_name = wanted.split(".")[0] == own.split(".")[0]
            return same_short_name and wanted == socket.getfqdn().lower().rstrip(".")

    def observe(self, hosts: Sequence[str], look: Callable[[], Observed]) -> tuple[Facts, str]:
        """What ``look`` sees as facts about ``hosts``, and what is missing: the hosts that are others."""
        others = [host for host in hosts if not self.is_called(host)]
        about: Facts = {"hosts": [*hosts], "observed_at": self._clock().astimezone(UTC).isoformat()}
        unseen = "" if self._observe_here else self._unseen(others)
        if len(others) == len(hosts) and not self._observe_here:
            return {"summary": unseen, **about, "observed_host": None}, unseen
        seen = look()
        stands_in = f" (asked about {_listed(others)}; this machine was observed as its user said)"
        note = stands_in if self._observe_here and others else ""
        summary = f"observed on {self.name}{note}: {seen.summary}"
        missing = "; ".join(filter(None, (unseen, seen.missing)))
        return {"summary": summary, **about, "observed_host": self.name, **seen.facts}, missing

    def _unseen(self, others: Sequence[str]) -> str:
        if not others:
            return ""
        if len(others) == 1:
            return f"host {others[0]} is not this machine ({self.name}): it was not observed"
        return f"hosts {_listed(others)} are not this machine ({self.name}): they were not observed"


def disks(mountpoint: str = "") -> Observed:
    """Use of each mounted file system, the fullest first; ``mountpoint`` is looked at before the others."""
    mounts = sorted(_mounts(), key=lambda m: (m["mount"] != mountpoint, -m["used_percent"]))[:20]
    first = mounts[0] if mounts else None
    if first is None:
        return Observed(
            summary="no mounted disk can be seen", facts={"disks": []}, missing="no disk is visible"
        )
    inodes = (
        "" if first["inodes_used_percent"] is None else f", {first['inodes_used_percent']}% of inodes used"
    )
    space = f"{first['free_gib']} GiB of {first['size_gib']} GiB free"
    which = "" if first["mount"] == mountpoint or len(mounts) == 1 else ", the fullest disk"
    summary = f"{first['mount']} is {first['used_percent']}% full ({space}{inodes}){which}."
    known = not mountpoint or first["mount"] == mountpoint
    missing = "" if known else f"nothing is mounted at {mountpoint}"
    return Observed(summary=summary, facts={"disks": mounts}, missing=missing)


def memory() -> Observed:
    """Memory and swap."""
    ram = psutil.virtual_memory()
    facts: Facts = {
        "memory_used_percent": round(ram.percent, 1),
        "memory_available_gib": round(ram.available / GIB, 2),
        "memory_size_gib": round(ram.total / GIB, 2),
    }
    try:
        swap = psutil.swap_memory()
        facts |= {"swap_used_percent": round(swap.percent, 1), "swap_size_gib": round(swap.total / GIB, 2)}
        swapped = (
            f"; {facts['swap_used_percent']}% of {facts['swap_size_gib']} GiB swap is used"
            if swap.total
            else ""
        )
    except (OSError, RuntimeWarning):  # psutil warns where a container hides /proc/vmstat
        swapped = "; swap cannot be read"
    used, free, size = (facts[f"memory_{n}"] for n in ("used_percent", "available_gib", "size_gib"))
    summary = f"memory is {used}% used ({free} GiB of {size} GiB available){swapped}."
    return Observed(summary=summary, facts=facts)


def load() -> Observed:
    """Load averages over 1, 5 and 15 minutes, processor use now, and hours since the boot."""
    one, five, fifteen = (round(value, 2) for value in psutil.getloadavg())
    cores = psutil.cpu_count() or 1
    busy = round(psutil.cpu_percent(interval=SAMPLE_SECONDS), 1)
    hours = round((time.time() - psutil.boot_time()) / 3600, 1)
    facts = {
        "load_1m": one,
        "load_5m": five,
        "load_15m": fifteen,
        "cores": cores,
        "cpu_percent": busy,
        "up_hours": hours,
    }
    loads = f"the load is {one} (1 min), {five} (5 min), {fifteen} (15 min) on {cores} cores"
    return Observed(summary=f"{loads}; the processor is {busy}% busy; up for {hours} hours.", facts=facts)


def processes(service: str = "", *, most: int = 5) -> Observed:
    """The processes that use most processor time and memory, and those named like ``service``. Names only:
    command lines may hold secrets."""
    running = _running()
    by_cpu = sorted(running, key=lambda p: -p["cpu_percent"])[:most]
    by_memory = sorted(running, key=lambda p: -p["memory_mib"])[:most]
    facts: Facts = {"processes": len(running), "by_cpu": by_cpu, "by_memory": by_memory}
    top = f"{len(running)} processes run; most processor time: {_named(by_cpu[:1], 'cpu_percent', '%')}, "
    top += f"most memory: {_named(by_memory[:1], 'memory_mib', ' MiB')}."
    if service:
        mine = [p for p in running if same_service(service, p["name"])]
        facts["of_service"] = mine[:most]
        count = f"{len(mine)} of them" if mine else "none of them"
        top += f" By its name {count} belong{'s' if len(mine) < 2 else ''} to {service}."
    return Observed(summary=top, facts=facts)


def sockets() -> Observed:
    """Listening TCP sockets with their processes, and the number of connections in each state."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, PermissionError):
        reason = "sockets can only be read with more rights"
        return Observed(summary=f"{reason}.", facts={"listening": []}, missing=reason)
    rows: set[tuple[int, str, str]] = set()
    for c in connections:
        if c.status == "LISTEN" and c.laddr:
            rows.add((c.laddr.port, c.laddr.ip, _name(c.pid)))
    listening = [{"address": ip, "port": port, "process": name} for port, ip, name in sorted(rows)]
    states = dict(Counter(c.status.lower() for c in connections if c.status not in {"LISTEN", "NONE"}))
    ports = ", ".join(str(port) for port in sorted({port for port, _, _ in rows})[:12]) or "none"
    facts: Facts = {"listening": listening[:40], "connections": states}
    summary = f"listening TCP ports: {ports}; {states.get('established', 0)} established connections."
    return Observed(summary=summary, facts=facts)


def same_service(service: str, process: str) -> bool:
    """Whether a process is named like a service: ``sshd`` for ``ssh``, ``postgres`` for ``postgresql``."""
    stem, name = service.lower().removesuffix(".service"), process.lower()
    return name.startswith(stem) or (len(name) >= 4 and stem.startswith(name))


def _listed(hosts: Sequence[str], most: int = 5) -> str:
    more = f" and {len(hosts) - most} more" if len(hosts) > most else ""
    return f"{', '.join(hosts[:most])}{more}"


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address.is_loopback:
        return True
    own = (entry.address.split("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries)
    return str(address) in own


def _mounts() -> list[Facts]:
    """One row a device: a device that is mounted several times is shown where its path is shortest."""
    by_device: dict[str, str] = {"/": "/"} if os.path.ismount("/") else {}
    for part in psutil.disk_partitions(all=False):
        known = by_device.get(part.device)
        if part.fstype != "squashfs" and (known is None or len(part.mountpoint) < len(known)):
            by_device[part.device] = part.mountpoint
    rows = (_usage(mount) for mount in dict.fromkeys(by_device.values()))
    return [row for row in rows if row is not None]


def _usage(mount: str) -> Facts | None:
    try:
        usage = psutil.disk_usage(mount)
        inodes = _inodes(mount)
    except OSError:
        return None
    if usage.total == 0:
        return None
    return {
        "mount": mount,
        "used_percent": round(usage.percent, 1),
        "free_gib": round(usage.free / GIB, 2),
        "size_gib": round(usage.total / GIB, 2),
        "inodes_used_percent": inodes,
    }


def _inodes(mount: str) -> float | None:
    if not hasattr(os, "statvfs"):
        return None
    stat = os.statvfs(mount)
    return round(100 * (stat.f_files - stat.f_ffree) / stat.f_files, 1) if stat.f_files else None


def _running() -> list[Facts]:
    """All processes with their use of one core over ``SAMPLE_SECONDS`` and their resident memory."""
    seen = list(psutil.process_iter())
    for process in seen:
        _quietly(process.cpu_percent)
    time.sleep(SAMPLE_SECONDS)
    rows: list[Facts] = []
    for process in seen:
        try:
            with process.oneshot():
                used, rss = process.cpu_percent(), process.memory_info().rss
                row = {"pid": process.pid, "name": process.name()[:100]}
        except psutil.Error:
            continue
        rows.append({**row, "cpu_percent": round(used, 1), "memory_mib": round(rss / 2**20, 1)})
    return rows


def _quietly(read: Callable[[], object]) -> None:
    try:
        read()
    except psutil.Error:
        return


def _name(pid: int | None) -> str:
    if pid is None:
        return ""
    try:
        return psutil.Process(pid).name()[:100]
    except psutil.Error:
        return ""


def _named(rows: Sequence[Facts], field: str, unit: str) -> str:
    return ", ".join(f"{row['name']} ({row[field]}{unit})" for row in rows) or "unknown"
