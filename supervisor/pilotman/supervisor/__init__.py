"""Floor 4: owns the run. Composes a team, plans, delegates, validates, answers."""

from pilotman.memory.event import Event
from pilotman.supervisor.intake import Intake
from pilotman.supervisor.plan import Plan, Task
from pilotman.supervisor.run import Action, Run
from pilotman.supervisor.state import RunState
from pilotman.supervisor.supervisor import Supervisor

__all__ = ["Action", "Event", "Intake", "Plan", "Run", "RunState", "Supervisor", "Task"]
