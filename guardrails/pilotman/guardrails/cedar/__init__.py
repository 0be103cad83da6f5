"""Policies written in Cedar."""

from pilotman.guardrails.cedar.check import check
from pilotman.guardrails.cedar.policy import CedarPolicy
from pilotman.guardrails.cedar.source import Finding

__all__ = ["CedarPolicy", "Finding", "check"]
