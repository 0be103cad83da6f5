"""The way out of one run: what leaves is looked through, values are taken out, and put back inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from typing import Any

from pilotman.agents.blocking import Threads, bounded
from pilotman.agents.recorder import Recorder
from pilotman.guardrails.digest import digest
from pilotman.guardrails.outbound.destination import Destinations
from pilotman.guardrails.outbound.finding import Finding, names
from pilotman.guardrails.outbound.leaves import leaves, replaced
from pilotman.guardrails.outbound.links import strangers, tamed
from pilotman.guardrails.outbound.outbound import UNCHECKED, Action, Outbound, opinion
from pilotman.guardrails.outbound.vault import Redaction, Vault, redacted
from pilotman.guardrails.policy import Call, Decision
from pilotman.memory.event import Event

LONG = 20_000
"""Characters that are looked through at once; longer texts, and further detectors, are given a thread."""
MOST_SECONDS = 30.0
"""What was not looked through by then counts as a secret."""

_SHOWN = 10


class Outbox:
    """One for a run, however many agents work on it.

    ``own`` are the user's own words, ``known`` and ``taken`` what an earlier life of the run took out (see
    ``Vault``). Without a recorder nothing is written down.
    """

    def __init__(
        self,
        settings: Outbound | None = None,
        *,
        own: Sequence[str] = (),
        recorder: Recorder | None = None,
        threads: Threads | None = None,
        known: Iterable[Redaction] = (),
        taken: Iterable[str] = (),
    ) -> None:
        self.settings = settings or Outbound()
        self.own = tuple(own)
        self._recorder = recorder
        self._threads = threads
        self._vault = Vault(known, taken=taken)
        self._ours = self.settings.inspection
        self._seen: dict[tuple[str, str], list[Finding]] = {}

    @classmethod
    def resumed(
        cls,
        settings: Outbound,
        *,
        own: Sequence[str],
        recorder: Recorder,
        threads: Threads,
        history: Iterable[Event],
    ) -> Outbox:
        """The way out of a run that has done all of ``history`` before."""
        known: list[Redaction] = []
        taken: list[str] = []
        for event in history:
            if event.kind == "values_redacted":
                taken += event.data["placeholders"]
                known += [Redaction(**one) for one in recorder.body(event.data, "values") or ()]
        return cls(settings, own=own, recorder=recorder, threads=threads, known=known, taken=taken)

    # looking

    async def look(self, value: Any, *, name: str = "") -> None:
        """Look through every text in a JSON value, so that what follows need not wait.

        ``name``: of what it is the value; that of an argument goes before.
        """
        detectors = self.settings.detectors
        for text in dict.fromkeys(leaves(value)):
            if (name, text) in self._seen or (len(text) <= LONG and not detectors):
                continue
            search = partial(self._ours, text, name)
            try:
                found = await self._apart(search)
            except Exception as error:  # somebody else's code: what nobody could look through is a secret
                self._failed(text, error)
                found = [_unchecked(text)]
            known = self._vault.is_placeholder  # others may take one for a name
            self._seen[name, text] = [one for one in found if not known(text, one.start, one.end)]

    def _failed(self, text: str, error: Exception) -> None:
        if self._recorder is not None:
            words = f"{type(error).__name__}: {error}"[:300]
            self._recorder.emit("detector_failed", actor="guardrails", digest=digest(text), message=words)

    async def look_at(self, args: Mapping[str, Any]) -> None:
        """The same for each argument of a call."""
        for name, value in args.items():
            await self.look(value, name=name)

    async def _apart(self, search: Callable[[], list[Finding]]) -> list[Finding]:
        if self._threads is None:
            return search()
        return await bounded(self._threads.run(search), MOST_SECONDS)

    def _inspect(self, text: str, name: str = "") -> list[Finding]:
        """What was found before, else what our own detectors find: others are given a thread, by ``look``."""
        found = self._seen.get((name, text))
        if found is None:
            found = self._ours.known(text, name)
            if not self.settings.detectors:
                self._seen[name, text] = found
        return found

    def _found(self, name: str, value: Any) -> list[Finding]:
        return [finding for text in leaves(value) for finding in self._inspect(text, name)]

    @cached_property
    def _own_values(self) -> frozenset[str]:
        """The values that stand in the user's own words."""
        return frozenset(finding.value for text in self.own for finding in self._ours.known(text))

    @cached_property
    def _named(self) -> Destinations:
        """Where links may lead by the user's own words alone."""
        return Destinations.of(self.own, self.settings.hosts)

    # arguments

    def found(self, args: Mapping[str, Any]) -> dict[str, frozenset[str]]:
        """By argument the kinds of what stands in it, and their categories."""
        return {name: names(self._found(name, value)) for name, value in args.items()}

    def opinion(self, call: Call) -> Decision:
        """Whether a call may leave with what stands in its arguments. A person's yes lifts no block."""
        if call.effect == "read" and call.declared:
            return Decision.allow()
        acts: list[tuple[Action, str]] = [
            (self._in_arguments(call.tool, finding), _why(name, finding))
            for name, value in call.args.items()
            for finding in self._found(name, value)
        ]
        said = opinion(acts)
        if said.verdict == "escalate" and call.approved_by is not None:
            return Decision.allow(*said.reasons, f"approved by {call.approved_by.user}")
        return said

    def _in_arguments(self, tool: str, finding: Finding) -> Action:
        if self.settings.is_own(finding, self._own_values):
            return "pass"
        return self.settings.in_arguments(tool, finding.kind, finding.category)

    def restored(self, tool: str, args: Any, *, leaves_run: bool) -> Any:
        """What a model put into a call, with the values again that it knows by their placeholders only.

        In a call that leaves the run only those that may leave with it, if need be with a person's yes.
        """

        def may(redaction: Redaction) -> bool:
            return not leaves_run or self._in_arguments(tool, redaction.finding) in ("pass", "escalate")

        try:
            return replaced(args, lambda text: self._vault.restore(text, may))
        except RecursionError:  # no tool takes arguments that are nested so deeply
            return args

    def redacted(self, tool: str, args: Mapping[str, Any], *, path: str) -> dict[str, Any]:
        """The arguments as they may leave: placeholders where the settings say so."""
        changed = {
            name: self._without(value, lambda finding: self._in_arguments(tool, finding) == "redact", name)
            for name, value in args.items()
        }
        self._write_down(path)
        return changed

    # answers, and what models see

    def answered(self, value: Any, *, path: str) -> tuple[Any, frozenset[str]]:
        """An answer (a text, or fields) without what is redacted in answers, and the kinds of that."""
        redacts = [one for one in self._found("", value) if self._in_answers(one) == "redact"]
        if not redacts:
            return value, frozenset()
        changed = self._without(value, lambda finding: self._in_answers(finding) == "redact")
        self._write_down(path)
        return changed, frozenset(one.kind for one in redacts)

    def answerable(self, value: Any) -> tuple[frozenset[str], list[tuple[Action, str]]]:
        """What kinds stand in an answer, and what is to be done about each finding and why."""
        found = self._found("", value)
        return names(found), [(self._in_answers(one), _why("the answer", one)) for one in found]

    def told(self, text: str, *, path: str) -> str:
        """What goes out beside an answer, such as a caveat: without anything that may not simply pass."""
        if self.settings.links != "pass" and strangers(text, self._named, bare=False):
            text = tamed(text, self._named).text
        changed = self._without(text, lambda finding: self._in_answers(finding) != "pass")
        self._write_down(path)
        return str(changed)

    def _in_answers(self, finding: Finding) -> Action:
        return self.settings.in_answers(finding.kind, finding.category)

    def hidden(self, value: Any, *, path: str) -> Any:
        """What a model gets to see of a JSON value."""
        if not self.settings.models:
            return value
        changed = self._without(value, lambda one: self.settings.hides(one.kind, one.category))
        self._write_down(path)
        return changed

    def shown(self, value: Any) -> Any:
        """What a model said, with the values for the placeholders that it was given instead."""
        return replaced(value, self._vault.restore) if self.settings.models else value

    def _without(self, value: Any, chosen: Callable[[Finding], bool], name: str = "") -> Any:
        inspect = partial(self._inspect, name=name)
        return replaced(value, lambda text: redacted(text, inspect, chosen, self._vault))

    def _write_down(self, path: str) -> None:
        """Store what is new in the vault beside the run's events: a run that goes on has it again."""
        fresh = self._vault.fresh()
        if not fresh or self._recorder is None:
            return
        placeholders = [one.placeholder for one in fresh]
        self._recorder.emit(
            "values_redacted",
            actor="guardrails",
            path=path,
            placeholders=placeholders,
            message=", ".join(placeholders[:_SHOWN]),
            values={"payload": self._recorder.keep([asdict(one) for one in fresh])},
        )


def _unchecked(text: str) -> Finding:
    return Finding(kind=UNCHECKED, category="secret", start=0, end=len(text), value=text)


def _why(where: str, finding: Finding) -> str:
    words = finding.kind.replace("_", " ")
    if finding.category == "secret":
        return f"{where} holds a secret ({words})"
    return f"{where} holds a value of the kind {words} that the request does not name"
