"""Open circuits of dependencies in the database: all processes give the same ones a rest, and one probes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from pilotman.memory.journal.access import Access
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.schema import circuits

_SECOND = 1_000_000


class CircuitBoard(Access):
    """The open circuits of an installation's supervisors, by the dependency's name. A part of ``Journal``."""

    async def open_circuits(self, supervisor: str) -> Mapping[str, float]:
        """Those that are open or half-open, and how many seconds ago each was opened."""
        query = select(circuits.c.name, circuits.c.opened_at).where(circuits.c.supervisor == supervisor)
        now = micros(self._clock())
        rows = await self._read(lambda connection: list(connection.execute(query)))
        return {row.name: (now - row.opened_at) / _SECOND for row in rows}

    async def open_circuit(self, supervisor: str, name: str) -> None:
        """Open one; what is open stays as it is."""
        now = micros(self._clock())

        def work(connection: Connection) -> None:
            if connection.execute(select(circuits.c.name).where(_named(supervisor, name))).first() is None:
                values = {"supervisor": supervisor, "name": name, "opened_at": now}
                connection.execute(insert(circuits), values)

        await self._write(work)

    async def probe_circuit(self, supervisor: str, name: str, *, owner: str, cool_down: float) -> bool:
        """Whether ``owner`` may make the one call that shows whether the dependency is well again.

        Nobody may within ``cool_down`` seconds of the opening, nor of a probe of which nothing was heard.
        """
        now = self._clock()
        before = micros(now - timedelta(seconds=cool_down))
        unheard = or_(circuits.c.probed_at.is_(None), circuits.c.probed_at <= before)
        mine = (
            update(circuits)
            .where(_named(supervisor, name), circuits.c.opened_at <= before, unheard)
            .values(probed_at=micros(now), prober=owner)
        )
        return await self._write(lambda connection: connection.execute(mine).rowcount == 1)

    async def end_probe(self, supervisor: str, name: str, *, owner: str, ok: bool | None) -> None:
        """What ``owner``'s probe showed: well, and the circuit is closed; ill, and it is opened anew; None is
        nothing. A probe that is another's by now is left alone."""
        its = and_(_named(supervisor, name), circuits.c.prober == owner)
        if ok:
            await self._write(lambda connection: connection.execute(delete(circuits).where(its)))
            return
        values: dict[str, object] = {"probed_at": None, "prober": None}
        if ok is False:
            values["opened_at"] = micros(self._clock())
        await self._write(lambda connection: connection.execute(update(circuits).where(its).values(**values)))


def _named(supervisor: str, name: str) -> ColumnElement[bool]:
    return and_(circuits.c.supervisor == supervisor, circuits.c.name == name)
