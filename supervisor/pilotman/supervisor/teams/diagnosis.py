"""The diagnostician's tools: reads only, each naming what was observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from pilotman.agents import Tool, ToolResult, tool
from pilotman.supervisor.teams.host import Machine, Observed, disks, load, memory, processes, sockets
from pilotman.supervisor.teams.probe import Probe
from pilotman.supervisor.teams.prometheus import Prometheus, Reading, up

MAX_HOSTS = 100
HostName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=253)]
Hosts = Annotated[
    list[HostName],
    Field(min_length=1, max_length=MAX_HOSTS, description="all hosts that the request names"),
]
Mount = Annotated[str, Field(max_length=1_000, description="a mount point that the request names")]
Service = Annotated[str, Field(max_length=128, description="a service that the request names")]
Instance = Annotated[
    str, Field(min_length=1, max_length=300, description="the instance as Prometheus labels it")
]
Expression = Annotated[str, Field(min_length=1, max_length=4_000, description="PromQL, an instant query")]
Url = Annotated[
    str, Field(min_length=8, max_length=2_000, pattern=r"^https?://", description="what to fetch")
]


def host_tools(machine: Machine) -> list[Tool[..., Any]]:
    """Facts of a host, seen from the machine that we run on; of other hosts it says that nothing was seen."""

    def look(hosts: list[str], at: Callable[[], Observed]) -> ToolResult:
        facts, missing = machine.observe(hosts, at)
        return ToolResult.partial(facts, missing) if missing else ToolResult.ok(facts)

    @tool(effect="read")
    def disk_usage(hosts: Hosts, mountpoint: Mount = "") -> ToolResult:
        """Inspect the disks of hosts: how full each file system is, free space, inodes, by mount point."""
        return look(hosts, lambda: disks(mountpoint))

    @tool(effect="read")
    def memory_usage(hosts: Hosts) -> ToolResult:
        """Inspect the memory of hosts: used and available RAM, and swap. For out-of-memory trouble."""
        return look(hosts, memory)

    @tool(effect="read")
    def system_load(hosts: Hosts) -> ToolResult:
        """Inspect the load of hosts: load averages, processor (CPU) use, cores, uptime since boot."""
        return look(hosts, load)

    @tool(effect="read")
    def running_processes(hosts: Hosts, service: Service = "") -> ToolResult:
        """Inspect the processes of hosts: which use most CPU and memory, whether a service runs."""
        return look(hosts, lambda: processes(service))

    @tool(effect="read")
    def network_sockets(hosts: Hosts) -> ToolResult:
        """Inspect the network sockets of hosts: listening ports, and connections that services have open."""
        return look(hosts, sockets)

    return [disk_usage, memory_usage, system_load, running_processes, network_sockets]


def metric_tools(prometheus: Prometheus) -> list[Tool[..., Any]]:
    """Instant queries to one Prometheus."""

    @tool(effect="read")
    def query_metrics(expression: Expression) -> ToolResult:
        """Query metrics of the system in Prometheus: the value of an expression, such as the alert's."""
        return _told(prometheus.query(expression))

    @tool(effect="read")
    def scrape_status(instance: Instance) -> ToolResult:
        """Inspect whether Prometheus reaches an instance: 1 is up, 0 is down, no series is unknown to it."""
        return _told(prometheus.query(up(instance)))

    return [query_metrics, scrape_status]


def probe_tools(probe: Probe) -> list[Tool[..., Any]]:
    """HTTP probes of the hosts on the allow-list."""

    @tool(effect="egress")
    def probe_http(url: Url) -> dict[str, Any]:
        """Probe the URL of a system over HTTP: status, latency, redirects, expiry of its certificate."""
        found = probe.get(url)
        redirected = f" after {len(found['redirects'])} redirects" if found["redirects"] else ""
        summary = f"{found['url']} answered {found['status']} in {found['latency_ms']} ms{redirected}."
        return {"summary": summary, **found}

    return [probe_http]


def _told(reading: Reading) -> ToolResult:
    value = {
        "summary": reading.summary,
        "series": [dict(row) for row in reading.series],
        "total": reading.total,
    }
    caveats = list(reading.warnings)
    if reading.total > len(reading.series):
        caveats.append(f"{len(reading.series)} of {reading.total} series are shown")
    return ToolResult.partial(value, *caveats) if caveats else ToolResult.ok(value)
