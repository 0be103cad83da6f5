"""What an author says about what may leave, and what follows for one call."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast, get_args

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.outbound.contacts import known_regions
from pilotman.guardrails.outbound.finding import Category, Detector, Finding
from pilotman.guardrails.outbound.inspection import KINDS, Inspection
from pilotman.guardrails.policy import Decision

Action: TypeAlias = Literal["pass", "redact", "escalate", "block"]

_ARGUMENTS: Mapping[str, Action] = MappingProxyType(
    {"secret": "block", "identifier": "escalate", "contact": "pass"}
)
_ANSWERS: Mapping[str, Action] = MappingProxyType(
    {"secret": "redact", "identifier": "redact", "contact": "pass"}
)
UNCHECKED = "unchecked"
"""The kind of a text that a detector failed on."""
_NAMES = KINDS | set(get_args(Category)) | {UNCHECKED}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Outbound:
    """What happens to secrets, identifiers and links on their way out of a run.

    What is found has a kind (``iban``, ``payment_card``, ``national_id``, ``email``, ``phone``,
    ``private_key``, ``github_token``, ``password``, …) in one of three categories: ``secret``,
    ``identifier``, ``contact``. For each, kind before category: ``pass``; ``redact`` (a placeholder such as
    ``[iban-1]`` goes out instead, and becomes the value again inside this run only); ``escalate`` (a person
    decides); ``block``.

    Args:
        arguments: in calls that are no reads. Default: secrets are blocked, identifiers escalate.
        answers: in answers. Default: secrets and identifiers are redacted.
        tools: as ``arguments``, for single tools by name.
        own: kinds and categories that pass in arguments if the user's own request, or its facts, name them.
        models: kinds and categories that models do not get to see either.
        links: links and images in answers to destinations that neither the request, nor its facts, nor a
            trusted source that is cited names. ``redact``: images are removed, links become plain text.
        hosts: whose links may always stand in answers: ``docs.example.com``, or ``*.example.com`` for all
            hosts beneath.
        regions: countries (ISO 3166) in whose form telephone numbers are found too; without any, those that
            begin with ``+``.
        detectors: more of them, such as ``PresidioDetector``. One that fails makes the text a secret of the
            kind ``unchecked``.

    Raises:
        ConfigurationError: an action, a region or a name that there is not.
    """

    arguments: Mapping[str, Action] = field(default_factory=dict[str, Action])
    answers: Mapping[str, Action] = field(default_factory=dict[str, Action])
    tools: Mapping[str, Mapping[str, Action]] = field(default_factory=dict[str, Mapping[str, Action]])
    own: Collection[str] = ("identifier", "contact")
    models: Collection[str] = ()
    links: Action = "redact"
    hosts: Collection[str] = ()
    regions: Sequence[str] = ()
    detectors: Sequence[Detector] = ()

    def __post_init__(self) -> None:
        actions = [self.links, *self.arguments.values(), *self.answers.values()]
        actions += [action for one in self.tools.values() for action in one.values()]
        for action in actions:
            if action not in get_args(Action):
                hint = f"one of {', '.join(get_args(Action))}"
                raise ConfigurationError(f"{action!r} is no action", hint=hint)
        for what in ("own", "models", "hosts", "regions", "detectors"):
            if isinstance(getattr(self, what), str):
                raise ConfigurationError(f"{what} is a list", hint=f"write [{getattr(self, what)!r}]")
        for region in self.regions:
            if region not in known_regions():
                raise ConfigurationError(f"{region!r} is no region of telephone numbers", hint="such as 'DE'")
        self._check_names()

    def _check_names(self) -> None:
        named = [self.arguments, self.answers, self.own, self.models, *self.tools.values()]
        for name in (name for names in named for name in names):
            if not _NAME.fullmatch(name) or (not self.detectors and name not in _NAMES):
                known = ", ".join(sorted(_NAMES))
                raise ConfigurationError(f"{name!r} is no kind or category of what is found", hint=known)

    @property
    def inspection(self) -> Inspection:
        """What looks for it all."""
        return Inspection(regions=self.regions, detectors=self.detectors)

    @property
    def version(self) -> str:
        """Changes with every setting; of detectors, with their own ``version`` or their type."""
        about = [str(getattr(one, "version", type(one).__qualname__)) for one in self.detectors]
        tools = {name: dict(actions) for name, actions in self.tools.items()}
        lists = [sorted(self.own), sorted(self.models), sorted(self.hosts), sorted(self.regions), about]
        return digest([dict(self.arguments), dict(self.answers), tools, self.links, *lists])[:12]

    def in_arguments(self, tool: str, kind: str, category: Category) -> Action:
        """What happens to a finding in a call of this tool."""
        return _action(kind, category, self.tools.get(tool, _NOTHING), self.arguments, _ARGUMENTS)

    def in_answers(self, kind: str, category: Category) -> Action:
        """What happens to a finding in an answer."""
        return _action(kind, category, self.answers, _ANSWERS)

    def hides(self, kind: str, category: Category) -> bool:
        """Whether models do not get to see such a value."""
        return kind in self.models or category in self.models

    def is_own(self, finding: Finding, own: Collection[str]) -> bool:
        """Whether a finding is one of the user's own values, and these pass."""
        return (finding.kind in self.own or finding.category in self.own) and finding.value in own


def _action(kind: str, category: Category, *settings: Mapping[str, Any]) -> Action:
    """The first that is said, of the kind before its category."""
    for said in settings:
        action = said.get(kind) or said.get(category)
        if action is not None:
            return cast("Action", action)
    return "block"


def opinion(acts: Sequence[tuple[Action, str]]) -> Decision:
    """A decision about what was found and is still there, each with its action: block over the others.

    What should have been redacted and was not is for a person, who may have put it there.
    """
    blocked = tuple(dict.fromkeys(why for action, why in acts if action == "block"))
    if blocked:
        return Decision.deny(*blocked)
    asked = tuple(dict.fromkeys(why for action, why in acts if action != "pass"))
    return Decision.escalate(*asked) if asked else Decision.allow()
