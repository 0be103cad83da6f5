"""What things are called in the provenance graph: the same thing has the same id, whoever names it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Final

from pilotman.guardrails.digest import digest
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.storage.codec import text

LONGEST: Final = 400
"""Characters of an id: an index of PostgreSQL holds no more than 2,704 bytes."""
_HOME = re.compile(r"(?P<home>(?:.*/)?task:[^/]+)(?:/(?P<rest>.*))?", re.DOTALL)
_TURN = re.compile(r"turn:(?P<turn>\d+)(?:/(?P<call>.+))?", re.DOTALL)


def named(kind: str, *parts: str) -> str:
    """``kind:part/part…``; what is too long for an index ends in a digest."""
    whole = text(f"{kind}:{'/'.join(parts)}")
    return whole if len(whole) <= LONGEST else f"{whole[: LONGEST - 65]}~{digest(whole)}"


def source(name: str, version: str = "") -> str:
    """What a document goes by: its source's name, its id there, its URI; perhaps in a version."""
    return named("source", f"{name}@{version}" if version else name)


def document(origin: str, document_id: str, version: str) -> str:
    """One version of a document of the source ``origin`` ("": it has no name)."""
    return named("document", origin, f"{document_id}@{version}")


def pseudonyms(what: str, seal: Seal, principal: Principal) -> list[str]:
    """The nodes that stand for a document of the principal's own, or for a chunk of it, under any of its
    names; none where nothing is sealed. It makes no key."""
    if seal.keys is None:
        return []
    whose = Subject(principal.tenant, principal.user)
    bare, mark, place = re.sub("^(?:document|chunk|source):", "", what).partition("#")
    blind = partial(seal.pseudonym, whose, seek=True)
    name, at, version = bare.rpartition("@")
    cited = [source(blind(name) + f"@{blind(version)}")] if at else []
    kind = "chunk" if place else "document"
    return [
        source(blind(bare)),
        source(blind(bare.partition("/")[2])),
        *cited,
        *(named(kind, one + mark + place) for one in own_documents(bare, seal, whose)),
    ]


def own_documents(name: str, seal: Seal, whose: Subject) -> list[str]:
    """What ``SOURCE/ID``, or ``SOURCE/ID@VERSION``, may be called where a document of somebody's own must not
    be named; where its source ends nobody knows. None where nothing is sealed. It makes no key."""
    if seal.keys is None:
        return []
    blind = partial(seal.pseudonym, whose, seek=True)
    first, at, version = name.rpartition("@")
    ways = [(name, "")] + ([(first, f"@{blind(version)}")] if at else [])
    return [
        f"{part[:cut]}/{blind(part[cut + 1 :])}{end}"
        for part, end in ways
        for cut in (n for n, sign in enumerate(part) if sign == "/")
    ]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A step path, read. ``home`` is the task that it is in ("" in none), ``rest`` the way from there.

    ``turn``: the number of the turn that it belongs to, None outside of turns; ``in_turn``: it is not the
    turn's model call but one of the calls that this asked for.
    """

    run_id: str
    path: str
    home: str
    rest: str
    turn: int | None = None
    in_turn: bool = False

    @classmethod
    def of(cls, run_id: str, path: str) -> Place:
        found = _HOME.fullmatch(path)
        home, rest = (found["home"], found["rest"] or "") if found else ("", path)
        turn = _TURN.fullmatch(rest)
        if turn is None:
            return cls(run_id=run_id, path=path, home=home, rest=rest)
        at, inner = int(turn["turn"]), turn["call"] is not None
        return cls(run_id=run_id, path=path, home=home, rest=rest, turn=at, in_turn=inner)

    def under(self, rest: str) -> str:
        """A path in the same home."""
        return f"{self.home}/{rest}" if self.home else rest

    @property
    def parent(self) -> Place:
        """The home of this one's home: the lead whose task it is; of a run that of the run."""
        return Place.of(self.run_id, self.home.rpartition("/")[0])

    # nodes

    @property
    def whole(self) -> str:
        """The activity that this belongs to: its task, else the run."""
        return named("step", self.run_id, self.home) if self.home else named("run", self.run_id)

    @property
    def brief(self) -> str:
        """What that activity began from."""
        return named("brief", self.run_id, self.home) if self.home else named("brief", self.run_id)

    @property
    def plan(self) -> str:
        return named("plan", self.run_id, self.under("plan"))

    @property
    def planning(self) -> str:
        """The activity that a plan comes from."""
        return named("step", self.run_id, self.under("plan"))

    @property
    def reports(self) -> str:
        """What its tasks have reported, together."""
        return named("reports", self.run_id, self.home) if self.home else named("reports", self.run_id)

    @property
    def report(self) -> str:
        """What the task itself reports."""
        return named("report", self.run_id, self.home)

    @property
    def found(self) -> str:
        """What was searched for in it, together."""
        return named("found", self.run_id, self.home) if self.home else named("found", self.run_id)

    @property
    def step(self) -> str:
        """The activity at exactly this path, where it is no call."""
        return named("step", self.run_id, self.path)

    @property
    def call(self) -> str:
        """The call at this path."""
        return named("call", self.run_id, self.path)

    def turn_at(self, number: int) -> str:
        """A turn of this home: the model's call with all that it asked for."""
        return named("step", self.run_id, self.under(f"turn:{number}"))

    @property
    def asked_by(self) -> str | None:
        """The model call that asked for the call at this path; None: no turn, hence unknown."""
        return named("call", self.run_id, self.under(f"turn:{self.turn}")) if self.in_turn else None
