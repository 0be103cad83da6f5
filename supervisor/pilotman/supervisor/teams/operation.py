"""The operator's tools: what changes something. What may happen without a person is for the policy to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from pilotman.agents import Tool, ToolContext, ToolFailure, tool
from pilotman.supervisor.teams.alertmanager import MAX_MINUTES, Alertmanager, Silence
from pilotman.supervisor.teams.services import ServiceControl
from pilotman.supervisor.teams.tickets import NewTicket, Severity, Ticket, TicketBook

Title = Annotated[str, Field(min_length=3, max_length=200, description="what is wrong, in a line")]
Body = Annotated[str, Field(max_length=8_000, description="what is known: findings, causes, next steps")]
RunbookUrl = Annotated[str, Field(max_length=2_000, description="the runbook that the alert itself names")]
Host = Annotated[str, Field(max_length=253, description="the host that the request names")]
Service = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][\w@.:-]*$", description="the service's name"),
]
Labels = Annotated[
    dict[str, str], Field(min_length=1, max_length=64, description="the alert's labels, exactly as they are")
]
Minutes = Annotated[int, Field(ge=5, le=MAX_MINUTES, description="for how long")]
Reason = Annotated[str, Field(min_length=3, max_length=500, description="why, for the person who approves")]
Queue = Annotated[
    Literal["incidents"], Field(description="where the ticket goes; a run opens one in a queue")
]


def ticket_tools(book: TicketBook) -> list[Tool[..., Any]]:
    """Opening a ticket: one a run, whatever words the agent chooses for it."""

    # The queue alone is the identity: another title, body or severity is not another ticket.
    @tool(effect="write", idempotency_key="{queue}", timeout=15.0, third_party=False)
    def open_ticket(
        title: Title,
        ctx: ToolContext,
        severity: Severity = "warning",
        host: Host = "",
        body: Body = "",
        runbook_url: RunbookUrl = "",
        queue: Queue = "incidents",
    ) -> dict[str, str]:
        """Open a ticket about an incident, with what was found out, for the people who will mend it."""
        del queue
        ticket = NewTicket(
            tenant=ctx.principal.tenant,
            key=ctx.idempotency_key,
            run_id=ctx.run_id,
            title=title,
            body=_headed(body.removeprefix(title).strip(), {"Host": host, "Runbook": runbook_url}),
            severity=severity,
        )
        return _receipt(book.create(ticket))

    @open_ticket.lookup
    def find_ticket(
        title: Title,
        ctx: ToolContext,
        severity: Severity = "warning",
        host: Host = "",
        body: Body = "",
        runbook_url: RunbookUrl = "",
        queue: Queue = "incidents",
    ) -> dict[str, str] | None:
        del title, severity, host, body, runbook_url, queue  # the key alone tells
        found = book.find(tenant=ctx.principal.tenant, key=ctx.idempotency_key)
        return None if found is None else _receipt(found)

    return [open_ticket]


def _headed(body: str, facts: Mapping[str, str]) -> str:
    """The body below those facts that it does not tell itself."""
    head = [f"{name}: {fact}" for name, fact in facts.items() if fact and fact not in body]
    return "\n\n".join(filter(None, ("\n".join(head), body)))


def silence_tools(alertmanager: Alertmanager) -> list[Tool[..., Any]]:
    """Silencing an alert for a while, and ending the silence again."""

    @tool(effect="write", idempotency_key="{labels}", timeout=15.0)
    def silence_alert(
        labels: Labels, reason: Reason, ctx: ToolContext, minutes: Minutes = 60
    ) -> dict[str, str]:
        """Silence the alert in Alertmanager for some minutes, by its exact labels, while people mend it."""
        user = f"{ctx.principal.user} by pilotman"
        made = alertmanager.silence(
            labels, minutes=minutes, comment=reason, created_by=user, key=ctx.idempotency_key
        )
        return _silenced(made)

    @silence_alert.lookup
    def find_silence(
        labels: Labels, reason: Reason, ctx: ToolContext, minutes: Minutes = 60
    ) -> dict[str, str] | None:
        del labels, reason, minutes  # the key alone tells
        found = alertmanager.find(ctx.idempotency_key)
        return None if found is None else _silenced(found)

    @silence_alert.compensate
    def end_silence(
        done: dict[str, str], labels: Labels, reason: Reason, ctx: ToolContext, minutes: Minutes = 60
    ) -> None:
        del labels, reason, ctx, minutes
        alertmanager.expire(done["silence_id"])

    return [silence_alert]


def service_tools(services: ServiceControl) -> list[Tool[..., Any]]:
    """Restarting a service: it cannot be taken back, and nobody can look up afterwards whether we did it."""

    @tool(effect="irreversible", idempotency_key="{service}:{host}", timeout=30.0)
    def restart_service(service: Service, reason: Reason, host: Host = "") -> dict[str, str]:
        """Restart a service on its host. What it was doing is lost; a person always decides."""
        del reason  # it is for the approver, who sees all arguments
        return {"summary": services.restart(service, host), "service": service, "host": host}

    @restart_service.precondition
    def can_be_restarted(service: Service, reason: Reason, host: Host = "") -> Mapping[str, Any]:
        del reason
        refusal = services.refusal(service, host)
        if refusal is not None:
            raise ToolFailure(f"{refusal}; nothing was restarted", kind="authorization")
        return {"restartable": True}

    return [restart_service]


def _receipt(ticket: Ticket) -> dict[str, str]:
    return {
        "summary": f"ticket {ticket.ticket_id}: {ticket.title}",
        "ticket_id": ticket.ticket_id,
        "status": ticket.status,
        "severity": ticket.severity,
    }


def _silenced(silence: Silence) -> dict[str, str]:
    return {
        "summary": f"silence {silence.silence_id} until {silence.ends_at}",
        "silence_id": silence.silence_id,
        "ends_at": silence.ends_at,
    }
