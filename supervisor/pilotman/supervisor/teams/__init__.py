"""Two teams that ship: incidents and customer support. What they use is public; copy them for your own."""

from pilotman.supervisor.teams.incident import incident_team
from pilotman.supervisor.teams.support import support_team

__all__ = ["incident_team", "support_team"]
