"""What the events about memory tell: facts, what they stand on, who recalled them; items of stores."""

from __future__ import annotations

from pilotman.memory.provenance import names
from pilotman.memory.provenance.names import named
from pilotman.memory.provenance.sheet import Said, Sheet, listed, word, words

_BOOK = "mem_"
"""What the runs are called that nobody drives: they hold what happened to a user's memory outside of runs."""
_FACT = "fact:"


def remembered(sheet: Sheet, said: Said) -> None:
    """A fact is known from now on, or stands on something more. Its text only if nobody owns it."""
    name = said.word("fact_id")
    if name is None:
        return
    owner = said.word("owner")
    fact = sheet.entity(
        "fact",
        named("fact", name),
        said.at,
        digest=said.word("text_digest") if owner is None else sheet.blinded(said.word("text_digest")),
        owner=owner,
        text=said.word("text") if owner is None else None,
    )
    if said.kind == "fact_remembered" and not sheet.origin.run_id.startswith(_BOOK):
        sheet.link(fact, "WAS_GENERATED_BY", said.place.whole)
    by, source, corrected = said.word("by"), said.word("source"), said.word("corrects")
    if by is not None:
        sheet.link(fact, "WAS_ATTRIBUTED_TO", sheet.user(by))
    supports = words(said.data, "supports")
    for support in supports:
        is_run = support.startswith("run:")
        sheet.link(fact, "WAS_GENERATED_BY" if is_run else "WAS_DERIVED_FROM", support)
    if source is not None and source not in supports:
        origin = sheet.entity("source", names.source(source), name=source)
        sheet.link(fact, "WAS_DERIVED_FROM", origin)
    if corrected is not None:
        old = sheet.entity("fact", named("fact", corrected))
        sheet.link(fact, "WAS_DERIVED_FROM", old, role="correction")


def judged(sheet: Sheet, said: Said) -> None:
    """A fact was taken back, forgotten, quarantined or trusted."""
    name, state = said.word("fact_id"), said.kind.removeprefix("fact_")
    if name is None:
        return
    fact = sheet.entity("fact", named("fact", name), None, **{f"{state}_at": said.at.isoformat()})
    for by in (said.word("by"), said.word("approved_by")):
        if by is None:
            continue
        if state in ("retracted", "forgotten"):
            step = sheet.activity(state, named("step", sheet.origin.run_id, f"{state}/{name}"), said.at)
            sheet.link(fact, "WAS_INVALIDATED_BY", step)
            sheet.link(step, "WAS_ASSOCIATED_WITH", sheet.user(by))
        elif by == said.word("approved_by"):
            sheet.link(fact, "WAS_ATTRIBUTED_TO", sheet.user(by), role=state)


def recalled(sheet: Sheet, said: Said) -> None:
    """A run, or a task of it, was told facts."""
    for row in listed(said.data, "documents"):
        name = word(row, "source") or ""
        if name.startswith(_FACT):
            fact = sheet.entity("fact", named("fact", name.removeprefix(_FACT)))
            sheet.link(said.place.whole, "USED", fact)
            sheet.link(sheet.entity("brief", said.place.brief), "WAS_DERIVED_FROM", fact)


def kept(sheet: Sheet, said: Said) -> None:
    """An item of a store has another value, or none."""
    name, revision = said.word("item"), said.number("revision")
    if name is None:
        return
    item = sheet.entity(
        "item",
        named("item", sheet.origin.run_id, f"{name}@{revision}"),
        said.at,
        digest=said.word("digest"),
        deleted=True if said.kind == "memory_deleted" else None,
    )
    sheet.link(item, "WAS_ATTRIBUTED_TO", sheet.user(sheet.origin.user))
    if not sheet.origin.run_id.startswith(_BOOK):
        sheet.link(item, "WAS_GENERATED_BY", said.place.whole)
