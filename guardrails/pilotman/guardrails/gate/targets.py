"""What can be said against whom or what a call is about: is it the one that the request means?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import combinations
from types import MappingProxyType

from pilotman.guardrails.gate.demands import names, sentences
from pilotman.guardrails.gate.evidence import HARMLESS, Evidence, Standing
from pilotman.guardrails.gate.finding import OK, Finding, shown
from pilotman.guardrails.gate.lease import Lease
from pilotman.guardrails.gate.literals import addresses, canonical_number, kind_of
from pilotman.guardrails.gate.records import Record, forms, stands
from pilotman.guardrails.gate.request import SUPERLATIVE
from pilotman.guardrails.gate.roles import Part
from pilotman.guardrails.wording.words import stem, terms, words

_MAKES = tuple(
    re.compile(pattern)
    for pattern in (
        r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
        r"#[\w-]+",
        r"(?:https?://|www\.)\S+",
        r"(?=\w*[-_]?\d)[a-zA-Z]+[-_]?\d[\w-]*",
    )
)
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
_LONGEST, _SPOKEN = 300, 3


class Targets:
    """Judges the targets of all calls of one tool in one run. ``strong``: it was plainly asked for."""

    def __init__(self, tool: str, lease: Lease, evidence: Evidence, *, strong: bool) -> None:
        self._tool = tool
        self._strong = strong
        self._clauses = lease.clauses.get(tool, ())
        self._evidence = evidence
        self._request = evidence.request

    def about(self, part: Part, parts: Sequence[Part]) -> Finding:
        """What can be said about one target of a call."""
        standing = self._evidence.standing(part.value)
        if standing in HARMLESS:
            return self._about_meant(part, parts, standing)
        return self._about_doubtful(part, parts, standing)

    def together(self, parts: Sequence[Part]) -> list[Finding]:
        """What can be said about the targets of one call beside each other."""
        return [*self._about_pairs(parts), *self._about_roles(parts)]

    def _about_meant(self, part: Part, parts: Sequence[Part], standing: Standing) -> Finding:
        """A target that stands in the request, or in a record that the request means."""
        if standing == "given":
            elsewhere = self._evidence.misplaced(part.value, part.nouns) or self._is_said_elsewhere(part)
            other = elsewhere or self._is_own_instead(part, parts)
            return Finding("ask", f"{shown(part)} is named, but not for this") if other else OK
        if (
            self._is_number_of_another(part)
            or self._is_other_address(part)
            or self._is_instead(part)
            or self._is_not_the_extreme(part)
        ):
            return Finding("ask", f"{shown(part)} is meant, but not for this")
        if self._evidence.is_listed(part.value):
            return Finding("ask", f"{shown(part)} is one of several that the request may mean")
        if not self._strong and self._evidence.tainted and addresses(str(part.value)):
            return Finding("ask", f"the request does not plainly ask for {self._tool}")
        return OK

    def _about_doubtful(self, part: Part, parts: Sequence[Part], standing: Standing) -> Finding:
        """A target that the request does not bind."""
        name, tainted = shown(part), self._evidence.tainted
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
            found = self._evidence.is_at_hand(part.value) or self._evidence.is_entry(part.value)
            asks = found and not self._evidence.has_rivals(part.value)
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

    def _is_own_instead(self, part: Part, parts: Sequence[Part]) -> bool:
        """Whether this is the user's own address from the facts, and the request spells others out."""
        kinds = {kind_of(address) for address in addresses(str(part.value))}
        if not kinds or _SELF.search(self._request.canonical):
            return False
        spelled = any(stands(form, self._request.canonical) for form in forms(part.value))
        alone = not any(
            addresses(str(one.value)) for one in parts if one.role == "target" and one is not part
        )
        return not spelled and ((alone and self._evidence.tainted) or bool(self._request.of(*kinds)))

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
        meant = self._evidence.meant_with(part.value)
        return not any(record.named or record.bound for record in meant)

    def _is_number_of_another(self, part: Part) -> bool:
        """Whether this is a bare number that only other kinds of things have: an account's for an order's."""
        number = canonical_number(str(part.value)) is not None
        return number and self._evidence.misplaced(part.value, part.nouns, strictly=True)

    def _is_not_the_extreme(self, part: Part) -> bool:
        """Whether the words that asked for this say a superlative ("the largest"), and others this one."""
        if not self._superlative:
            return False
        meant = self._evidence.meant_with(part.value)
        asked = terms(" ".join(self._clauses))
        return bool(meant) and all(r.named and not r.ranked and asked.isdisjoint(r.terms) for r in meant)

    @cached_property
    def _superlative(self) -> bool:
        return any(SUPERLATIVE.search(clause) for clause in self._clauses)

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


def _kind(part: Part) -> str:
    """What the name of a thing says of its kind: ``d-`` of ``D-377``."""
    found = _NAMED.match(str(part.value).strip())
    return "" if found is None else found[1].casefold()
