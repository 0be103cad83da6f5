"""A chunk with its governance, as it is written and as it is read. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.catalogue.sealing import Content

EVERYBODY = frozenset({"*"})
PUBLIC = ""
"""The tenant of what no principal wrote."""

GOVERNED = frozenset(
    {"source", "version", "fetched_at", "expires_at", "trusted", "label", "owner", "readers"}
)
"""Keys of a hit's metadata that may come from what is known of it."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A chunk to store.

    ``id`` is its name inside ``tenant``. ``readers`` may read it (see ``access``); ``owner`` is the user
    whose content it is (``user:TENANT/USER``). What a source keeps has the name of that ``source``, its
    ``document`` there, the ``version`` of the document (a content hash), ``fetched_at`` and ``expires_at``,
    whether it is ``trusted``, and a JSON-able ``label``. ``metadata`` is the user's own: anything
    that JSON gives back as it was.

    Raises:
        InvalidRequest: a value that the catalogue cannot keep.
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    readers: frozenset[str] = EVERYBODY
    tenant: str = PUBLIC
    owner: str | None = None
    source: str | None = None
    document: str | None = None
    version: str | None = None
    fetched_at: datetime | None = None
    expires_at: datetime | None = None
    trusted: bool | None = None
    label: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("id", "text"):
            value: Any = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidRequest(f"the {name} of a document is a text, not {value!r}")
        for name in ("id", "tenant", "owner", "source", "document", "version"):
            if not is_text(getattr(self, name) or ""):
                raise InvalidRequest(f"the {name} {getattr(self, name)!r} is no Unicode text")
        for name in ("fetched_at", "expires_at"):
            time: datetime | None = getattr(self, name)
            if time is not None and time.tzinfo is None:
                raise InvalidRequest(f"{name} of {self.id!r} names no time zone", hint="such as UTC")

    @property
    def place(self) -> tuple[str | None, str | None]:
        """Its source and the document there."""
        return self.source, self.document

    @property
    def content(self) -> Content:
        """What it says and what it is called."""
        return Content(
            id=self.id,
            document=self.document,
            version=self.version,
            label=None if self.label is None else written(self.label, "label", self.id),
            ref=None,
            metadata=written(self.metadata, "metadata", self.id),
            text=self.text.encode("utf-8", "surrogatepass"),
        )


COLUMNS = (
    "row, readers, expires_at, tenant, owner, source, fetched_at, trusted, id, document, version, label, ref,"
    " metadata"
)
"""What a ``Record`` is read from, with the text after them; ``Content`` is the last seven."""
GOVERNANCE = 8
"""How many come before these."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A chunk as it stands in the catalogue, at ``row`` of the vectors. ``ref``: of one that is sealed, its
    owner's pseudonym for the document that it is of."""

    row: int
    readers: frozenset[str]
    expires_at: float | None
    tenant: str
    id: str
    source: str | None
    document: str | None
    text: str
    metadata: dict[str, Any]
    owner: str | None = None
    ref: str | None = None

    @classmethod
    def of(cls, columns: Sequence[Any], content: Content, readers: frozenset[str]) -> Record:
        """From the first of ``COLUMNS`` and the content, opened."""
        row, _, expires_at, tenant, owner, source, fetched_at, trusted = columns[:GOVERNANCE]
        label = content.label
        found: dict[str, Any] = orjson.loads(content.metadata)
        governed = {
            "version": content.version,
            "fetched_at": _iso(fetched_at),
            "expires_at": None if "expires_at" in found and source is None else _iso(expires_at),
            "trusted": None if trusted is None else bool(trusted),
            "label": None if label is None else orjson.loads(label),
            "owner": None if source is None else owner,
        }
        found |= {name: value for name, value in governed.items() if value is not None}
        if source is not None:
            found.setdefault("source", content.document or source)
        if source is not None or tenant != PUBLIC or readers != EVERYBODY:
            found["readers"] = sorted(readers)
        return cls(
            row=row,
            readers=readers,
            expires_at=expires_at,
            tenant=tenant,
            id=content.id,
            source=source,
            document=content.document,
            text=content.text.decode("utf-8", "surrogatepass"),
            metadata=found,
            owner=owner,
            ref=f"{content.ref}@{columns[GOVERNANCE + 2]}" if content.ref else None,
        )


def is_text(value: str) -> bool:
    """Whether it can be a key: half of a surrogate pair cannot."""
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)


def written(value: Mapping[str, Any], what: str, id_: str) -> bytes:
    """The JSON of a mapping that comes back equal.

    Raises:
        InvalidRequest: it would not.
    """
    wrong = _wrong(value, what)
    if not wrong:
        try:
            return orjson.dumps(dict(value))
        except (TypeError, orjson.JSONEncodeError) as error:
            wrong = f"{what}: {error}"
    raise InvalidRequest(
        f"the {what} of {id_!r} cannot be kept as JSON: {wrong}",
        hint="use texts, numbers, booleans, None, lists and dictionaries with texts as keys",
    )


def _wrong(value: Any, where: str) -> str:
    """What JSON would not give back as it was, or an empty text."""
    if value is None or type(value) in (str, bool, int):
        return ""
    if type(value) is float:
        return "" if math.isfinite(value) else f"{where} is {value}"
    if type(value) is list:
        parts = cast("Any", value)
        return next((wrong for n, one in enumerate(parts) if (wrong := _wrong(one, f"{where}[{n}]"))), "")
    if isinstance(value, Mapping):
        pairs = cast("Any", value)
        named = ((key, one) for key, one in pairs.items())
        return next((wrong for key, one in named if (wrong := _wrong_item(key, one, where))), "")
    return f"{where} is of type {type(value).__name__}"


def _wrong_item(key: Any, value: Any, where: str) -> str:
    return _wrong(value, f"{where}[{key!r}]") if type(key) is str else f"{where} has the key {key!r}"


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
