"""The incident team: an alert comes in; what is known, what is wrong and what was done about it come out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from opentelemetry.trace import TracerProvider
from pydantic import BaseModel

from pilotman.agents import Models, Specialist, Tool
from pilotman.guardrails import Budget, Call, Decision, Policy
from pilotman.memory import Memory
from pilotman.retrieval import Corpus
from pilotman.supervisor import Intake, Supervisor
from pilotman.supervisor.teams import triage
from pilotman.supervisor.teams.alertmanager import Alertmanager
from pilotman.supervisor.teams.diagnosis import host_tools, metric_tools, probe_tools
from pilotman.supervisor.teams.earlier import EarlierRuns, earlier_tools
from pilotman.supervisor.teams.host import Machine
from pilotman.supervisor.teams.operation import service_tools, silence_tools, ticket_tools
from pilotman.supervisor.teams.probe import Probe
from pilotman.supervisor.teams.prometheus import Prometheus
from pilotman.supervisor.teams.services import Rehearsal, ServiceControl
from pilotman.supervisor.teams.tickets import MemoryTicketBook, TicketBook

DESCRIPTION = (
    "Triages alerts: looks up runbooks, inspects the affected system, opens tickets, proposes remediations."
)
"""The team, as the planner of an outer team sees it."""

LIBRARIAN = (
    "Looks up runbooks and earlier runs: what an alert means, its impact, how others diagnosed and mended it."
)
LIBRARIAN_PROMPT = """\
Find the runbook that treats this very alert, and earlier runs on it. Quote literally what the runbook says \
about meaning, diagnosis and mitigation; name its source. If no runbook treats this alert, say so: a runbook \
about something similar is no substitute."""
DIAGNOSTICIAN = (
    "Inspects the affected system and changes nothing: disks, memory, load, processes and sockets of a host,"
    " metrics, probes."
)
DIAGNOSTICIAN_PROMPT = """\
Find out how the affected host and service are right now, as far as it matters for this alert. Give \
figures with the host on which they were observed. Facts of another host than the alert's are not facts \
about the alert. If the host could not be observed, say so plainly. Separate what you observed from what \
you conclude."""
OPERATOR = (
    "Acts on an incident: opens the ticket, silences the alert, restarts a service."
    " Needs what the others found."
)
OPERATOR_PROMPT = """\
Open one ticket with a title that says what is wrong and where, and a body with the findings and the \
runbook's next steps. Propose to restart a service only if the alert names it and the runbook says that a \
restart is the remedy; give the reason. Silence an alert only if the request asks for it. A person decides \
about both: say that it waits."""


@dataclass(frozen=True)
class IncidentPolicy:
    """What the incident team may do by itself: look, probe hosts on the allow-list, open a ticket.

    A silence and a restart ask a person; anything else is not for this policy to say.
    """

    probe: Probe | None = None

    @property
    def version(self) -> str:
        """Changes with the allow-list."""
        hosts = sorted(f"{host}:{port}" for host, port in self.probe.hosts) if self.probe else []
        return "incident-1+" + hashlib.sha256(" ".join(hosts).encode()).hexdigest()[:8]

    def __call__(self, call: Call, /) -> Decision | None:
        if call.effect == "read" and call.declared:
            return Decision.allow("the incident team may look")
        match call.tool:
            case "probe_http":
                return self._probe(str(call.args.get("url", "")))
            case "open_ticket":
                return Decision.allow("the incident team opens its ticket without a person")
            case "silence_alert":
                minutes = call.args.get("minutes")
                return Decision.escalate(f"nobody would be told of this alert for {minutes} minutes")
            case "restart_service":
                where = call.args.get("host") or "its host"
                return Decision.escalate(
                    f"a restart of {call.args.get('service')} on {where} interrupts its users"
                    " and cannot be taken back"
                )
            case _:
                return None

    def _probe(self, url: str) -> Decision:
        refusal = "no host is on the allow-list" if self.probe is None else self.probe.refusal(url)
        return Decision.allow("the host is on the allow-list") if refusal is None else Decision.deny(refusal)


def incident_team(
    *,
    models: Models | None = None,
    memory: Memory | None = None,
    corpus: Corpus | None = None,
    budget: Budget | None = None,
    tickets: TicketBook | None = None,
    prometheus_url: str | None = None,
    alertmanager_url: str | None = None,
    probe_hosts: Collection[str] = (),
    observe_here: bool = False,
    services: ServiceControl | None = None,
    policy: Sequence[Policy] = (),
    tracer_provider: TracerProvider | None = None,
    clock: Callable[[], datetime] | None = None,
) -> Supervisor:
    """A team for Alertmanager's webhooks. What is not configured is not offered, except a rehearsed restart.

    ``tickets`` is where tickets go (default: this process' memory), ``probe_hosts`` may be probed over HTTP,
    ``observe_here`` lets this machine stand in for the alert's host. ``policy`` has further policies, which
    must agree with the team's own.
    """
    machine = Machine(observe_here=observe_here, clock=clock)
    probe = Probe(probe_hosts) if probe_hosts else None
    prometheus = Prometheus(prometheus_url) if prometheus_url else None
    alertmanager = Alertmanager(alertmanager_url, clock=clock) if alertmanager_url else None
    book = tickets or MemoryTicketBook(clock=clock)
    looks = _looks(machine, prometheus, probe)
    acts = _acts(book, alertmanager, services or Rehearsal())
    earlier = EarlierRuns()
    team = Supervisor(
        "incident",
        _members(earlier, looks, acts),
        description=DESCRIPTION,
        models=models,
        policy=[IncidentPolicy(probe), *policy],
        budget=budget,
        memory=memory,
        corpus=corpus,
        intake=_IntakeHere(machine.name) if observe_here else triage.intake,
        tracer_provider=tracer_provider,
        clock=clock,
    )
    earlier.team = team
    return team


def _members(
    earlier: EarlierRuns, looks: list[Tool[..., Any]], acts: list[Tool[..., Any]]
) -> list[Specialist]:
    return [
        Specialist("librarian", LIBRARIAN, tools=earlier_tools(earlier), prompt=LIBRARIAN_PROMPT),
        Specialist("diagnostician", DIAGNOSTICIAN, tools=looks, prompt=DIAGNOSTICIAN_PROMPT),
        Specialist("operator", OPERATOR, tools=acts, prompt=OPERATOR_PROMPT),
    ]


def _looks(machine: Machine, prometheus: Prometheus | None, probe: Probe | None) -> list[Tool[..., Any]]:
    return [
        *host_tools(machine),
        *(metric_tools(prometheus) if prometheus else ()),
        *(probe_tools(probe) if probe else ()),
    ]


def _acts(
    book: TicketBook, alertmanager: Alertmanager | None, services: ServiceControl
) -> list[Tool[..., Any]]:
    return [
        *ticket_tools(book),
        *(silence_tools(alertmanager) if alertmanager else ()),
        *service_tools(services),
    ]


@dataclass(frozen=True)
class _IntakeHere:
    """The intake of a team whose user said that this machine is meant: it is the host where none is named."""

    host: str

    def __call__(self, request: str | Mapping[str, Any] | BaseModel) -> Intake:
        taken = triage.intake(request)
        here = {"hosts": [self.host], "host": self.host}
        return taken if "host" in taken.facts else replace(taken, facts={**taken.facts, **here})
