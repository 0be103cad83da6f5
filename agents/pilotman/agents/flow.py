"""Information flow of one run: what it read, the labels of what it calls, and what its request asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from pilotman.agents.report import Passage
from pilotman.guardrails.gate.gate import Gate, ToolInfo
from pilotman.guardrails.gate.labels import asked_by, output_of
from pilotman.guardrails.label import Author, Label
from pilotman.guardrails.policy import Call, Decision, Effect
from pilotman.guardrails.principal import Principal


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What a tool returned for these arguments. ``foreign``: memory told the tool what others wrote."""

    tool: str
    args: Mapping[str, Any]
    value: Any
    foreign: bool = False


@dataclass(frozen=True, kw_only=True)
class _Corpus:
    """The team's documents, as a gate knows tools. Whoever puts a source in says whether it is trusted."""

    third_party: bool
    author: Author | None = None
    description: str = ""
    effect: Effect = "read"
    args_schema: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        what = "documents" if self.author is None else "memories"
        return f"untrusted {what}" if self.third_party else f"trusted {what}"


_DOCUMENTS = (_Corpus(third_party=False), _Corpus(third_party=True))
_MEMORIES = (_Corpus(third_party=False, author="memory"), _Corpus(third_party=True, author="memory"))


def documents(*, trusted: bool) -> str:
    """By which name the team's documents stand beside tools."""
    return _Corpus(third_party=not trusted).name


def memories(*, trusted: bool) -> str:
    """By which name what is remembered stands beside tools."""
    return _Corpus(third_party=not trusted, author="memory").name


def from_corpus(found: Iterable[Passage]) -> list[Observation]:
    """Passages as a gate reads them: trusted documents and others."""
    return _observed(found, _DOCUMENTS)


def from_memory(found: Iterable[Passage]) -> list[Observation]:
    """What was remembered as a gate reads it, likewise."""
    return _observed(found, _MEMORIES)


def _observed(found: Iterable[Passage], kinds: Iterable[_Corpus]) -> list[Observation]:
    passages = list(found)
    return [
        Observation(tool=kind.name, args={}, value=texts)
        for kind in kinds
        if (texts := [p.text for p in passages if p.trusted is not kind.third_party])
    ]


def nothing_earlier() -> Sequence[Observation]:
    """Of a run that begins."""
    return ()


class Flow:
    """One gate for one run, however many agents work on it and however deeply they are nested.

    The request is the user's own; what a model wrote for a sub-agent never is. Reading results takes the gate
    time, so they are kept until a decision or a policy looks; ``earlier`` gives what the run saw before a
    crash or a pause.
    """

    def __init__(
        self,
        *,
        principal: Principal,
        request: str,
        facts: Mapping[str, Any],
        tools: Mapping[str, ToolInfo],
        plan: object | None = None,
        earlier: Callable[[], Iterable[Observation]] = nothing_earlier,
    ) -> None:
        self._principal = principal
        self._request = request
        self._facts = {**principal.attributes, **facts, "user": principal.user}
        self._tools = {**tools, **{kind.name: kind for kind in (*_DOCUMENTS, *_MEMORIES)}}
        self._plan = plan
        self._earlier = earlier
        self._waiting: list[Observation] = []
        self._used: set[str] = set()
        self._foreign: set[str] = set()
        self._suspicions: dict[str, frozenset[str]] = {}
        self._gate: Gate | None = None

    def observe(self, seen: Observation) -> None:
        """Take in what a tool returned. The value must not be changed afterwards."""
        if seen.tool in self._tools:
            self._used.add(seen.tool)
            self._foreign |= {seen.tool} if seen.foreign else set()
            self._waiting.append(seen)

    def hear(self, label: Label, value: Any) -> None:
        """Memory told somebody in the run what an earlier run, or others, have left there."""
        told = memories(trusted=label.trusted)
        self.observe(Observation(tool=told, args={}, value=value))
        self.suspect(told, label.suspicions)

    @property
    def reminded(self) -> bool:
        """Whether memory has told the run anything that is not trusted."""
        return memories(trusted=False) in self._used

    def read(self) -> Label:
        """The label of all that was read so far, the request included."""
        return Label.join(self._labels(()))

    def suspect(self, tool: str, suspicions: Iterable[str]) -> None:
        """Something that the tool returned is suspicious, for these reasons: its labels say so."""
        self._suspicions[tool] = self._suspicions.get(tool, frozenset()).union(suspicions)

    def labelled(self, call: Call) -> Call:
        """The call with the labels of the run and, found when a policy looks, of each argument."""
        return replace(call, labels=_Later(self, call), run_labels=self._labels(call.tools_used))

    def judge(self, call: Call) -> Decision:
        """Whether the request asks for this call. A person's yes to exactly it stands for the user's."""
        if call.effect == "read" and call.declared:
            return Decision.allow()
        if call.approved_by is not None:
            return Decision.allow(f"endorsed by {call.approved_by.user}")
        return self.gate().judge(call)

    def gate(self) -> Gate:
        """The gate, which has read everything that the run has."""
        if self._gate is None:
            self._gate = Gate(
                principal=self._principal,
                request=self._request,
                tools=self._tools.values(),
                facts=self._facts,
                plan=self._plan,
            )
            self._waiting[:0] = self._earlier()
        waiting, self._waiting = self._waiting, []
        for seen in waiting:
            self._gate.observe(Call(tool=seen.tool, args=seen.args), seen.value, foreign=seen.foreign)
        return self._gate

    def _labels(self, tools_used: Sequence[str]) -> frozenset[Label]:
        tenant = self._principal.tenant
        used = [self._tools[name] for name in self._used.union(tools_used) if name in self._tools]
        return frozenset({asked_by(tenant)}).union(*(self._labels_of(tool) for tool in used))

    def _labels_of(self, tool: ToolInfo) -> frozenset[Label]:
        suspicions = self._suspicions.get(tool.name, frozenset())
        author: Author | None = getattr(tool, "author", None)
        return frozenset(
            replace(label, suspicions=suspicions, author=author or label.author)
            for label in output_of(tool, self._principal.tenant, foreign=tool.name in self._foreign)
        )


class _Later(Mapping[str, frozenset[Label]]):
    """Labels of a call's arguments, found when somebody looks."""

    def __init__(self, flow: Flow, call: Call) -> None:
        self._flow = flow
        self._call = call
        self._found: Mapping[str, frozenset[Label]] | None = None

    def _labels(self) -> Mapping[str, frozenset[Label]]:
        if self._found is None:
            self._found = self._flow.gate().labelled(self._call).labels
        return self._found

    def __getitem__(self, name: str) -> frozenset[Label]:
        return self._labels()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._call.args)

    def __len__(self) -> int:
        return len(self._call.args)
