"""Floor 1: principals, policies (plain and Cedar), the gate, permits, budgets, breakers. Pure."""

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.cap import Cap
from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.cedar.policy import CedarPolicy
from pilotman.guardrails.combination import Combination
from pilotman.guardrails.errors import PilotmanError
from pilotman.guardrails.gate.gate import Gate
from pilotman.guardrails.label import Label
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.outbound.outbound import Outbound
from pilotman.guardrails.policy import Call, Decision, Policy
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.quota import Quota
from pilotman.guardrails.retry import Retry

__all__ = [
    "Approval",
    "Breaker",
    "Budget",
    "Call",
    "Cap",
    "Capacity",
    "CedarPolicy",
    "Combination",
    "Decision",
    "Gate",
    "Label",
    "Limit",
    "Outbound",
    "PilotmanError",
    "Policy",
    "Principal",
    "Quota",
    "Retry",
]
