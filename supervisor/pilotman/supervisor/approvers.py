"""Who may say yes: the policies above a call are asked again, with who would approve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pilotman.guardrails.approval import Approval, AskedCall
from pilotman.guardrails.outbound.found import Found
from pilotman.guardrails.policy import Policy, decide
from pilotman.guardrails.principal import Principal
from pilotman.supervisor.team import Team


def objections(
    team: Team,
    asked: Approval,
    calls: Sequence[AskedCall],
    *,
    by: Principal,
    now: datetime,
    args: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    """Why this person may not approve these calls of a question; empty: they may.

    Policies see what they saw when the question came up. What an approver puts in place of the arguments is
    judged here if no precondition had to look at it, and in any case when it is executed, with fresh facts.
    """
    found: list[str] = []
    for one in calls:
        call = replace(one.call, approved_by=by, now=now)
        if args is not None and asked.kind == "call" and not _looks_at_arguments(team, asked.tool):
            call = replace(call, args=args, labels={}, found=Found(args))
        for group in _policies(team, asked, one.chain):
            decision = decide(group, call)
            found += decision.reasons if decision.verdict == "deny" else ()
    return tuple(dict.fromkeys(found))


def _looks_at_arguments(team: Team, tool: str) -> bool:
    known = team.tools().get(tool)
    return known is not None and known.has_precondition


def _policies(team: Team, asked: Approval, chain: Sequence[str]) -> list[Sequence[Policy]]:
    """The groups that must agree: on a call those of every supervisor above it, on an answer its own."""
    teams = [team]
    for name in chain[1:]:
        member = teams[-1].members.get(name)
        if not isinstance(member, Team):
            break
        teams.append(member)
    if asked.kind == "answer":
        policy = teams[-1].answer_policy
        return [] if policy is None else [[policy]]
    if asked.kind != "call":
        return []
    below = (inner for inner in teams[1:] if inner.policies is not None or inner.confine)
    return [team.own_policies, *(inner.own_policies for inner in below)]
