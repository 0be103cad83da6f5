"""``pilotman`` in a process that kills itself on cue: at its n-th commit, or around the write."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from pilotman.supervisor.cli import main
from pilotman.supervisor.teams.ticket_client import HTTPTicketBook
from pilotman.supervisor.teams.tickets import NewTicket, Ticket

OUTPUT, ERRORS = "output.txt", "errors.txt"


def life(when: str, args: Sequence[str], folder: Path) -> None:
    """One call of the command line; ``when``: never, commit:N, before, during, after. It prints to files."""
    for stream, name in ((sys.stdout, OUTPUT), (sys.stderr, ERRORS)):
        stream.flush()
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
    dying(when)
    sys.argv = ["pilotman", *args]
    main()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(when: str) -> None:
    """Lie in wait for the place that ``when`` names."""
    commits = 0
    create = HTTPTicketBook.create

    @event.listens_for(Engine, "commit")
    def committing(_: Any) -> None:
        nonlocal commits
        commits += 1
        if when == f"commit:{commits}":
            die()

    def fatal(book: HTTPTicketBook, ticket: NewTicket, /) -> Ticket:
        if when == "before":
            die()
        if when == "during":  # the service takes its time: it has the request, we have no reply
            threading.Timer(0.3, die).start()
        written = create(book, ticket)
        if when == "after":
            die()
        return written

    HTTPTicketBook.create = fatal  # type: ignore[method-assign]
