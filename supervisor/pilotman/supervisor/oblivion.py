"""The verb that reaches every store: journal, parked graphs, facts, items, vectors, provenance, keys."""

from __future__ import annotations

from pilotman.guardrails.principal import Principal
from pilotman.memory import Receipt, Selector
from pilotman.memory.journal.records import ENDED
from pilotman.supervisor.forgetting import Halt, forgetting
from pilotman.supervisor.station import Station
from pilotman.supervisor.team import Team


class Oblivion:
    """A part of ``Supervisor``: forgetting."""

    _team: Team
    _station: Station

    async def forget(self, selector: Selector, *, principal: Principal) -> Receipt:
        """Erase what is selected in the principal's tenant, everywhere: runs and all that they say, parked
        graphs, facts, items of conversations and users, what a user owns in the team's corpora, provenance.

        Of a user who is selected as a whole, and of whom nothing is under a legal hold, the key goes too:
        with it what backups, logs and free pages hold. Ids, times and digests stay, and the journal's chain
        verifies. Everybody may have forgotten what is theirs; anything else needs the role ``operator``.

        What cannot be reached is named in the receipt's ``open`` and tried again by whoever has a supervisor
        open on this memory. A run that is under way is asked to stop, and stores nothing more.

        Raises:
            InvalidRequest: the selector is empty.
            PermissionDenied: it is not the principal's, who is no operator; nothing was changed.
        """
        engine = await self._station.open()
        memory = self._station.memory

        async def stop(run_id: str) -> None:
            while not engine.cancel(run_id) and not await engine.advance(run_id):
                row = await memory.journal.run(run_id, tenant=principal.tenant)
                if row.state in ENDED or row.owner is not None:
                    return  # it is over, or another process stops it

        halt = Halt(memory, self._team.name, stop)
        return await forgetting(memory, self._team, first=[halt]).forget(selector, principal=principal)
