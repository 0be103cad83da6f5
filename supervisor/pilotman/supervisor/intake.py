"""Intake: what a request becomes before anything works on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from pydantic import BaseModel

from pilotman.agents.result import clean_text
from pilotman.guardrails.errors import InvalidRequest

Request: TypeAlias = str | Mapping[str, Any] | BaseModel

MAX_TEXT = 100_000
"""Characters of a request in words."""
MAX_FACTS = 1_000_000
"""Characters of a request's structured fields, written as JSON."""


@dataclass(frozen=True, kw_only=True)
class Intake:
    """A request that was checked and may start a run.

    ``text`` is the request in words and ``query`` what retrieval looks for. ``facts`` are its structured
    fields, JSON-able: tools' arguments of the same names are filled from them. A higher ``severity`` leaves
    the queue earlier. ``idempotency_key`` names the request itself within its tenant: the same one joins the
    first run. ``thread_id`` is the conversation that it belongs to, None for one of its own. With ``answer``
    the run ends at once with these words: nobody works on it.
    """

    text: str
    query: str
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    severity: int = 0
    idempotency_key: str | None = None
    thread_id: str | None = None
    task_type: str = "request"
    answer: str | None = None


def plain(request: Request) -> Intake:
    """The intake of a team without one of its own: words stay words, fields become facts.

    A mapping's (or model's) field ``text`` is the request in words; without it all fields are, a line each.

    Raises:
        InvalidRequest: it is empty, too long, or has fields that JSON cannot hold.
    """
    if isinstance(request, str):
        text = words(request)
        return Intake(text=text, query=text)
    fields = request.model_dump(mode="json") if isinstance(request, BaseModel) else request
    facts = jsonable(fields)
    spoken = facts.get("text")
    text = words(spoken if isinstance(spoken, str) else "\n".join(_line(*item) for item in facts.items()))
    return Intake(text=text, query=text, facts=facts)


def words(text: str) -> str:
    """Text without surrounding blanks and without what a person would not see (``clean_text``).

    Raises:
        InvalidRequest: nothing is left of it, it is longer than ``MAX_TEXT``, or it is not Unicode text.
    """
    if len(text) > MAX_TEXT:
        raise InvalidRequest(f"the request has {len(text):,} characters; {MAX_TEXT:,} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            "the request holds half a surrogate pair: it is not valid Unicode text"
        ) from error
    cleaned = clean_text(text).strip()
    if not cleaned:
        raise InvalidRequest("the request is empty", hint="say what you want to know or to be done")
    return cleaned


def jsonable(fields: object) -> dict[str, Any]:
    """A deep copy of a request's fields as JSON sees them.

    Raises:
        InvalidRequest: not an object with text keys, empty, too large, nested too deeply, or not JSON (NaN
            included).
    """
    if not isinstance(fields, Mapping):
        raise InvalidRequest(
            f"the request must be text or an object with fields, not {type(fields).__name__}"
        )
    plain_fields: dict[Any, Any] = dict(fields)  # pyright: ignore[reportUnknownArgumentType]
    if not plain_fields:
        raise InvalidRequest("the request is empty", hint="say what you want to know or to be done")
    if not all(isinstance(key, str) for key in plain_fields):
        raise InvalidRequest("the request's field names must be text")
    try:
        written = json.dumps(plain_fields, allow_nan=False, ensure_ascii=False)
        written.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request's fields cannot be written as JSON: {error}") from error
    if len(written) > MAX_FACTS:
        raise InvalidRequest(
            f"the request's fields take {len(written):,} characters; {MAX_FACTS:,} are allowed"
        )
    copy: dict[str, Any] = json.loads(written)
    return copy


def _line(name: str, value: object) -> str:
    return f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
