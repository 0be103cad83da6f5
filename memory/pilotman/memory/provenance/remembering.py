"""What the events about facts tell: from what a fact came, what was told of it, and who vouched for it."""

from __future__ import annotations

from typing import Any

from pilotman.memory.provenance import names
from pilotman.memory.provenance.names import named
from pilotman.memory.provenance.sheet import Said, Sheet, word, words


def remembered(sheet: Sheet, said: Said) -> None:
    """A fact was written down, or found to stand on something else as well."""
    fact_id = said.word("fact_id")
    if fact_id is None:
        return
    fact = sheet.entity(
        "fact",
        named("fact", fact_id),
        said.at if said.kind == "fact_remembered" else None,
        digest=said.word("text_digest"),
        origin=said.word("source"),
        status=said.word("status"),
        text=said.word("text"),  # there only if nobody owns it
    )
    by = said.word("by")
    if by is not None:
        sheet.link(fact, "WAS_ATTRIBUTED_TO", sheet.user(by))
    supports = words(said.data, "supports")
    for support in supports:
        _stands_on(sheet, fact, support)
    source, corrects = said.word("source"), said.word("corrects")
    if source is not None and source != "user" and source not in supports:
        _stands_on(sheet, fact, source)
    if corrects is not None:
        sheet.link(fact, "WAS_DERIVED_FROM", named("fact", corrects), role="correction")


def _stands_on(sheet: Sheet, fact: str, support: str) -> None:
    kind, _, rest = support.partition(":")
    if kind == "run" and rest:
        sheet.link(fact, "WAS_GENERATED_BY", named("run", rest))
    elif kind in ("fact", "document") and rest:
        sheet.link(fact, "WAS_DERIVED_FROM", named(kind, rest))
    else:
        sheet.link(fact, "WAS_DERIVED_FROM", sheet.entity("source", names.source(support), name=support))


def recalled(sheet: Sheet, said: Said) -> None:
    """A run was told facts before it began."""
    place = said.place
    for row in said.list("documents"):
        fact_id = word(row, "fact_id")
        if fact_id is not None:
            fact = sheet.entity("fact", named("fact", fact_id))
            sheet.link(place.whole, "USED", fact)
            sheet.link(sheet.entity("brief", place.brief), "WAS_DERIVED_FROM", fact)


def judged(sheet: Sheet, said: Said) -> None:
    """A fact was retracted, promoted, quarantined, released or forgotten."""
    fact_id, by = said.word("fact_id"), said.word("approved_by") or said.word("by")
    if fact_id is None:
        return
    verdict = said.kind.removeprefix("fact_")
    when: dict[str, Any] = {f"{verdict}_at": said.at.isoformat()}
    fact = sheet.entity("fact", named("fact", fact_id), **when)
    if by is not None:
        sheet.link(fact, "WAS_ATTRIBUTED_TO", sheet.user(by), role=verdict)
