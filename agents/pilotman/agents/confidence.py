"""How sure a proposed write is: computed from the record, never asked of a model.

A write is as sure as the weakest of: its arguments' ground in what the run has read, how the task has gone so
far, the success criteria covered, and the agreement of the model tiers. An argument named ``confidence`` is
the model's own number: it can only lower the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from pilotman.agents import grounding
from pilotman.agents.calls import ProposedCall
from pilotman.agents.messages import from_langchain, to_langchain
from pilotman.agents.rules.model import ChatRules
from pilotman.agents.scope import TaskScope
from pilotman.agents.specialist import tool_function
from pilotman.agents.target import target_of
from pilotman.guardrails.gate.records import scalars
from pilotman.guardrails.policy import Decision
from pilotman.guardrails.wording.words import terms

DISAGREED = 0.5
"""What is left of the confidence where another tier of the model would write something else."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a task has to judge its writes by. It is read once, and only where a threshold is set."""

    task: TaskScope
    said: Sequence[Mapping[str, Any]]
    done: Sequence[ProposedCall]

    @cached_property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """What was said so far, and what the calls of this turn that are done have returned."""
        return [*self.said, *(call.message() for call in self.done)]

    def opinion(self, call: ProposedCall) -> Decision:
        """Whether a person has to decide, as the call is not sure enough."""
        least = self.task.min_confidence
        if least is None or self.task.tools[call.tool].effective == "read":
            return Decision.allow()
        parts = dict(self.parts(call))
        weakest = min(parts, key=lambda name: parts[name])
        if parts[weakest] >= least:
            return Decision.allow()
        return Decision.escalate(
            f"the computed confidence is {parts[weakest]:.2f} ({weakest}), below {least:g}"
        )

    def parts(self, call: ProposedCall) -> Iterator[tuple[str, float]]:
        """The parts that can be told, each in [0, 1]."""
        yield "ground of the arguments", self._ground(call)
        yield "course of the task", self._course()
        if (covered := self._covered(call)) is not None:
            yield "success criteria covered", covered
        if (agreed := self._agreement(call)) is not None:
            yield "agreement of the model tiers", agreed
        own = call.args.get("confidence")
        if isinstance(own, int | float) and not isinstance(own, bool) and 0 <= own <= 1:
            yield "the model's own number", float(own)

    def _ground(self, call: ProposedCall) -> float:
        """The share of the arguments' values in which nothing is named that the run has not seen."""
        values = [value for name, value in scalars(call.args) if name != "confidence"]
        told = [value for value in values if not isinstance(value, bool)]
        return (
            sum(not grounding.problems(str(value), self._seen) for value in told) / len(told) if told else 1.0
        )

    @cached_property
    def _seen(self) -> grounding.Evidence:
        """What the user and the tools said; nothing that a model wrote."""
        brief, recorder = self.task.brief, self.task.run.recorder
        results = [recorder.body(ended, "result") for ended in recorder.results("tool_call")]
        facts = {name: fact for name, fact in brief.facts.items() if name != "targets"}
        texts = [brief.request, orjson.dumps([facts, results]).decode()]
        return grounding.Evidence(texts=texts, passages=self.task.passages)

    def _course(self) -> float:
        """The share of the task's calls that went well."""
        results = [m for m in self.messages if m.get("role") == "tool"]
        failed = sum('"status":"error"' in str(m.get("content")) for m in results)
        return (len(results) - failed + 1) / (len(results) + 1)

    def _covered(self, call: ProposedCall) -> float | None:
        """The share of what the task is to be about that was seen or is in the call; None: nobody said."""
        brief = self.task.brief
        wanted = [terms(str(target)) for target in brief.facts.get("targets") or ()]
        wanted += [frozenset({term}) for term in terms(brief.done_when)]
        if not wanted:
            return None
        results = [str(m.get("content")) for m in self.messages if m.get("role") == "tool"]
        does = [orjson.dumps(dict(call.args)).decode(), call.tool.replace("_", " ")]
        known = terms(" ".join([*results, *does]))
        return sum(one <= known for one in wanted) / len(wanted)

    def _agreement(self, call: ProposedCall) -> float | None:
        """Whether the rule-based tier, asked the same, would write the same; None: it would write nothing."""
        chain = self.task.models.chain(self.task.role)
        if chain[0].rules or not self.messages:
            return None
        asked = list(self.messages)
        while asked and asked[-1].get("role") == "assistant":
            asked.pop()
        model = ChatRules().bind_tools([tool_function(tool) for tool in self.task.tools.values()])
        reply = from_langchain(model.invoke([to_langchain(m) for m in asked]))
        others = [o for o in reply.get("tool_calls") or () if self._writes(str(o["name"]))]
        if not others:
            return None
        same = any(o["name"] == call.tool and self._same_target(call, o["args"]) for o in others)
        return 1.0 if same else DISAGREED

    def _writes(self, name: str) -> bool:
        return name in self.task.tools and self.task.tools[name].effective != "read"

    def _same_target(self, call: ProposedCall, args: Mapping[str, Any]) -> bool:
        tool = self.task.tools[call.tool]
        return target_of(tool, args) == target_of(tool, call.args)
