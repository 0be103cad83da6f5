"""Whether a new memory is poisoned, by its wording and by what is remembered already. Pure.

Equal texts are no sign: what is true is known to many. What counts is who wrote it. What the user says of
their own accord is theirs to say; of others' words, those that would steer whoever remembers them are kept
back, and the sooner the more often they appear: under several owners, from several sessions, with a phrase
that comes again in memories about other things (Chen et al. 2024, "AgentPoison"; Dong et al. 2025,
"MINJA").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilotman.guardrails.label import Label
from pilotman.memory.defence.sketch import ALIKE, SAME, Sketch, resemblance
from pilotman.memory.defence.steering import ENOUGH, TO_MACHINES, signs

_REQUEST = frozenset({"request"})
"""What every run has read."""
_PHRASE = 2
"""Word triples that two memories about different things must share for a phrase: four words or more."""
_OFTEN = 2
"""Other memories in which it must stand."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Something of others' words that the tenant remembers. ``session``: the run that it comes from;
    ``sources``: all that it was derived from, as its label has it; ``condemned``: a person has put it in
    quarantine."""

    memory: str
    owner: str | None
    session: str
    marks: Sketch
    sources: frozenset[str] = frozenset()
    quarantined: bool = False
    condemned: bool = False


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """What is to be remembered, and from where. ``owner`` None: everybody of the tenant. ``impostor``: the
    kind of identifier that it gives otherwise than what the owner said of the same thing."""

    text: str
    label: Label
    owner: str | None
    session: str = ""
    impostor: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Why a memory is kept back, if it is, each with what shows it; and ids of those remembered before that
    are of the same kind and should be kept back with it."""

    reasons: dict[str, str]
    others: tuple[str, ...] = ()

    @property
    def suspicions(self) -> frozenset[str]:
        return frozenset(self.reasons)


def is_own(label: Label) -> bool:
    """Whether something is its owner's own word."""
    return label.trusted and label.author in ("user", "system")


def judged(new: Newcomer, marks: Sketch, known: Sequence[Known]) -> Verdict:
    """Look at a new memory. ``known``: what has marks in common with it, of the same tenant."""
    if is_own(new.label):
        return Verdict(reasons={})
    shown, near = signs(new.text), {one.memory: resemblance(marks, one.marks) for one in known}
    if new.impostor:
        shown["contradicts"] = ENOUGH
    weight = sum(shown.values())
    alike = [one for one in known if near[one.memory] >= ALIKE]
    same = [one for one in alike if near[one.memory] >= SAME]
    # a copy of honest words among poison must not take the honest ones along, nor one false alarm all like it
    condemned = [one for one in alike if one.condemned and weight >= ENOUGH / 2]
    if condemned or any(one.quarantined for one in same):
        return Verdict(reasons={"known_poison": "it says what was put in quarantine before"})
    held = sum(one.quarantined for one in alike)
    repeated = {
        "spread": _spread(new, alike),
        "trigger": _phrase(marks, known, alike),
        "resembles": f"{held} like it are in quarantine" if held else "",
    }
    told = {name: why for name, why in repeated.items() if why and shown.keys() & TO_MACHINES}
    if weight + (1 if told else 0) < ENOUGH:
        return Verdict(reasons={})
    why = {"steering": f"it {', '.join(sorted(shown))}"}
    if new.impostor:
        why["contradicts"] = f"it gives another {new.impostor} than what is trusted of the same thing"
    return Verdict(reasons={**why, **told}, others=tuple(sorted(one.memory for one in same)))


def _spread(new: Newcomer, alike: Sequence[Known]) -> str:
    """In how many places the same stands, if that is more than one owner or two sessions."""
    owners = {one.owner for one in alike} | {new.owner}
    sessions = {one.session for one in alike if one.session} | ({new.session} if new.session else set[str]())
    if len(owners) > 1:
        return f"the same comes from {len(owners)} owners"
    return f"the same comes from {len(sessions)} sessions" if len(sessions) > 2 else ""


def _phrase(marks: Sketch, known: Sequence[Known], alike: Sequence[Known]) -> str:
    """In how many memories about other things a phrase of this one stands, if those are several."""
    same = {one.memory for one in alike}
    sharing = sum(one.memory not in same and len(marks & one.marks) >= _PHRASE for one in known)
    return f"a phrase of it stands in {sharing} memories about other things" if sharing >= _OFTEN else ""


def is_same_origin(one: Known, other: Known) -> bool:
    """Whether two memories say the same and come from the same place, or are the same but for a word."""
    alike = resemblance(one.marks, other.marks)
    return alike >= SAME or (alike >= ALIKE and not one.sources.isdisjoint(other.sources - _REQUEST))
