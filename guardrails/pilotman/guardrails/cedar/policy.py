"""Policies in Cedar behind the ``Policy`` port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, TypeAlias

import cedarpy

from pilotman.guardrails.cedar.check import load
from pilotman.guardrails.cedar.environment import EFFECTS, SCHEMA, Environment
from pilotman.guardrails.cedar.request import Leg, Requests, together
from pilotman.guardrails.cedar.source import plain
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.policy import Call, Decision, Effect

State: TypeAlias = Literal["permitted", "forbidden", "silent", "failed"]
_KEPT = 1024
"""Tools whose environments are kept at most; more than any run has."""


_LONGEST = 300
"""Characters of an error that a reason holds at most."""


class CedarPolicy:
    """Policies in Cedar: who may call which tool, and when a person is asked.

    ``policies`` is Cedar text, or a file or folder of ``.cedar`` files. ``schema`` is Cedar's, as text or a
    file. Without one, what rules read of arguments, facts and users is typed by what they do with it.

    Each leg of a call is a request of its own: ``User::"<tenant>/<user>"`` in its ``Role::"…"`` for who
    asked, ``Agent::"<name>"`` where policies name agents, for the agent and all supervisors above it (a child
    has no right that they lack), and, once a person has said yes, that person.
    Action is ``Action::"<tool>"``, in the group of its effect: ``"read"``, ``"egress"``, ``"write"`` or
    ``"irreversible"``; resource is ``Tool::"<tool>"``. ``schema.cedarschema`` beside this module says what
    else a policy is told. A tool that is called like a group, or ``tool:…``, has ``tool:`` before its action.

    Values: Cedar has no floats, so a number is a ``Long`` if policies read it as one, and then it must be
    whole and fit 64 bits; as ``decimal`` it may have four decimal places. None counts as missing. A value of
    another type than policies read it as denies, so that no ``forbid`` is passed by in silence.

    Answers: every leg permitted → allow; every leg permitted if a person said yes → escalate; else deny.
    Only approvable rules see that supposed yes: a ``permit`` that reads ``context.approved``, and what is
    annotated ``@approvable``; ``@approvable("no")`` takes it back. A leg needs a permit only if some permit
    is about its kind (rules that name agents are about agents, others about users); a forbid holds for all.
    Where no permit's scope has the tool the answer is None, if no forbid applies: reads then pass and writes
    are denied, unless another policy speaks. What cannot be evaluated denies.

    Raises:
        ConfigurationError: policies or schema are invalid; each finding with file and line.
    """

    version: str

    def __init__(self, policies: str | Path, *, schema: str | Path | None = None) -> None:
        self._vocabulary, self._findings, texts = load(policies, schema)
        wrong = [str(finding) for finding in self._findings if finding.fatal]
        if wrong:
            named = isinstance(policies, str) and policies.strip().endswith((".cedar", "/"))
            hint = "a file's name is given as a Path" if named else "`check` lists them all"
            raise ConfigurationError("these policies cannot be used:\n" + "\n".join(wrong) + "\n", hint=hint)
        self.version = digest([SCHEMA, schema is not None, *(source.text for source in texts)])[:12]
        self._agents = self._vocabulary.about_agents
        self._governed = {
            kind: any(rule.governs(kind) for rule in self._vocabulary.rules) for kind in ("User", "Agent")
        }
        self._environments: dict[tuple[str, str], Environment | None] = {}

    @classmethod
    def default(cls) -> CedarPolicy:
        """The shipped policies: reads pass, declared writes ask, nothing crosses tenants, secrets stay."""
        return cls(resources.files("pilotman.guardrails.cedar").joinpath("defaults.cedar").read_text("utf-8"))

    def check(self) -> list[str]:
        """What is allowed in these policies and seldom meant, each as ``file:line: words``."""
        return [str(finding) for finding in self._findings]

    def __call__(self, call: Call, /) -> Decision | None:
        """Allow, escalate, deny, or None: these policies do not speak of such a call."""
        effect: Effect = call.effect if call.declared or call.effect == "irreversible" else "write"
        if effect not in EFFECTS:
            return Decision.deny(f"{effect!r} is no effect: one of {', '.join(EFFECTS)}")
        try:
            environment = self._environment(call.tool, effect)
            if environment is None:
                return None
            if environment.faults:
                return Decision.deny(*environment.faults)
            return _Judgement(call, environment, self._agents, self._governed).decision()
        except (ValueError, TypeError, RecursionError) as error:  # what cannot be told cannot be allowed
            return Decision.deny(f"Cedar cannot be told of this call: {_short(str(error))}")

    def _environment(self, tool: str, effect: Effect) -> Environment | None:
        key = (tool, effect)
        if key not in self._environments:
            if len(self._environments) >= _KEPT:
                self._environments.clear()
            self._environments[key] = Environment.of(self._vocabulary, tool, effect)
        return self._environments[key]


@dataclass(frozen=True)
class _Answer:
    """What Cedar says about one leg: its state, and the rules or errors that made it so."""

    leg: Leg
    state: State
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Judgement:
    """One call and its environment. ``governed``: whether a leg of this kind needs a permit."""

    call: Call
    environment: Environment
    agents: bool
    governed: Mapping[str, bool]

    def decision(self) -> Decision | None:
        real, supposed = self._answers()
        if not (obstacles := self._obstacles(real)):
            permits = _reasons(real, "permitted")
            return Decision.allow(*permits) if permits else None
        if supposed and not (obstacles := self._obstacles(supposed)):
            return Decision.escalate(*(_reasons(supposed, "permitted") or _reasons(real, "forbidden")))
        return Decision.deny(*obstacles)

    def _answers(self) -> tuple[list[_Answer], list[_Answer]]:
        """What each leg says as things are, and what it would say had a person said yes."""
        requests = Requests(self.call, self.environment)
        suppose = self.environment.supposes and self.call.approved_by is None
        real: list[_Answer] = []
        supposed: list[_Answer] = []
        for legs in together(self.call, agents=self.agents):
            asked = [(leg, True) for leg in legs] if suppose else []
            answers = self._ask(requests, [*((leg, False) for leg in legs), *asked])
            real += answers[: len(legs)]
            supposed += answers[len(legs) :]
        return real, supposed

    def _ask(self, requests: Requests, asked: Sequence[tuple[Leg, bool]]) -> list[_Answer]:
        environment, approved = self.environment, self.call.approved_by is not None
        results = cedarpy.is_authorized_batch(
            [requests.request(leg, approved=approved, supposed=supposed) for leg, supposed in asked],
            environment.policies,
            requests.entities([leg for leg, supposed in asked if not supposed]),
            environment.schema,
        )
        return [self._answer(leg, result) for (leg, _), result in zip(asked, results, strict=True)]

    def _answer(self, leg: Leg, result: cedarpy.AuthzResult) -> _Answer:
        names, said = self.environment.names, result.diagnostics
        if said.errors or result.decision == cedarpy.Decision.NoDecision:
            known = {number: rule.name for number, rule in names.items()}
            errors = tuple(_short(plain(error, known)) for error in said.errors)
            return _Answer(leg, "failed", errors or ("Cedar gave no answer",))
        reasons = tuple(names[number].reason for number in sorted(said.reasons))
        if result.allowed:
            return _Answer(leg, "permitted", reasons)
        return _Answer(leg, "forbidden" if reasons else "silent", reasons)

    def _obstacles(self, answers: Sequence[_Answer]) -> tuple[str, ...]:
        """Why this may not be, as things stand; empty: nothing is in the way."""
        stops = (*_reasons(answers, "failed"), *_reasons(answers, "forbidden"))
        if not self.environment.spoken_of:
            return stops
        silent = [a.leg for a in answers if a.state == "silent" and self.governed[a.leg.kind]]
        return (*stops, *(self._unpermitted(leg) for leg in silent))

    def _unpermitted(self, leg: Leg) -> str:
        return f"no policy permits {self.call.tool} for the {leg.name} {leg.uid['id']}"


def _reasons(answers: Sequence[_Answer], state: State) -> tuple[str, ...]:
    """What made legs so, each once."""
    return tuple(dict.fromkeys(reason for a in answers if a.state == state for reason in a.reasons))


def _short(text: str) -> str:
    """An error without the long values that it may quote."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
