"""How facts lie in their rows: what is said of them sealed for their owner, the rest in clear."""

from __future__ import annotations

from typing import Any, TypeAlias

import orjson

from pilotman.guardrails.digest import digest
from pilotman.guardrails.label import Label
from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.facts.fact import Fact, Pointer
from pilotman.memory.storage.codec import dump, load, maybe_moment, moment
from pilotman.memory.storage.statement import Row

Said: TypeAlias = dict[str, Any]
_COLUMN, _WHY = b"facts.body/", b"facts.retraction/"


class Shelf:
    """Puts facts into rows and reads them back, with one seal."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def body(self, fact: Fact, tenant: str) -> bytes:
        """What the row of a new fact holds of its content."""
        record = None if fact.record is None else vars(fact.record)
        said = {"text": fact.text, "about": fact.about, "reason": fact.reason, "record": record}
        place = _COLUMN + fact.fact_id.encode()
        return self._seal.seal(_subject(tenant, fact.owner), orjson.dumps(said), place)

    def digest(self, fact: Fact, tenant: str) -> str:
        """What names the text of a fact, whatever its case and blanks; of one that is owned it tells nothing
        without the owner's key."""
        same, subject = same_text(fact.text), _subject(tenant, fact.owner)
        return digest(same) if subject is None else self._seal.blind(subject, same.encode()).hex()

    def why(self, row: Row, reason: str) -> bytes:
        """A reason that belongs to the row's fact."""
        place = _WHY + row["fact_id"].encode()
        return self._seal.seal(_subject(row["tenant"], row["owner"]), reason.encode(), place)

    def fact(self, row: Row, supports: Any = (), *, recorded: int | None = None) -> Fact:
        """The fact of a row, as of ``recorded`` (microseconds).

        Raises:
            Forgotten: its content was erased, or its owner's key destroyed.
        """
        said = self.said(row)
        promoted = row["promoted_at"] is not None and (recorded is None or row["promoted_at"] <= recorded)
        return Fact(
            fact_id=row["fact_id"],
            text=said["text"],
            owner=row["owner"],
            source=row["source"],
            reason=said["reason"],
            label=label_of(row, promoted=promoted),
            valid_from=moment(row["valid_from"]),
            valid_to=maybe_moment(row["valid_to"]),
            recorded_at=moment(row["recorded_at"]),
            retracted_at=maybe_moment(row["retracted_at"]),
            expires_at=maybe_moment(row["expires_at"]),
            about=said["about"],
            purpose=row["purpose"],
            status=row["status"],
            derived_from=tuple(sorted({one for group in supports for one in group})),
            corrects=row["corrects"],
            record=None if said["record"] is None else Pointer(**said["record"]),
        )

    def said(self, row: Row) -> Said:
        """What a row says: ``text``, ``about``, ``reason``, ``record``.

        Raises:
            Forgotten: as above.
        """
        place = _COLUMN + row["fact_id"].encode()
        opened = self._seal.open(_subject(row["tenant"], row["owner"]), bytes(row["body"]), place)
        said: Said = orjson.loads(opened)
        return said


def same_text(text: str) -> str:
    """Equal for texts that say the same."""
    return " ".join(text.casefold().split())


def label_text(label: Label) -> str:
    """A label as its column holds it."""
    return dump(label.to_dict())


def label_of(row: Row, *, promoted: bool) -> Label:
    """The label of a row's fact; what somebody has promoted is trusted."""
    data = load(row["label"])
    return Label(
        author=data["author"],
        trusted=data["trusted"] or promoted,
        tenant=row["tenant"],
        sensitivity=data["sensitivity"],
        sources=frozenset(data["sources"]),
        suspicions=frozenset(data["suspicions"]),
    )


def _subject(tenant: str, owner: str | None) -> Subject | None:
    return None if owner is None else Subject(tenant, owner)
