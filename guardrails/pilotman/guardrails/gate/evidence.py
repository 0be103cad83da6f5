"""What a run has read: which values stand where, who wrote them, and which records the request means."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, cast

from pilotman.guardrails.gate.literals import addresses, agrees, canonical, dates, kind_of, numbers, times
from pilotman.guardrails.gate.looking import is_everywhere, is_filter, is_limit
from pilotman.guardrails.gate.records import Record, forms, groups, scalars, stands
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.wording.words import stem, terms, words

Standing: TypeAlias = Literal["given", "designated", "known", "foreign", "unknown"]
"""Where a value stands: in the request or the facts; in the one record that the request means; in another
record of a trusted author; in what third parties wrote; nowhere."""

_T = TypeVar("_T")
_COMMON = frozenset({"id", "ids", "name", "number", "key"})
_LONG = 1_000  # characters: no standing of such a value is kept
_SAYING = re.compile(
    r"\b(passport|(?:credit|debit|identity) card|(?:tax|national) id|social security|ssn|cvv|cvc"
    r"|driver'?s? licen[cs]e)"
    r"(?: (?:number|no|code))?\W{1,3}(?:is\W+)?(?=[a-z]{0,3}[ -]?\d)"
)
_SHORT = 12  # words that may be put together from elsewhere
HARMLESS: frozenset[Standing] = frozenset({"given", "designated"})


class Evidence:
    """All that one run has read. ``tainted``: some of it was written by third parties."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.tainted = False
        self.days: frozenset[str] = frozenset()
        self.hours: frozenset[str] = frozenset()
        self.lengths: frozenset[int] = frozenset()
        self.numbers: frozenset[str] = frozenset()
        self._asked: set[str] = set()
        self._made: set[str] = set()
        self._nouns: set[str] = set()
        self._agreed: set[str] = set()
        self._trusted: defaultdict[str, list[Record]] = defaultdict(list)
        self._lines: list[tuple[str, Record]] = []
        self._foreign: list[tuple[str, Record]] = []
        self._foreign_addresses: frozenset[str] = frozenset()
        self._foreign_days: list[frozenset[str]] = []  # of the first so many of them
        self._secrets: set[str] = set()
        self._private: dict[str, frozenset[str]] = {}
        self._meant: list[Record] = []
        self._known: dict[tuple[str, str, str], object] = {}

    def observe(
        self,
        args: Mapping[str, Any],
        result: Any,
        *,
        source: str,
        third_party: bool | Sequence[str],
        done: bool = False,
    ) -> None:
        """Take in what the tool ``source`` returned for these arguments. ``done``: it changed something."""
        self._known.clear()
        named = list(scalars(args))
        asked = [value for _, value in named]
        spelled = {form for value in asked for form in forms(value)}
        self._asked |= spelled
        if done:
            self._made |= spelled
        limits = [value for name, value in named if is_limit(name, value)]
        picking = [(name, value) for name, value in named if not self._is_meant(name, value)]
        bound = all(is_filter(name, value) for name, value in picking)
        given = terms(" ".join(str(value) for value in asked))
        for group in groups(result, third_party=third_party):
            if not asked and len(group) == 1:
                self._learn_today(group[0])
            chosen = bool(picking) or any(len(group) >= limit for limit in limits)  # by whoever wrote these
            self._designate(group, bound=not chosen, given=given)
            for record in group:
                record.bound, record.sought, record.source = bound and bool(asked), given, source
                self._enter(record)
                if done:
                    self._made.update(form for f in record.fields if f.trusted for form in forms(f.text))
        self._known.clear()

    def _is_meant(self, name: str, value: Any) -> bool:
        """Whether an argument of a read is the request's, words of it to search by, or about no one thing."""
        if is_limit(name, value) or is_everywhere(name, value) or self.standing(value) in HARMLESS:
            return True
        said = terms(value) if isinstance(value, str) and " " in value.strip() else frozenset[str]()
        return bool(said) and all(w in self.request.every or self.speaks_of(frozenset({w})) for w in said)

    def standing(self, value: Any) -> Standing:
        """Where a value stands."""
        return self._kept("standing", value, self._standing)

    def _standing(self, value: Any) -> Standing:
        if self.request.holds(value):
            return "given"
        found = self.records_with(value)
        if any(
            record.designated and not self._is_shared(value, record) for record in found
        ) or not self._agreed.isdisjoint(forms(value)):
            return "designated"
        if found:
            return "known"
        if self._is_put_together(value):
            return "designated"
        return "foreign" if self.wrote(value) else "unknown"

    def _is_put_together(self, value: Any) -> bool:
        """Whether each word of a short text, which is no address, is the request's or stands by itself in a
        record that it means: "lamp-2 on"."""
        text = str(value)
        found = [word for word in (w.strip(".,;:!?()\"'") for w in text[:_LONG].split()) if word]
        return (
            1 < len(found) <= _SHORT
            and not addresses(text)
            and all(
                self.request.spells(word) or any(record.designated for record in self.records_with(word))
                for word in found
            )
        )

    def _is_shared(self, value: Any, record: Record) -> bool:
        """Whether all siblings of a record have this value, meant or not: it tells nothing about this one."""
        others = [r for r in record.group if not r.designated]
        spelled = forms(value)
        return bool(others) and all(
            any(not spelled.isdisjoint(forms(f.text)) for f in r.fields) for r in others
        )

    def is_listed(self, value: Any) -> bool:
        """Whether a meant value is only ever one of a list that the request does not speak of."""
        spelled = forms(value)
        places = [
            f
            for record in self.meant_with(value)
            for f in record.fields
            if not spelled.isdisjoint(forms(f.text))
        ]
        return (
            bool(places)
            and not self.request.plural
            and all(
                f.listed and not {stem(word) for word in words(f.name)} <= self.request.every for f in places
            )
        )

    def is_at_hand(self, value: Any) -> bool:
        """Whether we wrote a value, or somebody did in what was read because the request names it."""
        if self.standing(value) in (*HARMLESS, "known"):
            return True
        return any(source.bound or source.designated for source in self.sources(value))

    def records_with(self, value: Any) -> list[Record]:
        """The records that hold this value in a trusted field, or in a line of trusted text."""
        return self._kept("trusted", value, self._records_with)

    def meant_with(self, value: Any) -> list[Record]:
        """Those of ``records_with`` that the request means."""
        return [record for record in self.records_with(value) if record.designated]

    def _kept(self, what: str, value: Any, find: Callable[[Any], _T]) -> _T:
        """What was found for a value since the last result came in."""
        text = str(value)
        if len(text) > _LONG:
            return find(value)
        key = (what, type(value).__name__, text)
        if key not in self._known:
            self._known[key] = find(value)
        return cast("_T", self._known[key])

    def _records_with(self, value: Any) -> list[Record]:
        spelled = forms(value)
        found = {id(r): r for form in spelled for r in self._trusted.get(form, ())}
        if not found:
            found = {id(r): r for form in spelled for line, r in self._lines if stands(form, line)}
        return list(found.values())

    def wrote(self, value: Any) -> bool:
        """Whether third parties wrote this value somewhere."""
        found = forms(value)
        if not self._foreign_addresses.isdisjoint(found):
            return True
        return any(stands(form, text) for form in found for text, _ in self._foreign)

    def is_entry(self, value: Any) -> bool:
        """Whether third parties wrote just this into a field, as one names a channel or a folder."""
        spelled = forms(value)
        return not addresses(str(value)) and any(text.strip() in spelled for text, _ in self._foreign)

    def vouches_for(self, value: Any) -> bool:
        """Whether a value is the request's or a trusted author's, or this run has made it."""
        return self.standing(value) in (*HARMLESS, "known") or self.has_made(value)

    def has_made(self, value: Any) -> bool:
        """Whether a call that changed something was given this value, or returned it."""
        return not self._made.isdisjoint(forms(value))

    def has_rivals(self, value: Any) -> bool:
        """Whether an address stands beside others of its kind in what third parties wrote: nothing that is
        trusted says which one is meant."""
        mine, spelled = addresses(str(value)), forms(value)
        kinds = {kind_of(address) for address in mine}
        return bool(mine) and any(
            kind_of(other) in kinds and self.standing(other) not in HARMLESS
            for text, _ in self._foreign
            if any(stands(form, text) for form in spelled)
            for other in addresses(text) - mine
        )

    def has_other_days(self, value: Any) -> bool:
        """Whether third parties write of this day and of another one in one text."""
        mine = dates(str(value))
        if not mine:
            return False
        self._foreign_days += (dates(text) for text, _ in self._foreign[len(self._foreign_days) :])
        several = (days for days in self._foreign_days if len(days) > 1)
        return any(agrees(day, one) for days in several for day in days for one in mine)

    def has_secrets(self, value: Any) -> bool:
        """Whether a text gives away a secret that was read and that the request does not spell out."""
        text = canonical(str(value))
        if any(said[1] not in self.request.canonical for said in _SAYING.finditer(text.replace("_", " "))):
            return True
        if any(secret in text and not self.request.spells(secret) for secret in self._secrets):
            return True
        unsaid = (one for one, called in self._private.items() if called.isdisjoint(self.request.every))
        return any(stands(one, text) for one in unsaid)

    def speaks_of(self, said: frozenset[str]) -> bool:
        """Whether any of these stems stands in what a trusted author wrote."""
        return any(not said.isdisjoint(r.trusted_words) for r in self._meant)

    def links_to(self, value: Any) -> bool:
        """Whether this very address, without a query, stands in what was read because the request names it.

        It was written before this run, so it carries nothing of it away: only that somebody looks.
        """
        return "?" not in str(value) and self.wrote(value) and self.is_at_hand(value)

    def sources(self, value: Any) -> list[Record]:
        """The records that hold this value anywhere, whoever wrote it there."""
        return self._kept("anywhere", value, self._sources)

    def _sources(self, value: Any) -> list[Record]:
        spelled = forms(value)
        found = {id(r): r for form in spelled for text, r in self._foreign if stands(form, text)}
        return [*self.records_with(value), *found.values()]

    def misplaced(self, value: Any, nouns: frozenset[str], *, strictly: bool = False) -> bool:
        """Whether a value of this kind stands elsewhere, and this one only where another kind stands.

        ``nouns`` are the stems of a parameter's name: a booking's number is no flight's number.
        """
        spelled = forms(value)
        under = {
            stem(word)
            for form in spelled
            for r in self._trusted.get(form, ())
            for f in r.fields
            if form in forms(f.text)
            for word in words(f.name)
        }
        if strictly:
            under -= _COMMON
        return bool(under) and under.isdisjoint(nouns) and not self._nouns.isdisjoint(nouns - _COMMON)

    def consumed(self, quote: str) -> bool:
        """Whether words in quotes named something to read, rather than what to write."""
        wanted = canonical(quote)
        return (
            wanted in self._asked
            or any(wanted in line for line, _ in self._lines)
            or bool(self.records_with(quote))
        )

    def _learn_today(self, record: Record) -> None:
        """A trusted read without arguments that returns one date and no more tells what day it is."""
        text = record.fields[0].text if len(record.fields) == 1 and record.fields[0].trusted else ""
        if self.request.today is None and len(text) < 40 and len(found := dates(text)) == 1:
            self.request.today = next(iter(found))

    def _designate(self, group: list[Record], *, bound: bool, given: frozenset[str]) -> None:
        """Mark the records that the request means, by its own words, among those that were read together.

        What a read returned alone, for arguments that the request names, is meant. Of several, it is the ones
        that are named; the extreme one where the request says so ("the cheapest"); else those that share most
        of the telling words with the request, weighted by how rarely the siblings have them. Are these
        several and does it not say "all", then only what they agree in is meant.
        """
        outer = group[0].parent
        if len(group) == 1 and outer is not None and len(outer.group) > 1:
            meant = group if outer.designated else []
        elif len(group) == 1 and bound:
            meant = group
        elif len(group) == 1:  # nothing says that it is this one which is meant, but its name or its place
            meant = group if self._is_named(group[0], given) or self.request.ranks(group) else []
        else:
            best = self._best(group, given) or (group if bound and self._is_all_of(group, given) else [])
            alone = len(best) == 1 or self.request.plural or any(record.named for record in best)
            meant = best if alone else self.request.ranks(best or group)
            if best and not meant:
                self._agree(best)
        meant = [record for record in meant if not self._is_excepted(record)]
        for record in meant:
            record.designated = True
        self._meant += meant
        texts = [f.text for r in meant for f in r.fields if f.trusted and len(f.text) < 80]
        self.days |= {day for text in texts for day in dates(text)}
        self.lengths |= {int(r.orderables["length"]) for r in meant if "length" in r.orderables}
        self.hours |= {hour for text in texts for hour in times(text)}
        self.numbers |= {number for text in texts for number in numbers(text)}

    def _is_all_of(self, group: list[Record], given: frozenset[str]) -> bool:
        """Whether the request says "everybody in Support", and that is what was asked for and came."""
        name = {term for term in given & self.request.proper if term.isalpha()}
        return self.request.plural and bool(name) and all(name <= record.terms for record in group)

    def _is_excepted(self, record: Record) -> bool:
        """Whether the request leaves this one out by its name: "all but Ailsa"."""
        others = [name for one in record.group if one is not record for name in one.names]
        return any(stands(name, self.request.excepted) for name in record.names if name not in others)

    def _agree(self, records: list[Record]) -> None:
        first, *others = ({(f.name, f.text) for f in r.fields if f.trusted} for r in records)
        for _, text in first.intersection(*others):
            self._agreed.update(forms(text))

    def _best(self, group: list[Record], given: frozenset[str]) -> list[Record]:
        """The records that the request names; else those that share most of its telling words, if any do."""
        named = [record for record in group if self._is_named(record, given)]
        for record in named:
            record.named = True
        if named:
            return named
        ranked = self.request.ranks(group)
        for record in ranked:
            record.ranked = True
        scores = self._scores(group)
        best = max(scores, default=0.0)
        return ranked or [
            r for r, score in zip(group, scores, strict=True) if score >= best - 1e-9 and best > 0
        ]

    def _is_named(self, record: Record, given: frozenset[str]) -> bool:
        """Whether the request says a name that is this record's and no sibling's."""
        others = [r for r in record.group if r is not record]
        for name in record.names:
            shared = sum(name in r.names for r in others)
            if stands(name, self.request.canonical) and (
                not shared or (self.request.plural and shared < len(others))
            ):
                return True
        own = (record.terms & self.request.proper) - given
        return any(all(t not in r.terms for r in others) for t in own)

    def _scores(self, group: list[Record]) -> list[float]:
        days = {t for record in group for t in record.terms if t.startswith("date:")}
        wanted = (
            self.request.terms
            | self.request.figures
            | {day for day in days if self.request.means_day(day[5:])}
        )
        frequency = Counter(term for record in group for term in record.terms & wanted)
        size = len(group)
        weight = {t: math.log((size + 1) / n) for t, n in frequency.items() if n < size or size == 1}
        return [sum(weight.get(term, 0.0) for term in record.terms & wanted) for record in group]

    def _enter(self, record: Record) -> None:
        self._secrets |= record.secrets
        self._private |= record.private
        for one in record.fields:
            if not one.trusted:
                self.tainted = True
                self._foreign.append((f" {one.text} ", record))
                self._foreign_addresses |= addresses(one.text)
                continue
            self._nouns.update(stem(word) for word in words(one.name))
            for form in forms(one.text):
                self._trusted[form].append(record)
            if " " in one.text:
                self._lines.append((f" {one.text} ", record))
