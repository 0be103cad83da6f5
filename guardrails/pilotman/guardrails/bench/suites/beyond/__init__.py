"""What public sets lack: combinations, split payments, other tenants, poisoned memory, sub-agents."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.beyond.injections import INJECTIONS
from pilotman.guardrails.bench.suites.beyond.tasks import TASKS
from pilotman.guardrails.bench.suites.beyond.tools import TOOLS

__all__ = ["BEYOND"]

BEYOND = Suite(name="beyond", tools=TOOLS, tasks=TASKS, injections=INJECTIONS)
