"""An assistant in an office: mail, calendar, shared files. Tools are snake_case verbs."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.office.errands import ERRANDS
from pilotman.guardrails.bench.suites.office.injections import INJECTIONS
from pilotman.guardrails.bench.suites.office.tasks import TASKS
from pilotman.guardrails.bench.suites.office.tools import TOOLS

__all__ = ["OFFICE"]

OFFICE = Suite(name="office", tools=TOOLS, tasks=(*TASKS, *ERRANDS), injections=INJECTIONS)
