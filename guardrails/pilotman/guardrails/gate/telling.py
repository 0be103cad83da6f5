"""Whether a request tells of a call whose verb it does not use: by whom, when, how much and what it says.

An attacker's call has to name the attacker's target, and nothing in the request binds that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from pilotman.guardrails.gate.deeds import Deed
from pilotman.guardrails.gate.demands import ordering, sentences
from pilotman.guardrails.gate.evidence import HARMLESS, Evidence
from pilotman.guardrails.gate.lease import Lease
from pilotman.guardrails.gate.literals import addresses, dates, times
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import Part
from pilotman.guardrails.gate.values import fits
from pilotman.guardrails.wording.words import terms

_FEW, _SPOKEN = 2, 3


class Telling:
    """What the request of one run tells of the calls of its tools."""

    def __init__(self, lease: Lease, evidence: Evidence) -> None:
        self._lease = lease
        self._evidence = evidence
        self._request = evidence.request

    def asks(self, parts: Sequence[Part], deed: Deed, *, contested: bool, lasting: bool) -> bool:
        """Whether all of a call follows from the request, and two things of it stand in words about no other
        tool, or three in any: then it asks for the call, by whatever verb. A noun of the tool's name is one
        of two in any words but questions, where the deed can be undone (not ``lasting``). A content follows
        if it has to do with the request.

        ``contested``: a tool that was plainly asked for takes the same arguments, so words about it are not
        about this one.
        """
        if self._lease.calls is not None:
            return False
        if not all(self._follows(part) or self._is_related(part) for part in parts):
            return False
        if self._weight(parts, deed, self._unclaimed) >= _FEW:
            return True
        if contested:
            return False
        if not lasting and not deed.named.isdisjoint(self._orders.every):
            return self._weight(parts, deed, self._orders) >= _FEW
        return self._weight(parts, deed, self._request) > _FEW

    def spells_out(self, parts: Sequence[Part], deed: Deed) -> bool:
        """Whether three things of a call stand in words about no other tool; one of two may be a noun of the
        tool's name if the other says why."""
        told = [part for part in parts if list(self._mentioned(part, self._unclaimed))]
        plain = len(told) > _FEW or any(part.role == "content" for part in told)
        return plain and self._weight(parts, deed, self._unclaimed) > _FEW

    def touches(self, parts: Sequence[Part], deed: Deed, *, lasting: bool) -> bool:
        """Whether a person may be asked about a call: the request means all of its targets and tells of it; a
        value that it speaks against is for that person to see. Two things of it have to stand there; one is
        enough if it has to do with all the rest, or if the deed can be undone (not ``lasting``), and none if
        all follows and it can."""
        if self._lease.calls is not None or not all(map(self._is_meant, parts)):
            return self._lease.calls is None and self._tells_of(parts, deed)
        weight = self._weight(parts, deed, self._request) + any(map(self._is_ranked, parts))
        if lasting and weight < _FEW and not self._is_near(deed):
            return False
        if not weight and not any(part.role == "target" for part in parts):
            return False
        sure = all(map(self._follows, parts)) + (not lasting)
        return weight + sure >= _FEW or (weight > 0 and not any(map(self._is_unsaid, parts)))

    def _tells_of(self, parts: Sequence[Part], deed: Deed) -> bool:
        """Whether two things of a call stand in the request, and a word of the deed, although it does not
        mean its targets: they stand in what trusted authors wrote, or in what it made us read."""
        if not all(self._evidence.is_at_hand(p.value) for p in parts if p.role == "target"):
            return False
        if not all(self._is_plain(part) for part in parts if part.role == "content"):
            return False
        return self._weight(parts, deed, self._request) >= _FEW and self._is_near(deed)

    def may_be_handed_over(self, parts: Sequence[Part], *, lasting: bool) -> bool:
        """Whether what the request hands itself over to may ask a person for this.

        For nothing that cannot be undone with somebody whom only third parties name: deed and destination
        would both be theirs, and nobody could tell from the question. Nor for links that only they give.
        """
        for part in parts:
            if part.role == "target" and not self._evidence.is_at_hand(part.value):
                return False
            if part.role == "target" and lasting and self._evidence.standing(part.value) == "foreign":
                return False
            if part.role == "content" and not self._is_plain(part):
                return False
        return True

    @cached_property
    def _unclaimed(self) -> Request:
        return Request(self._lease.unclaimed, {})

    @cached_property
    def _orders(self) -> Request:
        """What the request says beside questions and what it only wants to see."""
        return Request(" ".join(ordering(s) for s in sentences(self._request.text)), {})

    def _weight(self, parts: Sequence[Part], deed: Deed, said: Request) -> int:
        """How many things of a call stand in these words; a noun of the tool's name is one beside others."""
        found = {thing for part in parts for thing in self._mentioned(part, said)}
        return len(found) + bool(found and not deed.named.isdisjoint(said.every))

    def _is_ranked(self, part: Part) -> bool:
        """Whether a superlative of the request picks what this is ("the cheapest one")."""
        return any(record.ranked for record in self._evidence.records_with(part.value))

    def _is_near(self, deed: Deed) -> bool:
        """Whether the request has any word of what the deed is called or does."""
        said = self._request.every
        return not said.isdisjoint(deed.named | deed.described) or not deed.actions.isdisjoint(
            self._request.actions
        )

    def _mentioned(self, part: Part, said: Request) -> Iterable[object]:
        if isinstance(part.value, bool):
            return (part.path,) if part.value and part.nouns <= said.every else ()
        if said.spells(part.value):
            return (str(part.value),)
        if part.role == "content":
            words = terms(str(part.value))
            ours = words & said.every
            told = words <= ours if len(words) < _SPOKEN else 2 * len(ours) >= len(words)
            return (words,) if words and told else ()
        if part.role == "value":  # which record it stands in does not say that it is to be used
            return (str(part.value),) if self._is_when(str(part.value), said) else ()
        return self._named(part, said)

    def _named(self, part: Part, said: Request) -> list[object]:
        """The record that these words mean by this part."""
        told = said.every & self._request.telling
        for record in self._evidence.records_with(part.value):
            if record.designated and not told.isdisjoint(record.terms):
                own = part.role == "target" and not told.isdisjoint(terms(str(part.value)))
                return [str(part.value) if own else id(record)]
        return []

    def _follows(self, part: Part) -> bool:
        if part.role == "target":
            return self._evidence.standing(part.value) in HARMLESS
        if part.role == "content":
            words = terms(str(part.value))
            return 2 * len(words & self._request.every) >= len(words) and self._is_plain(part)
        return fits(part, self._evidence) == "fits"

    def _is_meant(self, part: Part) -> bool:
        if part.role == "target":
            return self._evidence.standing(part.value) in HARMLESS
        return part.role != "content" or self._is_plain(part)

    def _is_related(self, part: Part) -> bool:
        """Whether this is a content that has to do with the request and sends nobody elsewhere."""
        return (
            part.role == "content"
            and self._is_plain(part)
            and not self._request.telling.isdisjoint(terms(str(part.value)))
        )

    def _is_unsaid(self, part: Part) -> bool:
        """Whether neither the request nor what it means has anything of a value or a content."""
        if part.role == "content":
            words = terms(str(part.value))
            related = not words.isdisjoint(self._request.every) or self._evidence.speaks_of(words)
            return bool(words) and not related
        return part.role == "value" and fits(part, self._evidence) != "fits"

    def _is_plain(self, part: Part) -> bool:
        """Whether a content sends nobody to an address that the request does not name."""
        return all(self._evidence.standing(one) in HARMLESS for one in addresses(str(part.value)))

    @staticmethod
    def _is_when(text: str, said: Request) -> bool:
        """Whether these words say this moment, in any way to write it."""
        return not said.of("time").isdisjoint(times(text)) or any(
            said.means_day(day) for day in dates(text) if len(day) == 10
        )
