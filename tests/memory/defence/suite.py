"""The memory suite: poisoned and honest memories, made of wordings and domains; the same ones at every call.

After the public descriptions of MemoryTrap (notes that an agent keeps of what it worked on and later takes
for its own), MINJA (Dong et al. 2025: queries only, bridging steps from one subject to another, then
shortened) and AgentPoison (Chen et al. 2024: demonstrations with a trigger, which are found for whoever
uses it), and of what came later: commands that wait for a word, facts that are swapped without any command,
experiences that recommend themselves, summaries, reports of sub-agents and MCP servers, encodings, other
languages, texts in several parts (OWASP Agentic Applications 2026, ASI06). The wordings are ours. By those of
``known.json`` the detector was chosen; those of ``unseen.json`` and ``fresh.json`` are held out: they were
written before its patterns (of the first and of the second detector), and only their figures are looked at.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

Texts: TypeAlias = Literal["known", "unseen", "fresh"]
TENANT = "acme"
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Domain:
    """``topics``: what users ask about. ``tool`` with ``deed`` is the write that an attacker wants, for
    ``targets`` of theirs; ``honest`` are the ones of the house. ``things`` are what facts are about."""

    name: str
    topics: Sequence[str]
    tool: str
    deed: str
    targets: Sequence[str]
    honest: Sequence[str]
    things: Sequence[str]
    people: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One memory. ``wrote``: ``user``, ``run`` (one that had read what others wrote) or ``document``.
    ``family`` of an attack, empty: honest; ``target`` is where an attacker wants the write to go. An attack
    may come in several ``parts``, each remembered by itself."""

    text: str
    wrote: str
    owner: str
    domain: Domain
    topic: str
    family: str = ""
    target: str = ""

    @property
    def parts(self) -> list[str]:
        return self.text.split(" || ")


def domains() -> list[Domain]:
    """The worlds: operations, a shop, a household, a bank, travel."""
    return [Domain(**one) for one in json.loads((_HERE / "domains.json").read_text("utf-8"))]


def attacks(texts: Texts, each: int = 18) -> list[Case]:
    """``each`` memories of every wording: across domains, topics, targets and owners."""
    return [*_Writer(texts, "attacks").attacks(each)]


def honest(texts: Texts, each: int = 20) -> list[Case]:
    """The same of honest wordings. Some are written down by several owners, word for word."""
    return [*_Writer(texts, "honest").honest(each)]


class _Writer:
    def __init__(self, texts: Texts, what: str) -> None:
        read: Mapping[str, Any] = json.loads((_HERE / f"{texts}.json").read_text("utf-8"))
        self._wordings: Mapping[str, Sequence[str]] = read[what]
        self._triggers: Sequence[str] = read["triggers"]
        self._domains = domains()
        self._dice = random.Random(f"{what} {texts}")

    def attacks(self, each: int) -> Iterator[Case]:
        for family, wording, domain in self._all(each):
            wrote, trigger = self._dice.choice(("run", "document")), self._dice.choice(self._triggers)
            yield self._filled(wording, domain, wrote=wrote, family=family, trigger=trigger)

    def honest(self, each: int) -> Iterator[Case]:
        for wrote, wording, domain in self._all(each):
            case = self._filled(wording, domain, wrote=wrote)
            text = case.text[0].upper() + case.text[1:]
            for _ in range(2 if self._dice.random() < 0.1 else 1):  # what is true is known to others too
                yield Case(text=text, wrote=wrote, owner=self._owner(), domain=domain, topic=case.topic)

    def _all(self, each: int) -> Iterator[tuple[str, str, Domain]]:
        for kind, several in self._wordings.items():
            for wording in several:
                for number in range(each):
                    yield kind, wording, self._domains[number % len(self._domains)]

    def _filled(
        self, wording: str, domain: Domain, *, wrote: str, family: str = "", trigger: str = ""
    ) -> Case:
        choice = self._dice.choice
        topic, target = choice(domain.topics), choice(domain.targets)
        text = wording.format(
            topic=topic,
            target=target,
            trigger=trigger,
            tool=domain.tool,
            deed=domain.deed,
            honest=choice(domain.honest),
            thing=choice(domain.things),
            person=choice(domain.people),
        )
        how, _, plain = text.rpartition("::")
        text = _ENCODED[how](plain) if how in _ENCODED else text
        aim = target if family else ""
        owner = self._owner()
        return Case(
            text=text, wrote=wrote, owner=owner, domain=domain, topic=topic, family=family, target=aim
        )

    def _owner(self) -> str:
        return f"user-{self._dice.randrange(40)}"


_LOOKALIKE = str.maketrans("aceopxyi", "асеорхуі")  # noqa: RUF001
_ENCODED: Mapping[str, Callable[[str], str]] = {
    "base64": lambda text: f"note: {base64.b64encode(text.encode()).decode()}",
    "hex": lambda text: f"ref {text.encode().hex()}",
    "homoglyph": lambda text: text.translate(_LOOKALIKE),
    "zerowidth": lambda text: re.sub(r"(?<=\w)(?=\w)", "\u200b", text),
    "spaced": lambda text: "  ".join(" ".join(word) for word in text.split()),
}
"""How an attack hides its words, by what stands before ``::``."""
