"""The verb that reaches every store: journal, parked graphs, facts, items, vectors, provenance, keys."""

from __future__ import annotations

from pilotman.guardrails.principal import Principal
from pilotman.memory import Receipt, Selector
from pilotman.supervisor.forgetting import forgetting
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

        Of a source goes what came of it, too: facts, and of the runs that have read it all but their
        requests, with their answers and items where these stand on it; where they cite others alone, ``left``
        of the receipt counts them. Of documents ``before`` means those that were fetched before.

        What cannot be reached is named in the receipt's ``open`` and tried again by whoever has a supervisor
        open on this memory. A run that is under way is asked to stop, and stores nothing more.

        Raises:
            InvalidRequest: the selector is empty.
            PermissionDenied: it is not the principal's, who is no operator; nothing was changed.
        """
        await self._station.open()
        memory, stop = self._station.memory, self._station.stop
        return await forgetting(memory, self._team, stop).forget(selector, principal=principal)
