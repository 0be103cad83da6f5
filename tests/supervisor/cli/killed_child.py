"""``pilotman`` in a process that kills itself on cue: at its n-th commit, or around the write.

python killed_child.py WHEN pilotman-arguments…        WHEN: never, commit:N, before, during, after
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from pilotman.supervisor.cli import main
from pilotman.supervisor.teams.ticket_client import HTTPTicketBook
from pilotman.supervisor.teams.tickets import NewTicket, Ticket

when = sys.argv[1]
commits = 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@event.listens_for(Engine, "commit")
def committing(_: Any) -> None:
    global commits
    commits += 1
    if when == f"commit:{commits}":
        die()


create = HTTPTicketBook.create


def fatal(book: HTTPTicketBook, ticket: NewTicket, /) -> Ticket:
    """Creates a ticket and dies before, while or after the service does it."""
    if when == "before":
        die()
    if when == "during":  # the service takes its time: it has the request, we have no reply
        threading.Timer(0.3, die).start()
    written = create(book, ticket)
    if when == "after":
        die()
    return written


HTTPTicketBook.create = fatal  # type: ignore[method-assign]
sys.argv = ["pilotman", *sys.argv[2:]]
try:
    main()
finally:
    sys.stderr.write(f"\ncommits={commits}\n")
