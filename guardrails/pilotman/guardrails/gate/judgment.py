"""What can be said against one part of a call: is it whom, how much and what the request means?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from pilotman.guardrails.gate.demands import names, sentences
from pilotman.guardrails.gate.evidence import HARMLESS, Evidence, Standing
from pilotman.guardrails.gate.lease import Lease
from pilotman.guardrails.gate.literals import addresses, canonical, canonical_number, kind_of
from pilotman.guardrails.gate.records import Record, forms, stands
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import Part
from pilotman.guardrails.gate.values import fits, is_counted_otherwise, is_money
from pilotman.guardrails.policy import Decision
from pilotman.guardrails.wording.words import stem, terms, words

Ground: TypeAlias = Literal["", "foreign", "other", "value", "words", "links"]


class Finding(NamedTuple):
    """Whether a part may pass, a person is to be asked or it may not; and why.

    ``ground``: what speaks against a call that a person is to be asked about: that others wrote of it, or
    which words of the request do. Two different ones are too much for a question.
    """

    said: Literal["ok", "ask", "no"]
    why: str
    ground: Ground = ""


OK = Finding("ok", "")
_MAKES = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"#[\w-]+",
        r"(?:https?://|www\.)\S+",
        r"(?=\w*[-_]?\d)[a-zA-Z]+[-_]?\d[\w-]*",
    )
)
_SECRETS = frozenset({"password", "secret", "pin", "passcode", "token", "key"})
_ORIGINS = frozenset({"from", "sourc", "own", "my", "sender", "payer", "debit", "origin"})
_ENDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"from": _ORIGINS}
    | dict.fromkeys(
        ("to", "into", "onto", "for", "with", "by"),
        frozenset(
            ["to", "into", "target", "destin", "dest", "receiv", "recipi", "new", "payee", "credit", "keep"]
        ),
    )
)
"""Which parameters a preposition speaks of."""
_BEFORE = 40
_NAMED = re.compile(r"([^\W\d]+[-_ #]?)\d+\Z")
_SELF = re.compile(r"\b(?:me|myself|us|both|own)\b")
_SHOWN, _LONGEST, _SPOKEN = 60, 300, 3


class Judgment:
    """Judges the parts of all calls of one tool in one run. ``strong``: it was plainly asked for."""

    def __init__(self, tool: str, lease: Lease, evidence: Evidence, *, strong: bool) -> None:
        self._tool = tool
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
            *self._about_pairs(parts),
            *self._about_roles(parts),
            *self._about_count(parts),
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
        standing = self._evidence.standing(part.value)
        if standing in HARMLESS:
            return self._about_meant(part, standing)
        return self._about_doubtful(part, parts, standing)

    # targets

    def _about_meant(self, part: Part, standing: Standing) -> Finding:
        """A target that stands in the request, or in a record that the request means."""
        if standing == "given":
            elsewhere = self._evidence.misplaced(part.value, part.nouns) or self._is_said_elsewhere(part)
            other = elsewhere or self._is_own_instead(part)
            return Finding("ask", f"{_shown(part)} is named, but not for this") if other else OK
        if self._is_other_address(part) or self._is_instead(part):
            return Finding("ask", f"{_shown(part)} is meant, but not for this")
        if not self._strong and self._evidence.tainted and addresses(str(part.value)):
            return Finding("ask", f"the request does not plainly ask for {self._tool}")
        return OK

    def _about_doubtful(self, part: Part, parts: Sequence[Part], standing: Standing) -> Finding:
        """A target that the request does not bind."""
        name, tainted = _shown(part), self._evidence.tainted
        if self._names_another(part, parts):
            known = standing == "known"
            return Finding("ask" if known else "no", f"{name} is another than the request names", "other")
        if standing == "known" and self._strong and not part.nouns.isdisjoint(_ORIGINS):
            return OK
        if tainted and self._is_stranger(part):
            why = f"{name} is not whom or what the request names"
            return Finding("ask" if standing == "known" and self._strong else "no", why, "other")
        if not self._strong:
            return Finding("no" if tainted else "ask", f"{name} is not what the request names")
        if standing == "known":
            return Finding("ask", f"{name} is one of several that the request may mean")
        if standing == "foreign":
            asks = self._evidence.is_at_hand(part.value) and not self._evidence.has_rivals(part.value)
            return Finding("ask" if asks else "no", f"{name} comes from what others wrote", "foreign")
        return Finding("ask", f"nobody named {name}")

    def _is_stranger(self, part: Part) -> bool:
        """Whether the words that asked for this name others, with whom this has nothing to do."""
        named = self._names
        if not named or not named.isdisjoint(terms(str(part.value))):
            return False
        return not any(named & (s.words | s.sought) for s in self._evidence.sources(part.value))

    def _is_other_address(self, part: Part) -> bool:
        """Whether this is an address, and the words that asked for the tool give another, or name others."""
        mine = addresses(str(part.value))
        kinds = {kind_of(address) for address in mine}
        if "iban" in kinds and any(kind_of(address) == "iban" for address in self._told):
            return mine.isdisjoint(self._told)
        people = "email" in kinds and bool(self._called)
        return (people or not kinds.isdisjoint(map(kind_of, self._told))) and self._is_stranger(part)

    def _is_own_instead(self, part: Part) -> bool:
        """Whether this is the user's own address from the facts, and the request spells others out."""
        kinds = {kind_of(address) for address in addresses(str(part.value))}
        if not kinds or _SELF.search(self._request.canonical):
            return False
        spelled = any(stands(form, self._request.canonical) for form in forms(part.value))
        return not spelled and bool(self._request.of(*kinds))

    def _is_said_elsewhere(self, part: Part) -> bool:
        """Whether the words that asked for this name another of this make, and this one stands elsewhere."""
        text = str(part.value).strip()
        make = next((pattern for pattern in _MAKES if len(text) < _LONGEST and pattern.fullmatch(text)), None)
        spelled = forms(part.value)
        if not self._told.isdisjoint(spelled):
            return False
        if make is None or any(stands(form, f" {clause} ") for form in spelled for clause in self._clauses):
            return False
        return any(make.search(clause) for clause in self._clauses)

    def _is_instead(self, part: Part) -> bool:
        """Whether the request says an address of this kind, and only resemblance speaks for this one."""
        mine = addresses(str(part.value))
        if not mine or not self._request.of(*(kind_of(address) for address in mine)):
            return False
        meant = [record for record in self._evidence.records_with(part.value) if record.designated]
        return not any(record.named or record.bound for record in meant)

    def _names_another(self, part: Part, parts: Sequence[Part]) -> bool:
        """Whether the request names another target of this kind, which is no other part of the call."""
        mine = addresses(str(part.value))
        if mine and self._request.of(*(kind_of(address) for address in mine)):
            return True
        used = {id(record) for other in parts for record in self._evidence.records_with(other.value)}
        records = self._evidence.records_with(part.value)
        return any(s.named and id(s) not in used for r in records for s in r.group if s is not r)

    @cached_property
    def _told(self) -> frozenset[str]:
        """The addresses in the words that asked for the tool."""
        return frozenset(address for clause in self._clauses for address in addresses(clause))

    @cached_property
    def _called(self) -> list[str]:
        """The names in the words that asked for the tool."""
        return [name for clause in self._clauses for name in names(clause)]

    @cached_property
    def _names(self) -> frozenset[str]:
        """Stems of the names in the words that asked for the tool; there are none, in all of the request."""
        found = self._called
        return terms(
            " ".join(found or [name for said in sentences(self._request.text) for name in names(said)])
        )

    # values and contents

    def _about_value(self, part: Part) -> Finding:
        verdict = fits(part, self._evidence)
        if verdict == "fits":
            return OK
        if verdict == "contradicts":
            why = f"{_shown(part)} is not what the request says"
            plain = canonical_number(str(part.value)) is not None and not is_money(part)
            return Finding("ask" if self._strong else "no", why, "" if plain else "value")
        loose = self._strong and part.nouns.isdisjoint(_SECRETS) and not is_money(part)
        if loose or not self._evidence.tainted:
            return OK
        return Finding("ask", f"nobody said {_shown(part)}")

    def _about_choice(self, parts: Sequence[Part]) -> list[Finding]:
        """Of a call that does nothing but choose, the request has to say what it chooses."""
        chosen = [part for part in parts if part.role != "target"]
        if not chosen or not self._evidence.tainted:
            return []
        if any(p.role == "content" or not p.options or fits(p, self._evidence) != "open" for p in chosen):
            return []
        return [Finding("ask", f"nobody said {_shown(part)}") for part in chosen]

    def _about_count(self, parts: Sequence[Part]) -> list[Finding]:
        """Numbers in the words that asked for this, or in no tool's, are to be used."""
        if not self._evidence.tainted or not is_counted_otherwise(parts, self._counts, self._evidence):
            return []
        return [Finding("ask", "the request counts otherwise")]

    @cached_property
    def _counts(self) -> frozenset[str]:
        return Request(" | ".join([*self._clauses, self._lease.unclaimed]), {}).of("number")

    def _about_content(self, part: Part) -> Finding:
        if self._evidence.has_secrets(part.value):
            return Finding("ask", f"{part.path} carries a secret")
        for address in addresses(str(part.value)):
            if self._evidence.standing(address) in HARMLESS:
                continue
            asks = self._strong and (self._lease.links or not self._evidence.tainted)
            why = f"{part.path} carries {address[:_SHOWN]}, which the request does not name"
            return Finding("ask" if asks else "no", why, "links")
        return OK

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

    def _about_pairs(self, parts: Sequence[Part]) -> list[Finding]:
        """Targets that are given as one object are of one record: not one's name with another's number."""
        together: dict[str, list[set[int]]] = {}
        for part in parts:
            outer, _, _ = part.path.rpartition(".")
            records = self._evidence.records_with(part.value) if outer and part.role == "target" else []
            if records:
                together.setdefault(outer, []).append({id(record) for record in records})
        mixed = [outer for outer, found in together.items() if not set[int].intersection(*found)]
        found = [Finding("ask", f"{outer} mixes what belongs to several") for outer in mixed]
        if self._returns(parts):
            found.append(Finding("ask", "it goes to where it comes from"))
        return found

    def _about_roles(self, parts: Sequence[Part]) -> list[Finding]:
        """Of two things of one kind that the request names ("merge D-2 and D-7") it says which is which."""
        given = [p for p in parts if p.role == "target" and self._evidence.standing(p.value) == "given"]
        mixed = any(
            one.nouns != other.nouns
            and one.value != other.value
            and _kind(one) == _kind(other) != ""
            and not (self._is_placed(one) or self._is_placed(other))
            for one, other in combinations(given, 2)
        )
        return [Finding("ask", "the request does not say which is which")] if mixed else []

    def _is_placed(self, part: Part) -> bool:
        """Whether words before a value say that it is for this: ``from A``, ``into B``, ``keep C``."""
        said = self._request.canonical
        for form in forms(part.value):
            at = said.find(form)
            before = words(said[max(0, at - _BEFORE) : at])[-_SPOKEN:] if at > 0 else []
            if any(stem(word) in part.nouns or part.nouns & _ENDS.get(word, frozenset()) for word in before):
                return True
        return False

    def _returns(self, parts: Sequence[Part]) -> bool:
        """Whether what something comes from and where it goes to are one thing."""
        targets = [part for part in parts if part.role == "target"]
        origins = [part for part in targets if not part.nouns.isdisjoint(_ORIGINS)]
        ends = [part for part in targets if part.nouns.isdisjoint(_ORIGINS)] if origins else []
        homes = {id(record) for part in origins for record in self._homes(part)}
        return any(id(record) in homes for part in ends for record in self._homes(part))

    def _homes(self, part: Part) -> list[Record]:
        """The things that a value belongs to: no records of something going from one to another."""
        found = self._evidence.records_with(part.value)
        return [r for r in found if all(_ORIGINS.isdisjoint(map(stem, words(f.name))) for f in r.fields)]

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


def summed(findings: Sequence[Finding]) -> Decision:
    """The strictest of several findings, with its reasons."""
    refused = [finding.why for finding in findings if finding.said == "no"]
    asked = [finding for finding in findings if finding.said == "ask"]
    against = {finding.ground for finding in asked if finding.ground}
    if refused:
        return Decision("deny", tuple(refused))
    if asked:
        why = tuple(finding.why for finding in asked)
        return Decision("deny" if len(against) > 1 else "escalate", why)
    return Decision.allow("the request asks for this")


def _kind(part: Part) -> str:
    """What the name of a thing says of its kind: ``d-`` of ``D-377``."""
    found = _NAMED.match(str(part.value).strip())
    return "" if found is None else found[1].casefold()


def _shown(part: Part) -> str:
    return f"{part.path} ({canonical(str(part.value))[:_SHOWN]})"


def _uses(text: str, quote: str) -> bool:
    """Whether a text uses words that were given; two thirds of them, as some stand for others ("N days")."""
    wanted = re.findall(r"\w+", quote)
    return quote.rstrip(".,") in text or 3 * sum(word in text for word in wanted) >= 2 * len(wanted) > 0
