"""One life of a process that drives a run, and dies on cue.

``when``: ``never``; ``commit:N`` and ``committed:N``, just before and just after the n-th commit of the
journal (and its parked graphs); ``before``, ``during`` and ``after`` the ticket service's write.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from pilotman.agents import Specialist, ToolContext, tool
from pilotman.guardrails import Principal
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task
from pilotman.supervisor.teams.ticket_client import HTTPTicketBook
from pilotman.supervisor.teams.tickets import NewTicket

PLAN = Plan(
    (
        Task(task_id="look", agent="looker", goal="look at web-1"),
        Task(task_id="act", agent="ops", goal="open a ticket about the disk of web-1", depends_on=("look",)),
    )
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def desk(folder: Path, url: str, when: str = "never", *, look_up: bool = True) -> Supervisor:
    """A looker, and a nested team whose operator opens tickets in the service at ``url``.

    Without ``look_up`` its author says that the service knows keys.
    """
    book = HTTPTicketBook(url)

    @tool(effect="read")
    async def disk_usage(host: str) -> str:
        """Free space of a host's disk."""
        return f"{host}: 97% of /var used"

    @tool(effect="write", timeout=5, idempotency_key=None if look_up else "{title}")
    def open_ticket(title: str, ctx: ToolContext) -> str:
        """Open a ticket."""
        if when == "before":
            die()
        if when == "during":  # the service has the request, we have no reply
            threading.Timer(0.2, die).start()
        key, tenant = ctx.idempotency_key, ctx.principal.tenant
        written = book.create(NewTicket(tenant=tenant, key=key, run_id=ctx.run_id, title=title))
        if when == "after":
            die()
        return written.ticket_id

    def find(title: str, ctx: ToolContext) -> str | None:
        found = book.find(tenant=ctx.principal.tenant, key=ctx.idempotency_key)
        return None if found is None else found.ticket_id

    if look_up:
        open_ticket.lookup(find)

    operator = Specialist("operator", "Opens tickets.", tools=[open_ticket])
    ops = Supervisor("ops", [operator], description="Opens tickets about disks.")
    looker = Specialist("looker", "Looks at the disks of hosts.", tools=[disk_usage])
    return Supervisor("desk", [looker, ops], memory=Memory(f"sqlite:///{folder}/j.db"))


async def drive(team: Supervisor, tenant: str, *, approve: bool) -> Run:
    """What a person would do: send the request again if there is no run, else resume it; say yes if asked."""
    alice = Principal(tenant=tenant, user="alice")
    request = "the disk of web-1 is full: open a ticket about it"
    async with team:
        run = await team.run(request, principal=alice, plan=PLAN, idempotency_key="k")
        while approve and run.pending:
            for asked in run.pending:
                await team.approve(asked.approval_id, principal=alice, digest=asked.digest)
            run = await team.resume(run.run_id, principal=alice)
        if approve and not run.ended:
            run = await team.resume(run.run_id, principal=alice)
    return run


def count_commits(when: str) -> Callable[[], int]:
    """Die at the commit that ``when`` names; returns how many there were."""
    commits = 0
    commit: Any = DefaultDialect.do_commit

    def counted(self: Any, connection: Any) -> None:
        nonlocal commits
        commits += 1
        number = commits
        if when == f"commit:{number}":
            die()
        commit(self, connection)
        if when == f"committed:{number}":
            die()

    DefaultDialect.do_commit = counted  # type: ignore[method-assign]
    return lambda: commits


def life(folder: Path, url: str, when: str, approve: bool, told: Any, look_up: bool = True) -> None:
    """The whole life; tells its number of commits if it gets to its end."""
    count = count_commits(when)
    asyncio.run(drive(desk(folder, url, when, look_up=look_up), folder.name, approve=approve))
    told.send(count())
