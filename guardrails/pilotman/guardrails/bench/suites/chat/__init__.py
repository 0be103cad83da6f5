"""A team's messenger. Tools are short kebab-case words, hardly described."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.chat.injections import INJECTIONS
from pilotman.guardrails.bench.suites.chat.rooms import ROOMS
from pilotman.guardrails.bench.suites.chat.talk import TALK
from pilotman.guardrails.bench.suites.chat.tools import TOOLS

__all__ = ["CHAT"]

CHAT = Suite(name="chat", tools=TOOLS, tasks=(*TALK, *ROOMS), injections=INJECTIONS)
