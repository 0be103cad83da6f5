"""What the events of a run's frame and of its reading tell: request, plan, tasks, answers, documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotman.memory.provenance import names
from pilotman.memory.provenance.names import Place, named
from pilotman.memory.provenance.sheet import Said, Sheet, inner, listed, number, word, words
from pilotman.memory.storage.codec import text

# runs


def started(sheet: Sheet, said: Said) -> None:
    """A request came in, and a run began from it."""
    origin, place = sheet.origin, said.place
    team = sheet.member(origin.supervisor)
    user = sheet.user(origin.user)
    run = sheet.activity("run", place.whole, said.at, run_id=origin.run_id, team=origin.supervisor)
    asked = word(said.data, "text")
    request = sheet.entity("request", named("request", origin.run_id), said.at, digest=sheet.blinded(asked))
    sheet.entity("brief", place.brief, said.at)
    sheet.link(request, "WAS_ATTRIBUTED_TO", user)
    sheet.link(place.brief, "WAS_DERIVED_FROM", request)
    sheet.link(run, "USED", place.brief)
    sheet.link(run, "WAS_ASSOCIATED_WITH", team)
    sheet.link(run, "WAS_ASSOCIATED_WITH", user, role="principal")
    if origin.replay_of:
        sheet.link(run, "WAS_INFORMED_BY", named("run", origin.replay_of), role="replay")


def run_ended(sheet: Sheet, said: Said) -> None:
    """A run is over."""
    state, outcome = said.word("state"), said.word("outcome")
    sheet.activity("run", said.place.whole, ended_at=said.at.isoformat(), state=state, outcome=outcome)


def planned(sheet: Sheet, said: Said) -> None:
    """Tasks, and what each of them begins from."""
    place = said.place
    plan = sheet.entity("plan", place.plan, said.at)
    sheet.link(plan, "WAS_DERIVED_FROM", sheet.entity("brief", place.brief))
    sheet.link(plan, "WAS_ATTRIBUTED_TO", sheet.member(said.actor))
    sheet.link(plan, "WAS_GENERATED_BY", sheet.activity("planning", place.planning, said.at))
    for task in said.list("tasks"):
        task_id = word(task, "task_id")
        if task_id is None:
            continue
        home = Place.of(place.run_id, place.under(f"task:{task_id}"))
        sheet.link(sheet.entity("brief", home.brief, said.at), "WAS_DERIVED_FROM", plan)
        for before in words(task, "depends_on"):
            other = Place.of(place.run_id, place.under(f"task:{before}"))
            sheet.link(home.brief, "WAS_DERIVED_FROM", sheet.entity("report", other.report))


def task_started(sheet: Sheet, said: Said) -> None:
    """An agent begins a task."""
    place, agent = said.place, said.word("agent")
    step = sheet.activity("step", place.whole, said.at, path=place.path)
    sheet.link(step, "USED", sheet.entity("brief", place.brief))
    sheet.link(place.parent.whole, "WAS_INFORMED_BY", step)
    if agent is not None:
        who = sheet.member(agent)
        sheet.link(step, "WAS_ASSOCIATED_WITH", who)
        if agent != said.actor:
            sheet.link(who, "ACTED_ON_BEHALF_OF", sheet.member(said.actor))


def task_completed(sheet: Sheet, said: Said) -> None:
    """A task has its report."""
    place, report = said.place, inner(said.data, "report")
    told = word(report, "text")
    made = sheet.entity(
        "report",
        place.report,
        said.at,
        digest=sheet.blinded(told),
        status=word(report, "status"),
        confidence=number(report, "confidence"),
    )
    sheet.link(made, "WAS_GENERATED_BY", place.whole)
    sheet.link(made, "WAS_ATTRIBUTED_TO", sheet.member(said.actor))
    sheet.link(sheet.entity("findings", place.parent.reports), "WAS_DERIVED_FROM", made)
    _cite(sheet, made, report, inner(said.data, "cited"))


def answered(sheet: Sheet, said: Said) -> None:
    """An answer that may leave, perhaps not the last one."""
    told, run_id = said.word("answer"), sheet.origin.run_id
    name = sheet.blinded(said.word("digest") or told or "")
    made = sheet.entity(
        "answer",
        named("answer", run_id, str(name)[:20]),
        said.at,
        digest=sheet.blinded(told),
        interim=said.data.get("interim") is True,
        confidence=said.number("confidence"),
    )
    sheet.link(made, "WAS_GENERATED_BY", named("run", run_id))
    _cite(sheet, made, said.data, inner(said.data, "cited"))


def _cite(sheet: Sheet, made: str, data: Mapping[str, Any], pseudonyms: Mapping[str, Any]) -> None:
    """Of each claim the document or fact that it cites, and the digests of what was quoted. ``pseudonyms``:
    by ``NAME@VERSION``, of documents that somebody owns."""
    quotes: dict[str, list[str]] = {}
    for citation in listed(data, "citations"):
        name, version = word(citation, "source"), word(citation, "version") or ""
        if name is not None:
            at = _cited(sheet, name, version, word(pseudonyms, f"{name}@{version}"))
            quotes.setdefault(at, []).append(str(sheet.blinded(word(citation, "quote") or ""))[:20])
    for at, digests in quotes.items():
        sheet.link(made, "WAS_DERIVED_FROM", at, role="citation", quotes=" ".join(digests))


def _cited(sheet: Sheet, name: str, version: str, pseudonym: str | None) -> str:
    """What a citation names."""
    if name.startswith("fact:"):
        return sheet.entity("fact", text(name))
    if pseudonym is not None:
        return sheet.entity("source", names.source(pseudonym))
    return sheet.entity("source", names.source(name, version), name=name, version=version)


# what was retrieved


def retrieved(sheet: Sheet, said: Said) -> None:
    """A search, and what of which documents it found."""
    place = said.place
    step = sheet.activity(
        "retrieval", place.step, said.at, mode=said.word("mode"), query=sheet.blinded(said.word("digest"))
    )
    name = said.word("snapshot_id")
    if name is None:
        return
    snapshot = sheet.entity(
        "snapshot", named("snapshot", name), said.at, epoch=said.number("epoch"), digest=said.word("payload")
    )
    sheet.link(snapshot, "WAS_GENERATED_BY", step)
    sheet.link(place.whole, "USED", snapshot)
    if place.rest == "recall":
        sheet.link(sheet.entity("brief", place.brief), "WAS_DERIVED_FROM", snapshot)
        sheet.link(step, "USED", named("request", place.run_id))
    else:
        sheet.link(sheet.entity("findings", place.found), "WAS_DERIVED_FROM", snapshot)
        sheet.link(step, "USED", sheet.entity("brief", place.brief))
    for row in said.list("documents"):
        _passage(sheet, snapshot, row)


def _passage(sheet: Sheet, snapshot: str, row: Mapping[str, Any]) -> None:
    uri, version = word(row, "source"), word(row, "version") or ""
    if uri is None:
        return
    origin, document_id = word(row, "origin") or "", word(row, "document_id") or uri
    trusted = row.get("trusted") is True
    ref, pseudonym = word(row, "ref"), word(row, "cited")
    if ref is not None and pseudonym is not None:  # somebody's own: by pseudonyms alone
        document = sheet.entity("document", named("document", ref), origin=origin, trusted=trusted)
        document_id, uri = ref.rpartition("@")[0].rpartition("/")[2], pseudonym.rpartition("@")[0]
        cited = sheet.entity("source", names.source(pseudonym))
    else:
        document = sheet.entity(
            "document",
            names.document(origin, document_id, version),
            uri=uri,
            origin=origin,
            document_id=document_id,
            version=version,
            trusted=trusted,
        )
        cited = sheet.entity("source", names.source(uri, version), name=uri, version=version)
    start, end = number(row, "start"), number(row, "end")
    chunk = sheet.entity("chunk", f"chunk:{document.partition(':')[2]}#{start}-{end}", start=start, end=end)
    sheet.link(snapshot, "WAS_DERIVED_FROM", chunk, score=number(row, "score"))
    sheet.link(chunk, "WAS_DERIVED_FROM", document)
    sheet.link(cited, "WAS_DERIVED_FROM", document)
    for name in dict.fromkeys(filter(None, (origin, document_id, uri))):
        said = None if name.startswith("~") else name
        sheet.link(document, "WAS_DERIVED_FROM", sheet.entity("source", names.source(name), name=said))
