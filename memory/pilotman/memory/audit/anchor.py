"""Anchors: what the journal's chain had come to, said in one line that is kept where the journal is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory.journal.chain import Block

if TYPE_CHECKING:  # it takes time to load, and most runs need no key
    from pilotman.memory.audit.keys import PublicKey, SecretKey

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """At ``at`` the journal had so many blocks, events and runs, and ``head`` was the last block's hash.

    ``key`` names the key that signed it (``PublicKey.key_id``), ``signature`` is Ed25519's in Base64, of
    ``message``; both are empty if nobody signed.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: Literal["pilotman-anchor-1"] = "pilotman-anchor-1"
    at: datetime
    blocks: Count
    events: Count
    runs: Count
    head: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    key: str = ""
    signature: str = ""

    @classmethod
    def of(cls, tip: Block, *, at: datetime, key: SecretKey | None) -> Anchor:
        """An anchor of the journal that ends in ``tip``, signed where there is a key."""
        bare = cls(at=at.astimezone(UTC), blocks=tip.number, events=tip.events, runs=tip.runs, head=tip.hash)
        if key is None:
            return bare
        named = replace(bare, key=key.public.key_id)
        return replace(named, signature=key.sign(named.message))

    @property
    def message(self) -> bytes:
        """What is signed: all but the signature as JSON, by name, without spaces, the time in ISO 8601."""
        said = asdict(self)
        del said["signature"]
        return orjson.dumps(said | {"at": self.at.isoformat()}, option=orjson.OPT_SORT_KEYS)

    def signed_by(self, key: PublicKey) -> bool:
        """Whether the signature is this key's."""
        return self.key == key.key_id and key.verifies(self.message, self.signature)

    def to_json(self) -> str:
        """One line."""
        return orjson.dumps(asdict(self) | {"at": self.at.isoformat()}).decode()

    @classmethod
    def from_json(cls, line: str | bytes) -> Anchor:
        """The anchor in a line.

        Raises:
            InvalidRequest: it is none.
        """
        try:
            return _ANCHOR.validate_json(line, strict=True)
        except ValidationError as error:
            raise InvalidRequest("this is no anchor", hint="each line is one, as it was given out") from error


_ANCHOR = TypeAdapter(Anchor)
