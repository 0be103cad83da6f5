"""What was taken out of a run's texts, and the placeholders for it. Reversible inside the run only."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pilotman.guardrails.outbound.finding import Category, Finding

_PLACEHOLDER = re.compile(r"\[([a-z][a-z0-9_]{0,40})-([0-9]{1,9})\]")
_LONGEST = 60
_PASSES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Redaction:
    """One value and its placeholder, such as ``[iban-1]``. ``serial`` counts all of a run, from 1.

    ``value`` is as it stood in the text, ``canonical`` as it is compared.
    """

    serial: int
    placeholder: str
    kind: str
    category: Category
    value: str = field(repr=False)
    canonical: str = field(repr=False)

    @property
    def finding(self) -> Finding:
        """What was found when it was taken out, apart from its place."""
        size = len(self.value)
        return Finding(kind=self.kind, category=self.category, start=0, end=size, value=self.canonical)


class Vault:
    """The redactions of one run. The same value has the same placeholder, in all of the run's texts.

    ``known`` are those that an earlier life of the run made, ``taken`` placeholders whose value is not kept
    any more.
    """

    def __init__(self, known: Iterable[Redaction] = (), *, taken: Iterable[str] = ()) -> None:
        self._by_value: dict[tuple[str, str], Redaction] = {}
        self._by_placeholder: dict[str, Redaction] = {}
        self._taken = set(taken)
        self._last: dict[str, int] = {}
        self._fresh: list[Redaction] = []
        self._lock = Lock()  # long texts are redacted in threads
        for one in known:
            self._keep(one)

    def _keep(self, one: Redaction) -> None:
        self._by_value[one.kind, one.value] = one
        self._by_placeholder[one.placeholder] = one

    def fresh(self) -> list[Redaction]:
        """The redactions that are new since this was last asked: to be written down."""
        with self._lock:
            new, self._fresh = self._fresh, []
            return new

    def redact(self, text: str, findings: Sequence[Finding]) -> str:
        """The text with a placeholder in the place of each finding. They are in order, none over another."""
        literal = {match[0] for match in _PLACEHOLDER.finditer(text)}
        pieces: list[str] = []
        at = 0
        with self._lock:
            for one in findings:
                pieces += [text[at : one.start], self._placeholder(one, text[one.start : one.end], literal)]
                at = one.end
        return "".join([*pieces, text[at:]])

    def is_placeholder(self, text: str, start: int, end: int) -> bool:
        """Whether these characters of a text are a placeholder of this run, or a part of one."""
        around = _PLACEHOLDER.finditer(text, max(0, start - _LONGEST), end + _LONGEST)
        return any(
            match.start() <= start and end <= match.end() and match[0] in self._by_placeholder
            for match in around
        )

    def _placeholder(self, finding: Finding, value: str, literal: Collection[str]) -> str:
        known = self._by_value.get((finding.kind, value))
        if known is None:
            known = Redaction(
                serial=len(self._by_placeholder) + 1,
                placeholder=self._unused(finding.kind, literal),
                kind=finding.kind,
                category=finding.category,
                value=value,
                canonical=finding.value,
            )
            self._keep(known)
            self._fresh.append(known)
        return known.placeholder

    def _unused(self, kind: str, literal: Collection[str]) -> str:
        """The next placeholder of a kind that stands for nothing, nor as such in the text."""
        number = self._last.get(kind, 0)
        while True:
            number += 1
            name = f"[{kind}-{number}]"
            if not any(name in used for used in (self._by_placeholder, self._taken, literal)):
                self._last[kind] = number
                return name

    def restore(self, text: str, may: Callable[[Redaction], bool] = lambda _: True) -> str:
        """The text with the values again that ``may`` be seen where it goes."""
        return self._restore(text, may, len(self._by_placeholder) + 1)

    def _restore(self, text: str, may: Callable[[Redaction], bool], before: int) -> str:
        """A value may itself hold placeholders, but only those that were made before it."""

        def value(match: re.Match[str]) -> str:
            known = self._by_placeholder.get(match[0])
            if known is None or known.serial >= before or not may(known):
                return match[0]
            return self._restore(known.value, may, known.serial)

        return _PLACEHOLDER.sub(value, text) if "[" in text else text


def redacted(
    text: str,
    inspect: Callable[[str], Collection[Finding]],
    chosen: Callable[[Finding], bool],
    vault: Vault,
) -> str:
    """The text without the findings that are chosen: nothing of the kind is found in it any more.

    What is taken out may lay bare what stood beside it: it is looked at again, and at last taken out whole.
    """
    for _ in range(_PASSES):
        findings = [one for one in inspect(text) if chosen(one)]
        if not findings:
            return text
        text = vault.redact(text, findings)
    everything = Finding(kind="text", category="secret", start=0, end=len(text), value=text)
    return vault.redact(text, [everything])
