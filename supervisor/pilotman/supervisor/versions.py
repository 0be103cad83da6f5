"""What a run's record says about the versions of everything that made it, and its budget as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from pilotman.agents.models import ModelTable
from pilotman.agents.prompts import prompt_versions
from pilotman.agents.rules.model import RULES
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.digest import digest
from pilotman.guardrails.incoming.cleaner import VERSION
from pilotman.guardrails.retry import Retry
from pilotman.supervisor.team import Team


def versions(team: Team, *, policy: str) -> dict[str, str]:
    """By name: ``pilotman``, ``policy``, ``cleaner``, ``prompt.KIND``, ``agent.NAME``, ``tool.NAME``,
    ``model.ROLE``."""
    found = {"pilotman": version("pilotman"), "policy": policy, "cleaner": VERSION}
    found.update({f"prompt.{kind}": text for kind, text in prompt_versions().items()})
    for specialist in team.specialists():
        found[f"agent.{specialist.name}"] = digest([specialist.description, specialist.prompt])[:12]
    found.update({f"tool.{name}": tool.version for name, tool in team.tools().items()})
    models = team.models or ModelTable.resolve(RULES)
    found.update({f"model.{role}": ", ".join(names) for role, names in models.names().items()})
    return found


def budget_to(budget: Budget) -> dict[str, Any]:
    """A budget as JSON-able data; ``budget_from`` reads it back."""
    data = asdict(budget)
    models = data["allowed_models"]
    data["allowed_models"] = None if models is None else sorted(models)
    data["retry"] = _retry_to(budget.retry)
    data["tool_retry"] = None if budget.tool_retry is None else _retry_to(budget.tool_retry)
    return data


def _retry_to(retry: Retry) -> dict[str, Any]:
    data = dict(vars(retry))
    for name in ("backoff_ms", "retry_on", "do_not_retry_on"):
        data[name] = list(data[name]) if name == "backoff_ms" else sorted(data[name])
    return data


def budget_from(data: Mapping[str, Any]) -> Budget:
    """The budget that ``budget_to`` wrote."""
    fields = dict(data)
    models = fields["allowed_models"]
    fields["allowed_models"] = None if models is None else frozenset(models)
    fields["retry"] = _retry_from(fields["retry"])
    if fields.get("tool_retry"):  # unknown to what older releases have queued
        fields["tool_retry"] = _retry_from(fields["tool_retry"])
    if fields.get("breaker"):
        fields["breaker"] = Breaker(**fields["breaker"])
    return Budget(**fields)


def _retry_from(data: Mapping[str, Any]) -> Retry:
    fields: dict[str, Any] = {**data, "backoff_ms": tuple(data["backoff_ms"])}
    for name in ("retry_on", "do_not_retry_on"):
        fields[name] = frozenset(data[name])
    return Retry(**fields)
