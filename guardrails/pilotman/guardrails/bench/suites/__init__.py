"""The development suites: five domains, and what public sets lack."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.bank import BANK
from pilotman.guardrails.bench.suites.beyond import BEYOND
from pilotman.guardrails.bench.suites.chat import CHAT
from pilotman.guardrails.bench.suites.office import OFFICE
from pilotman.guardrails.bench.suites.operations import OPERATIONS
from pilotman.guardrails.bench.suites.travel import TRAVEL

__all__ = ["BANK", "BEYOND", "CHAT", "OFFICE", "OPERATIONS", "TRAVEL", "shipped"]


def shipped() -> tuple[Suite, ...]:
    """All suites of the development set, in a fixed order."""
    return (OFFICE, BANK, CHAT, TRAVEL, OPERATIONS, BEYOND)
