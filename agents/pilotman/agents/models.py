# pyright: reportPrivateUsage=false
"""Which models stand behind each role, tier by tier, and which role a step takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast, get_args

from langchain_core.language_models import BaseChatModel

from pilotman.agents.provider import configured, without_retries
from pilotman.agents.rules.model import RULES, ChatRules
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.policy import Effect

Role: TypeAlias = Literal["router", "planner", "worker", "critic", "writer"]
ModelLike: TypeAlias = str | BaseChatModel
Models: TypeAlias = ModelLike | Sequence[ModelLike] | Mapping[Role, ModelLike | Sequence[ModelLike]]

_STANDS_IN: Mapping[Role, tuple[Role, ...]] = MappingProxyType(
    {
        "router": ("router", "worker", "writer", "planner", "critic"),
        "worker": ("worker", "planner", "writer", "critic", "router"),
        "writer": ("writer", "worker", "planner", "critic", "router"),
        "planner": ("planner", "worker", "critic", "writer", "router"),
        "critic": ("critic", "planner", "worker", "writer", "router"),
    }
)


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """One tier. ``name`` is ``provider:name``; ``rules``: it is the rule-based model."""

    name: str
    model: BaseChatModel
    rules: bool = False

    @property
    def context(self) -> int | None:
        """Tokens that the model reads at most, where LangChain's profile of it knows."""
        profile: Any = getattr(self.model, "profile", None) or {}
        most = profile.get("max_input_tokens")
        return most if isinstance(most, int) and most > 0 else None

    @property
    def may_write(self) -> bool:
        """The rule-based model proposes writes if it was chosen, not if it stands in for another."""
        return not (isinstance(self.model, ChatRules) and self.model.fallback)


@dataclass(frozen=True, kw_only=True)
class ModelTable:
    """The chain of each role that was configured."""

    chains: Mapping[Role, tuple[NamedModel, ...]]

    @classmethod
    def resolve(cls, models: Models) -> ModelTable:
        """Build every model that ``models`` names. Each chain ends in the rule-based tier.

        Raises:
            ConfigurationError: a name that is not ``provider:name``, an unknown provider, a missing package
                or key, an unknown role or an empty chain.
        """
        built: dict[str, NamedModel] = {}
        roles = _by_role(models)
        return cls(chains={role: _chain(tiers, built) for role, tiers in roles.items()})

    def chain(self, role: Role) -> tuple[NamedModel, ...]:
        """The tiers to try in order: the role's own, or those of the nearest role that has any."""
        return next(self.chains[r] for r in _STANDS_IN[role] if r in self.chains)

    def has(self, role: Role) -> bool:
        """Whether the role has a chain of its own."""
        return role in self.chains

    def names(self) -> dict[str, list[str]]:
        """The names of each configured role's tiers: for the run's record."""
        return {role: [tier.name for tier in tiers] for role, tiers in self.chains.items()}


def role_for(
    step: Literal["plan", "work", "validate", "answer"],
    *,
    effects: Iterable[Effect] = (),
    replanned: bool = False,
    small: bool = False,
    table: ModelTable | None = None,
) -> Role:
    """The role that takes a step, by rule.

    Plans are the planner's, checks the critic's, answers the writer's. Work goes to the planner's larger
    model if an irreversible tool is leased or a first plan failed, to the router's smaller one if the task
    is ``small``, only reads and a router is configured, else to the worker.
    """
    if step != "work":
        roles: Mapping[str, Role] = {"plan": "planner", "validate": "critic", "answer": "writer"}
        return roles[step]
    leased = set(effects)
    if "irreversible" in leased or replanned:
        return "planner"
    has_router = table is not None and table.has("router")
    return "router" if has_router and small and leased <= {"read"} else "worker"


def _by_role(models: Models) -> dict[Role, list[ModelLike]]:
    if not isinstance(models, Mapping):
        return {"worker": _tiers(models)}
    unknown = sorted(set(map(str, models)) - set(get_args(Role)))
    if unknown or not models:
        said = f"unknown model role {unknown[0]!r}" if unknown else "models is an empty mapping"
        raise ConfigurationError(said, hint=f"roles are {', '.join(get_args(Role))}")
    return {role: _tiers(tiers) for role, tiers in models.items()}


def _tiers(models: ModelLike | Sequence[ModelLike]) -> list[ModelLike]:
    tiers = [models] if isinstance(models, str | BaseChatModel) else list(models)
    if not tiers:
        raise ConfigurationError("a chain of models is empty", hint="name at least one model")
    return tiers


def _chain(tiers: Sequence[ModelLike], built: dict[str, NamedModel]) -> tuple[NamedModel, ...]:
    chain: list[NamedModel] = []
    for position, tier in enumerate(tiers):
        rules = ChatRules() if tier == RULES else tier
        named = _rules_tier(rules, position) if isinstance(rules, ChatRules) else _named(tier, built)
        chain.append(named)
    if not any(tier.rules for tier in chain):
        chain.append(_rules_tier(ChatRules(), len(chain)))
    return tuple(chain)


def _rules_tier(model: ChatRules, position: int) -> NamedModel:
    model = model.model_copy(update={"fallback": True}) if position > 0 else model
    return NamedModel(name=RULES, model=model, rules=True)


def _named(tier: ModelLike, built: dict[str, NamedModel]) -> NamedModel:
    if isinstance(tier, str):
        if tier not in built:
            built[tier] = NamedModel(name=tier, model=configured(tier))
        return built[tier]
    if not isinstance(cast("Any", tier), BaseChatModel):
        raise ConfigurationError(
            f"{tier!r} is no model", hint="give a provider:name or an instance of BaseChatModel"
        )
    return NamedModel(name=model_name(tier), model=without_retries(tier))


def model_name(model: BaseChatModel) -> str:
    """``provider:name`` of an instance, by what it tells tracers; its class where it names no model."""
    told = cast("Mapping[str, Any]", model._get_ls_params())
    provider, name = told.get("ls_provider"), told.get("ls_model_name")
    return f"{provider}:{name}" if provider and name else type(model).__name__
