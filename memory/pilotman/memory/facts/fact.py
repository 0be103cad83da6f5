"""A fact: a statement with its owner, its two times, its label and what it stands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from pilotman.guardrails.label import Label
from pilotman.guardrails.principal import Principal

Status: TypeAlias = Literal["live", "quarantined"]


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Where the thing that a fact is about is kept in truth: a system, its key there, and the version of it
    that the fact was taken from."""

    system: str
    key: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What is believed from ``valid_from`` to ``valid_to``, as it was believed from ``recorded_at`` to
    ``retracted_at`` (bitemporal: Snodgrass and Ahn 1985, "A Taxonomy of Time in Databases"). Ends are open.

    ``owner`` is the user who it belongs to, None: everybody of the tenant may know it. ``about`` names the
    thing that it is about: facts about the same thing contradict each other. ``derived_from`` are the ids of
    what it stands on (``run:ID``, ``document:SOURCE/ID@VERSION``, ``fact:ID``). A ``quarantined`` fact is
    never recalled. ``disputed_by`` are other facts about the same thing that say otherwise.
    """

    fact_id: str
    text: str
    owner: str | None
    source: str
    reason: str
    label: Label
    valid_from: datetime
    valid_to: datetime | None = None
    recorded_at: datetime
    retracted_at: datetime | None = None
    expires_at: datetime | None = None
    about: str = ""
    purpose: str = ""
    status: Status = "live"
    derived_from: tuple[str, ...] = ()
    corrects: str | None = None
    record: Pointer | None = None
    disputed_by: tuple[str, ...] = ()


Records: TypeAlias = Mapping[str, Callable[[str], Awaitable[str | None]]]
"""Systems of record by name: each gives the version that it has now under a key, None where there is none."""


class Sources(Protocol):
    """The port: who knows which versions of documents are still there. ``Corpus`` is one."""

    async def live(self, documents: Collection[str], *, principal: Principal) -> set[str]:
        """Those of ``SOURCE/ID@VERSION`` that are as they were and that the principal may read. Unknown ones
        are not."""
        ...
