"""A team as it was put together: its members, models, policies and limits. Checked once, then data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from pilotman.agents.models import ModelTable
from pilotman.agents.report import AgentCard
from pilotman.agents.specialist import Agent, Specialist
from pilotman.agents.tool import Tool
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.cap import Cap
from pilotman.guardrails.errors import ConfigurationError, Conflict, NotFound
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.policy import Policy, confined_policy, default_policy
from pilotman.guardrails.quota import Quota
from pilotman.memory.journal.records import RunRow
from pilotman.retrieval import Corpus
from pilotman.supervisor.intake import Intake, Request

SEARCH = "search_corpus"
MAX_TASKS = 12


@runtime_checkable
class Nested(Protocol):
    """A supervisor that stands in another one's team."""

    @property
    def team(self) -> Team: ...
    @property
    def has_memory(self) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Team:
    """One supervisor's members and settings. None where no models, policies or budget were given."""

    name: str
    description: str
    members: Mapping[str, Specialist | Team]
    models: ModelTable | None
    policies: tuple[Policy, ...] | None
    answer_policy: Policy | None
    budget: Budget | None
    corpus: Corpus | None
    response_format: type[BaseModel] | None
    min_confidence: float | None
    confine: bool
    caps: tuple[Cap, ...]
    saga: bool
    quotas: tuple[Quota, ...]
    intake: Callable[[Request], Intake]

    def tools(self) -> dict[str, Tool[..., Any]]:
        """Every tool of the team by name, nested teams included."""
        found: dict[str, Tool[..., Any]] = {}
        for specialist in self.specialists():
            found.update(specialist.tools)
        return found

    def specialists(self) -> Iterator[Specialist]:
        """All specialists, nested ones included."""
        for member in self.members.values():
            if isinstance(member, Team):
                yield from member.specialists()
            else:
                yield member

    def corpora(self) -> tuple[Corpus, ...]:
        """Every corpus of the team, each once, nested teams included."""
        own = () if self.corpus is None else (self.corpus,)
        nested = [member.corpora() for member in self.members.values() if isinstance(member, Team)]
        return tuple(dict.fromkeys((*own, *(corpus for group in nested for corpus in group))))

    def check_own(self, row: RunRow) -> None:
        """See that a run is this team's.

        Raises:
            Conflict: it is another's.
        """
        if row.supervisor != self.name:
            raise Conflict(
                f"run {row.run_id} belongs to the team {row.supervisor}, not to {self.name}",
                hint=f"use the supervisor named {row.supervisor}",
            )

    def named(self, name: str) -> Team:
        """This team, or the first one beneath that has the name.

        Raises:
            NotFound: there is none (any more).
        """
        if name == self.name:
            return self
        for member in self.members.values():
            if isinstance(member, Team):
                with suppress(NotFound):
                    return member.named(name)
        raise NotFound(f"{self.name} has no team named {name}")

    @property
    def own_policies(self) -> tuple[Policy, ...]:
        """Its policies; where none were given, what holds with and without a gate that confines."""
        if self.policies is not None:
            return self.policies
        return (confined_policy if self.confine else default_policy,)

    def all_policies(self) -> tuple[Policy, ...]:
        """The policies of this team and of all beneath, for the version on the record."""
        nested = [m.all_policies() for m in self.members.values() if isinstance(m, Team) and m.policies]
        return (*self.own_policies, *(policy for group in nested for policy in group))

    def card(self) -> AgentCard:
        """The team as the planner of an outer team sees it."""
        cards = [member.card() for member in self.members.values()]
        return AgentCard(
            name=self.name,
            description=self.description,
            tools=tuple(tool for card in cards for tool in card.tools),
        )

    def leases(self) -> dict[str, frozenset[str]]:
        """What may be leased to each member: its tools' names, and the corpus' search where there is one."""
        search = {SEARCH} if self.corpus is not None else set[str]()
        return {
            name: frozenset({*(tool.name for tool in member.card().tools), *search})
            for name, member in self.members.items()
        }


def members(owner: str, agents: Sequence[Agent]) -> dict[str, Specialist | Team]:
    """The members of a team by name.

    Raises:
        ConfigurationError: nobody, two of one name, tools that share nothing but their name, a supervisor
            with a memory of its own, or something that is neither specialist nor supervisor.
    """
    found: dict[str, Specialist | Team] = {}
    for agent in agents:
        if isinstance(agent, Specialist):
            member: Specialist | Team = agent
        elif isinstance(agent, Nested):
            member = _nested(owner, agent)
        else:
            raise ConfigurationError(
                f"{agent!r} is no agent",
                hint="give Specialists or Supervisors, or wrap it: Specialist(agent=…)",
            )
        if member.name in found:
            raise ConfigurationError(f"{owner} has two agents named {member.name}", hint="rename one")
        found[member.name] = member
    if not found:
        raise ConfigurationError(f"{owner} has no agents", hint="give at least one Specialist")
    _check_tools(owner, found)
    return found


def limited(limits: Mapping[str, Limit] | None, team: Team) -> Mapping[str, Limit]:
    """The limits, if all that they name can be there.

    Raises:
        ConfigurationError: a name that is none, or a tool that the team does not have.
    """
    for name in limits or ():
        kind, _, which = name.partition(":")
        if kind not in ("tool", "model", "tenant") or (name != "tenant" and not which):
            hint = "write tool:NAME, model:PROVIDER, model:PROVIDER:NAME, tenant or tenant:NAME"
            raise ConfigurationError(f"limits cannot be set on {name!r}", hint=hint)
        if kind == "tool" and which not in team.tools():
            hint = f"its tools: {', '.join(sorted(team.tools())) or 'none'}"
            raise ConfigurationError(
                f"limits name the tool {which!r}, which {team.name} does not have", hint=hint
            )
    return dict(limits or {})


def _nested(owner: str, supervisor: Nested) -> Team:
    if supervisor.has_memory:
        raise ConfigurationError(
            f"{supervisor.team.name} has a memory of its own, but it is nested in {owner}",
            hint="give memory= to the outermost supervisor only",
        )
    if supervisor.team.quotas:
        raise ConfigurationError(
            f"{supervisor.team.name} has quotas of its own, but it is nested in {owner}",
            hint="give quotas= to the outermost supervisor only",
        )
    return supervisor.team


def _check_tools(owner: str, found: Mapping[str, Specialist | Team]) -> None:
    """A tool is known by its name: to policies, permits, idempotency keys, limits and the record."""
    versions: dict[str, str] = {}
    for member in found.values():
        for specialist in [member] if isinstance(member, Specialist) else member.specialists():
            for name, tool in specialist.tools.items():
                if versions.setdefault(name, tool.version) != tool.version:
                    raise ConfigurationError(
                        f"{owner} has two different tools named {name}, one of them {specialist.name}'s",
                        hint="rename one: tool(…, name=…)",
                    )
