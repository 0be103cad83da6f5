"""Another process that deletes in the same folder, and can be killed in the middle."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TextIO

from pilotman.guardrails.errors import Unavailable
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.holdings import Holdings

_PROGRAM = """
import sys
from pathlib import Path
from pilotman.retrieval.governance.deleter import serve

serve(Path(sys.argv[1]), sys.stdin, sys.stdout)
"""
_PATIENCE = 180.0
"""Seconds for a process that has to be loaded first, or deletes; one that hangs takes longer."""


class Deleter:
    """A handle on such a process. ``gone``: what it has deleted."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _PROGRAM, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._said: set[str] = set()
        self._heard = threading.Condition()
        self._ended = False
        self._listener = threading.Thread(target=self._listen, name="pilotman-deleter", daemon=True)
        self._listener.start()

    def gone(self) -> frozenset[str]:
        """The ids whose deletion has returned."""
        with self._heard:
            return frozenset(self._said)

    def delete(self, ids: Iterable[str]) -> None:
        """Begin to delete them."""
        self._order({"delete": list(ids)})

    async def hang(self, ids: Iterable[str]) -> None:
        """Let it hang in the middle of deleting them."""
        self._order({"hang": list(ids)})
        await self.deleted({"inside"})

    async def deleted(self, ids: Collection[str]) -> None:
        """Until it has said all of them.

        Raises:
            Unavailable: it has ended, or says nothing.
        """
        await off_loop(self._wait, frozenset(ids))

    async def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        await off_loop(self._reap)

    def _reap(self) -> None:
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _wait(self, ids: frozenset[str]) -> None:
        with self._heard:
            heard = self._heard.wait_for(lambda: self._ended or ids <= self._said, timeout=_PATIENCE)
            if not heard or not ids <= self._said:
                raise Unavailable("the process that deletes ended or hangs", hint="look at what it printed")

    def _order(self, order: dict[str, list[str]]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._heard:
                self._said.add(line.strip())
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()


def serve(folder: Path, orders: TextIO, said: TextIO) -> None:
    """Do what is ordered, a line of JSON at a time, until there are no more.

    ``{"delete": ids}`` deletes one after the other and says each when it is deleted; ``{"hang": ids}``
    deletes all at once and stops between the transaction and the overwriting of the vectors.
    """
    holdings = Holdings(folder, config=IndexConfig())

    def say(word: str) -> None:
        said.write(word + "\n")
        said.flush()

    def hang(*_: object) -> None:
        say("inside")
        orders.read()

    say("ready")
    for line in orders:
        order: dict[str, list[str]] = json.loads(line)
        for one in order.get("delete", ()):
            holdings.delete(Sight(), [one])
            say(one)
        if "hang" in order:
            index: Any = holdings.index()
            index.erase = hang
            holdings.delete(Sight(), order["hang"])
