"""A retail bank's customer assistant. Tools are camelCase, with nested objects."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.bank.injections import INJECTIONS
from pilotman.guardrails.bench.suites.bank.orders import ORDERS
from pilotman.guardrails.bench.suites.bank.payments import PAYMENTS
from pilotman.guardrails.bench.suites.bank.tools import TOOLS

__all__ = ["BANK"]

BANK = Suite(name="bank", tools=TOOLS, tasks=(*PAYMENTS, *ORDERS), injections=INJECTIONS)
