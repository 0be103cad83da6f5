"""The limits of a run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.retry import Retry


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The one purse of a run; nested budgets only narrow it.

    ``timeout`` is seconds of active time (waiting for a person does not count), ``model_timeout`` and
    ``tool_timeout`` are seconds per call, ``approval_timeout`` seconds until an unanswered question
    expires. A step is one model turn of any agent. ``max_calls_per_tool`` counts over the run and over
    its conversation and asks a person; every other limit ends in an answer. ``max_questions`` are those about
    calls in the run: what would be one more is denied.
    ``allowed_models`` names models as ``provider:name``; None allows all. ``max_result_bytes``: of one tool's
    result, as JSON, that a model sees; more is condensed, and said. The record has what was returned.
    ``max_context_tokens``: of one prompt; what does not fit is chosen or condensed, and said.
    ``retry`` is that of models; ``tool_retry`` and ``breaker`` narrow what tools say themselves, and
    ``breaker`` is that of models too.
    """

    max_steps: int = 40
    max_tool_calls: int = 30
    max_input_tokens: int = 200_000
    max_output_tokens: int = 20_000
    max_cost_usd: float | None = None
    timeout: float = 600.0
    model_timeout: float = 30.0
    tool_timeout: float = 30.0
    approval_timeout: float = 2 * 86_400.0
    max_depth: int = 3
    max_parallel: int = 8
    max_calls_per_tool: int = 5
    max_questions: int = 10
    max_result_bytes: int = 16_384
    max_context_tokens: int = 32_000
    allowed_models: frozenset[str] | None = None
    retry: Retry = field(default_factory=lambda: Retry(max_attempts=3, backoff_ms=(200, 400)))
    tool_retry: Retry | None = None
    breaker: Breaker | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or (isinstance(value, int | float) and not 0 < value < inf):
                raise ConfigurationError(f"{item.name} must be above zero and finite, not {value!r}")

    @classmethod
    def interactive(cls) -> Budget:
        """A person waits: 20 s whole, 6 steps, 4 tool calls, $0.08."""
        return cls(
            timeout=20.0,
            model_timeout=8.0,
            tool_timeout=5.0,
            max_steps=6,
            max_tool_calls=4,
            max_input_tokens=24_000,
            max_context_tokens=12_000,
            max_output_tokens=4_000,
            max_cost_usd=0.08,
            retry=Retry(max_attempts=3, backoff_ms=(200, 800)),
        )

    @classmethod
    def chat(cls) -> Budget:
        """A conversation's turn: 15 s whole, 10 s a model call, 5 s a tool, 2 retries, 60 s of rest for what
        failed 3 times in a row."""
        retry = Retry(max_attempts=3, backoff_ms=(200, 800))
        return cls(
            timeout=15.0,
            model_timeout=10.0,
            tool_timeout=5.0,
            retry=retry,
            tool_retry=retry,
            breaker=Breaker(consecutive_failures=3, cool_down=60.0),
        )

    @classmethod
    def workflow(cls) -> Budget:
        """Work in the background, and the default: 10 min, 30 s a call, 40 steps, 30 tool calls."""
        return cls()

    def narrow(self, other: Budget | None) -> Budget:
        """The minimum of both, limit by limit; ``allowed_models`` intersect."""
        if other is None:
            return self
        return Budget(**{item.name: _narrower(item.name, self, other) for item in fields(self)})


def _narrower(name: str, mine: Budget, theirs: Budget) -> Any:
    left, right = getattr(mine, name), getattr(theirs, name)
    if left is None or right is None:
        return right if left is None else left
    if name == "allowed_models":
        return left & right
    if name in ("retry", "tool_retry", "breaker"):
        return left.narrow(right)
    return min(left, right)
