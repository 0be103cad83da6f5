"""The incident team: an alert in, a cited answer out; a ticket without a person, a restart never."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilotman.guardrails import Call, Decision, Label, Principal
from pilotman.guardrails.policy import decide
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Run, Supervisor
from pilotman.supervisor.teams import incident_team
from pilotman.supervisor.teams.incident import IncidentPolicy
from pilotman.supervisor.teams.probe import Probe
from pilotman.supervisor.teams.samples import sample_alert, sample_runbooks
from pilotman.supervisor.teams.services import Rehearsal
from pilotman.supervisor.teams.tickets import MemoryTicketBook

ALICE = Principal(tenant="acme", user="alice")
BOB = Principal(tenant="acme", user="bob")
Serve = Callable[[Callable[[Any], Any]], Any]


def runbooks() -> Corpus:
    ours = Label(author="user", trusted=True, tenant="acme")
    return Corpus([FolderSource(sample_runbooks(), label=ours)], embedding=None)


class Desk:
    """A team with what it writes to."""

    def __init__(self, **settings: Any) -> None:
        self.tickets = MemoryTicketBook()
        self.services = Rehearsal()
        self.team: Supervisor = incident_team(
            corpus=runbooks(), tickets=self.tickets, services=self.services, **settings
        )

    async def triage(self, alert: Any = None) -> Run:
        return await self.team.run(sample_alert() if alert is None else alert, principal=ALICE)


@asynccontextmanager
async def desk(**settings: Any) -> AsyncGenerator[Desk]:
    found = Desk(**settings)
    async with found.team:
        yield found


def statuses(run: Run) -> dict[str, str]:
    return {action.tool: action.status for action in run.actions}


@pytest.mark.anyio
async def test_the_main_job_opens_a_ticket_and_waits_with_the_restart() -> None:
    async with desk() as d:
        run = await d.triage()
        assert run.state == "ESCALATED"
        assert statuses(run) == {"open_ticket": "applied", "restart_service": "waiting"}
        assert [ticket.run_id for ticket in d.tickets.tickets(tenant="acme")] == [run.run_id]
        assert run.retrieved[0].source == "service-down.md"
        assert run.covered
        assert run.citations
        assert {task.agent for task in run.plan.tasks} == {"librarian", "diagnostician", "operator"}  # type: ignore[union-attr]
        (asked,) = run.pending
        assert asked.args["service"] == "orders-api"
        assert "cannot be taken back" in asked.reasons[0]
        assert d.services.requests == []


@pytest.mark.anyio
async def test_an_approved_restart_is_done_once_and_the_run_completes() -> None:
    async with desk() as d:
        run = await d.triage()
        await d.team.approve(run.pending[0].approval_id, principal=BOB)
        run = await d.team.resume(run.run_id, principal=ALICE)
        assert (run.state, statuses(run)) == (
            "COMPLETED",
            {"open_ticket": "applied", "restart_service": "applied"},
        )
        assert [service for service, _ in d.services.requests] == ["orders-api"]
        assert run.answer is not None
        assert "no service was touched" in run.answer
        assert len(d.tickets.tickets(tenant="acme")) == 1


@pytest.mark.anyio
async def test_a_rejected_restart_is_not_done_and_the_answer_says_so() -> None:
    async with desk() as d:
        run = await d.triage()
        await d.team.reject(run.pending[0].approval_id, principal=BOB, comment="not now")
        run = await d.team.resume(run.run_id, principal=ALICE)
        assert run.state == "COMPLETED"
        assert d.services.requests == []
        assert run.answer is not None
        assert "reject" in run.answer


@pytest.mark.anyio
async def test_the_same_alert_again_joins_the_first_run() -> None:
    async with desk() as d:
        first, second = await d.triage(), await d.triage()
        assert first.run_id == second.run_id
        assert len(d.tickets.tickets(tenant="acme")) == 1


@pytest.mark.anyio
async def test_a_resolved_alert_opens_no_ticket() -> None:
    alert = sample_alert()
    alert["status"] = alert["alerts"][0]["status"] = "resolved"
    alert["alerts"][0]["endsAt"] = "2026-11-02T10:00:00Z"
    async with desk() as d:
        run = await d.triage(alert)
        assert run.state == "COMPLETED"
        assert run.answer is not None
        assert run.answer.startswith("Resolved: ")
        assert d.tickets.tickets(tenant="acme") == []


@pytest.mark.anyio
async def test_another_host_is_not_observed_and_the_answer_says_so() -> None:
    async with desk() as d:
        run = await d.triage(sample_alert(host="web-99"))
        assert run.answer is not None
        assert "web-99 is not this machine" in run.answer
        assert "% full" not in run.answer


@pytest.mark.anyio
async def test_of_a_group_over_several_hosts_each_is_looked_at_or_named() -> None:
    here, there = sample_alert(), sample_alert(host="web-99")
    here["alerts"] += [{**there["alerts"][0], "fingerprint": "other"}]
    here["commonLabels"] = {}
    async with desk() as d:
        run = await d.triage(here)
        assert run.answer is not None
        assert "% full" in run.answer
        assert "host web-99 is not this machine" in run.answer


@pytest.mark.anyio
async def test_the_ticket_has_a_headline_and_all_that_was_found() -> None:
    alert = sample_alert(host="web-99")
    alert["commonAnnotations"]["description"] = 'It waits (reason: "CrashLoopBackOff") on web-99.'
    alert["commonAnnotations"]["runbook_url"] = "https://runbooks.example/service-down"
    async with desk() as d:
        await d.triage(alert)
        (ticket,) = d.tickets.tickets(tenant="acme")
    assert ticket.title == "ServiceDown on web-99"
    assert ticket.body.startswith(
        "Runbook: https://runbooks.example/service-down\n\nSummary: Service orders-api"
    )
    for said in ("CrashLoopBackOff", "\n\nWhat the documents say:\n- ", "(service-down.md)", "Disk usage, "):
        assert said in ticket.body
    assert "Triage this alert" not in ticket.body


@pytest.mark.anyio
async def test_this_machine_stands_in_where_its_user_said_so() -> None:
    async with desk(observe_here=True) as d:
        run = await d.triage(sample_alert(host="web-99"))
        assert run.answer is not None
        assert "asked about web-99; this machine was observed" in run.answer


@pytest.mark.anyio
async def test_prometheus_is_asked_for_the_alerts_own_expression(serve: Serve) -> None:
    sample: dict[str, Any] = {"metric": {}, "value": [1763446440.1, "0"]}
    body: dict[str, Any] = {"status": "success", "data": {"resultType": "vector", "result": [sample]}}
    prometheus = serve(lambda _: (200, body))
    async with desk(prometheus_url=prometheus.url) as d:
        run = await d.triage()
    asked = {seen.query["query"] for seen in prometheus.requests}
    assert 'probe_success{service="orders-api"} == 0' in asked
    assert "query_metrics" in run.tools_called


@pytest.mark.anyio
async def test_a_prometheus_that_is_gone_does_not_stop_the_run(serve: Serve) -> None:
    async with desk(prometheus_url=serve(lambda _: (503, b"")).url) as d:
        run = await d.triage()
        assert statuses(run)["open_ticket"] == "applied"
        assert any("query_metrics" in caveat for caveat in run.caveats)


def call(tool: str, effect: Any, **args: Any) -> Call:
    return Call(tool=tool, args=args, effect=effect, principal=ALICE)


class TestPolicy:
    policy = IncidentPolicy(Probe(["shop.example"]))

    @pytest.mark.parametrize(
        ("asked", "verdict"),
        [
            (call("disk_usage", "read", host="x"), "allow"),
            (call("open_ticket", "write", title="t"), "allow"),
            (call("silence_alert", "write", labels={"a": "b"}, minutes=60), "escalate"),
            (call("restart_service", "irreversible", service="s", host="h"), "escalate"),
            (call("probe_http", "egress", url="https://shop.example/health"), "allow"),
            (call("probe_http", "egress", url="https://elsewhere.example/"), "deny"),
            (call("format_disk", "irreversible", device="/dev/sda"), "deny"),
            (call("send_mail", "egress", to="x"), "deny"),
            (Call(tool="thing", args={}, effect="read", declared=False), "deny"),
        ],
    )
    def test_it_decides_as_the_team_promises(self, asked: Call, verdict: str) -> None:
        assert decide([self.policy], asked).verdict == verdict

    def test_without_an_allow_list_nothing_is_probed(self) -> None:
        asked = call("probe_http", "egress", url="https://shop.example/")
        assert decide([IncidentPolicy()], asked).verdict == "deny"

    def test_its_version_changes_with_the_allow_list(self) -> None:
        versions = {
            IncidentPolicy().version,
            self.policy.version,
            IncidentPolicy(Probe(["a.example"])).version,
        }
        assert len(versions) == 3

    def test_a_persons_yes_counts_for_a_restart(self) -> None:
        asked = Call(tool="restart_service", args={"service": "s"}, effect="irreversible", approved_by=BOB)
        assert decide([self.policy], asked).verdict == "allow"


@pytest.mark.anyio
async def test_a_further_policy_must_agree() -> None:
    def no_tickets(asked: Call) -> Decision | None:
        return Decision.deny("not in this tenant") if asked.tool == "open_ticket" else None

    async with desk(policy=[no_tickets]) as d:
        run = await d.triage()
        assert d.tickets.tickets(tenant="acme") == []
        assert statuses(run)["open_ticket"] == "denied"
