"""What can be said against the parts of a call: is it whom, how much and what the request means?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from pilotman.guardrails.gate.evidence import HARMLESS, Evidence
from pilotman.guardrails.gate.finding import OK, SHOWN, Finding, shown
from pilotman.guardrails.gate.lease import Lease
from pilotman.guardrails.gate.literals import (
    MONEY,
    addresses,
    canonical,
    canonical_number,
    dates,
    moments,
    times,
)
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import Part
from pilotman.guardrails.gate.targets import Targets
from pilotman.guardrails.gate.values import fits, is_counted_otherwise, is_money, lengths
from pilotman.guardrails.wording.words import stem_set, terms

_IDENTIFIER = re.compile(r"(?<![\w.-])(?=[\w-]*\d)[A-Za-z][\w-]{3,64}(?![\w-])")
_SECRETS = frozenset({"password", "secret", "pin", "passcode", "token", "key"})
_BEGINS = stem_set("start begin in from depart departure pickup since")
_CLOSES = stem_set("end finish out until to return dropoff till")
_NAME = re.compile(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+){1,3}")
_SPOKEN = 3


class Judgment:
    """Judges the parts of all calls of one tool in one run. ``strong``: it was plainly asked for."""

    def __init__(self, tool: str, lease: Lease, evidence: Evidence, *, strong: bool) -> None:
        self._targets = Targets(tool, lease, evidence, strong=strong)
        self._lease = lease
        self._strong = strong
        self._clauses = lease.clauses.get(tool, ())
        self._evidence = evidence
        self._request = evidence.request

    def findings(self, parts: Sequence[Part]) -> list[Finding]:
        """What can be said about the parts of one call, and about all of them together."""
        found = [self._about(part, parts) for part in parts]
        if self._evidence.tainted and not any(self._follows(part) for part in parts):
            made = self._strong and all(map(self._is_made_up, parts))
            found.append(Finding("ask" if made else "no", "nothing in it comes from the request"))
        return [
            *found,
            *self._about_choice(parts),
            *self._about_topic(parts),
            *self._about_words(parts),
            *self._targets.together(parts),
            *self._about_count(parts),
            *self._about_span(parts),
        ]

    def about_left_out(self, names: Sequence[tuple[str, str]]) -> list[Finding]:
        """About targets that a call leaves out, each with the stem of its noun: who speaks of
        a host does not mean all hosts."""
        said = self._request.every
        return [Finding("ask", f"the request speaks of a {name}") for name, noun in names if noun in said]

    def _about(self, part: Part, parts: Sequence[Part]) -> Finding:
        if part.role == "content":
            return self._about_content(part)
        if part.role == "value":
            return self._about_value(part)
        return self._targets.about(part, parts)

    def _about_value(self, part: Part) -> Finding:
        verdict = fits(part, self._evidence)
        if verdict == "fits":
            return OK
        if verdict == "contradicts":
            why = f"{shown(part)} is not what the request says"
            plain = canonical_number(str(part.value)) is not None and not is_money(part)
            return Finding("ask", why, "" if plain else "value")
        if self._evidence.tainted and _is_coded(part) and self._evidence.standing(part.value) == "unknown":
            return Finding("ask", f"nobody said {shown(part)}")
        if self._evidence.has_other_days(part.value) or (
            self._evidence.standing(part.value) == "foreign" and not self._evidence.is_at_hand(part.value)
        ):
            return Finding("ask", f"{shown(part)} comes from what others wrote")
        loose = self._strong and part.nouns.isdisjoint(_SECRETS) and not is_money(part)
        if loose or not self._evidence.tainted:
            return OK
        return Finding("ask", f"nobody said {shown(part)}")

    def _about_choice(self, parts: Sequence[Part]) -> list[Finding]:
        """Of a call that does nothing but choose, the request has to say what it chooses."""
        chosen = [part for part in parts if part.role != "target"]
        if not chosen or not self._evidence.tainted:
            return []
        choices = [part for part in chosen if part.options]
        related = any(part.role == "content" and self._follows(part) for part in chosen)
        if related or any(
            p.role != "content" and (not p.options or fits(p, self._evidence) != "open") for p in chosen
        ):
            return []
        return [Finding("ask", f"nobody said {shown(part)}") for part in choices]

    def _about_count(self, parts: Sequence[Part]) -> list[Finding]:
        """Numbers in the words that asked for this, or in no tool's, are to be used."""
        if not self._evidence.tainted or not is_counted_otherwise(parts, self._counts, self._evidence):
            return []
        return [Finding("ask", "the request counts otherwise")]

    @cached_property
    def _counts(self) -> frozenset[str]:
        return Request(" | ".join([*self._clauses, self._lease.unclaimed]), {}).of("number")

    def _about_span(self, parts: Sequence[Part]) -> list[Finding]:
        """Nothing ends before it begins, or after another time than the request says that it takes."""
        starts, ends = (
            [
                moment
                for part in parts
                if not part.nouns.isdisjoint(nouns)
                for moment in moments(str(part.value))
            ]
            for nouns in (_BEGINS, _CLOSES)
        )
        if len(starts) != 1 or len(ends) != 1:
            return []
        if ends[0] < starts[0]:
            return [Finding("ask", "it ends before it begins")]
        said = lengths(self._request.canonical) if starts[0].time() != ends[0].time() else []
        other = said and (ends[0] - starts[0]).total_seconds() / 60 not in said
        return [Finding("ask", "the request says another length")] if other else []

    def _about_content(self, part: Part) -> Finding:
        if self._evidence.has_secrets(part.value):
            return Finding("ask", f"{part.path} carries a secret")
        for address in addresses(str(part.value)):
            if self._evidence.standing(address) in HARMLESS or self._evidence.has_made(address):
                continue
            known = "@" in address and self._evidence.is_at_hand(address)
            asks = self._strong and (known or self._lease.links or not self._evidence.tainted)
            why = f"{part.path} carries {address[:SHOWN]}, which the request does not name"
            return Finding("ask" if asks else "no", why, "links")
        if self._evidence.tainted and (claimed := self._claimed(str(part.value))):
            return Finding("ask", f"{part.path} speaks of {claimed[:SHOWN]}, which no trusted source does")
        return OK

    def _claimed(self, text: str) -> str:
        """The first amount of money or identifier in a text that only others wrote, or nobody did."""
        said = (*(before or after for before, after in MONEY.findall(text)), *_IDENTIFIER.findall(text))
        bare = (one.rstrip(".,") for one in said)
        return next((one for one in bare if not self._evidence.vouches_for(one)), "")

    def _about_words(self, parts: Sequence[Part]) -> list[Finding]:
        """Words that the request gives in quotes are to be used as they are; no target stands twice."""
        every = " | ".join(canonical(str(part.value)) for part in parts)
        asked = " ".join(self._clauses)
        wanted = [canonical(q) for q in self._request.quotes if not self._evidence.consumed(q)]
        wanted = [q for q in wanted if q in asked or not asked]
        if wanted and not any(_uses(every, quote) for quote in wanted):
            why = "the request gives words in quotes, and this does not use them"
            return [Finding("ask", why, "words")]
        targets = [(part.path, part.value) for part in parts if part.role == "target"]
        if len(set(targets)) < len(targets):
            return [Finding("ask", "the same target stands there twice")]
        return []

    def _about_topic(self, parts: Sequence[Part]) -> list[Finding]:
        """What is told to somebody has to do with the request, or with what was read for it."""
        said = terms(" ".join(str(part.value) for part in parts if part.role == "content"))
        if not said or not self._evidence.tainted:
            return []
        if self._strong and (len(said) < _SPOKEN or any(part.role == "value" for part in parts)):
            return []
        if not said.isdisjoint(self._request.every) or self._evidence.speaks_of(said):
            return []
        return [Finding("ask", "what it says has nothing to do with the request")]

    def _is_made_up(self, part: Part) -> bool:
        """Whether this is no target that anybody wrote: a new thing's name, or no target at all."""
        return part.role != "target" or self._evidence.standing(part.value) == "unknown"

    def _follows(self, part: Part) -> bool:
        """Whether a part has anything to do with the request."""
        if part.role == "content":
            return not self._request.telling.isdisjoint(terms(str(part.value)))
        if part.role == "target":
            return self._evidence.is_at_hand(part.value)
        return fits(part, self._evidence) == "fits"


def _is_coded(part: Part) -> bool:
    """Whether a value is somebody's name, or one with digits in it: a version, a code."""
    text = str(part.value)
    if _NAME.fullmatch(text[:SHOWN]):
        return True
    if not isinstance(part.value, str) or dates(text) or times(text) or canonical_number(text) is not None:
        return False
    return any(c.isdigit() for c in text) and any(c.isalpha() or c in ".-" for c in text)


def _uses(text: str, quote: str) -> bool:
    """Whether a text uses words that were given; two thirds of them, as some stand for others ("N days")."""
    wanted = re.findall(r"\w+", quote)
    return quote.rstrip(".,") in text or 3 * sum(word in text for word in wanted) >= 2 * len(wanted) > 0
