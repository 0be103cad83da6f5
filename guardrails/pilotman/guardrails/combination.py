"""Policies about combinations: calls that are each fine alone, and not after what the run has read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.label import Author, Label, Sensitivity
from pilotman.guardrails.policy import Call, Decision, Effect

_LEAVING: frozenset[Effect] = frozenset({"egress", "write", "irreversible"})


@dataclass(frozen=True, kw_only=True)
class Combination:
    """Refuses a call once the run has read all that is named: it is a policy.

    ``sensitivity`` and ``author`` are of labels, ``used`` are names of tools. ``tools`` and ``effects`` say
    which calls are meant; without ``tools``, all with such an effect. Where labels are named, a call that
    carries nothing of what was read is let through.

    Raises:
        ConfigurationError: nothing is named, or something that does not exist.
    """

    name: str
    sensitivity: Sensitivity | None = None
    author: Author | None = None
    used: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    effects: frozenset[Effect] = _LEAVING
    verdict: Literal["deny", "escalate"] = "deny"

    def __post_init__(self) -> None:
        for name in ("used", "tools", "effects"):
            value: object = getattr(self, name)
            if isinstance(value, str):
                raise ConfigurationError(f"{name} of {self.name!r} is a text", hint="give a set of names")
            object.__setattr__(self, name, frozenset[str](getattr(self, name)))
        if self.sensitivity is None and self.author is None and not self.used:
            raise ConfigurationError(f"the combination {self.name!r} names nothing that was read")
        known = {"sensitivity": Sensitivity, "author": Author}
        for name, values in known.items():
            if getattr(self, name) not in (None, *get_args(values)):
                raise ConfigurationError(
                    f"{getattr(self, name)!r} is no {name}", hint=f"one of {', '.join(get_args(values))}"
                )

    @property
    def version(self) -> str:
        """Changes with every setting."""
        return digest([self.name, self.sensitivity, self.author, self.verdict, *map(sorted, self._sets)])[:12]

    @property
    def _sets(self) -> tuple[frozenset[str], ...]:
        return self.used, self.tools, frozenset(self.effects)

    def __call__(self, call: Call, /) -> Decision | None:
        if not self._is_about(call) or not self.used <= set(call.tools_used):
            return None
        if not self._holds(call.run_labels) or not self._is_carried(call):
            return None
        return Decision(self.verdict, (f"combination {self.name!r}: after what was read, this is refused",))

    def _is_about(self, call: Call) -> bool:
        return call.tool in self.tools if self.tools else call.effect in self.effects

    def _holds(self, labels: Iterable[Label]) -> bool:
        """Whether all that is named is among the labels."""
        known = list(labels)
        secret = self.sensitivity is None or any(one.sensitivity == self.sensitivity for one in known)
        return secret and (self.author is None or any(one.author == self.author for one in known))

    def _is_carried(self, call: Call) -> bool:
        """Whether some argument carries what made the read dangerous: secrets, else that author's words."""
        if self.sensitivity is None and self.author is None:
            return True
        wanted = [label for labels in call.labels.values() for label in labels]
        if self.sensitivity is not None:
            return any(label.sensitivity == self.sensitivity for label in wanted)
        return any(label.author == self.author for label in wanted)


EXFILTRATION = Combination(
    name="exfiltration", sensitivity="secret", author="third_party", verdict="escalate"
)
"""Secrets and what strangers wrote have met, and an argument may carry the secrets out (S. Willison's lethal
trifecta, 2025): a person looks. Part of every gate."""
