"""Where a fact comes from: what it stands on, and the least trusted label of all that. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.gate.labels import asked_by
from pilotman.guardrails.label import Label
from pilotman.memory.event import Event

RUN, FACT, DOCUMENT = "run:", "fact:", "document:"
_SEARCH = "search_corpus"  # whose documents have a row each, with their own trust
RECALL = "recall"
"""The tool by which agents look facts up."""
TOLD, CONVERSATION = "memory_told", "conversation_recalled"
"""Events: memory told a run what is not trusted; what was said before in its conversation."""
_FACT_ID = re.compile(rb'"fact_id":\s*"(fact_[0-9a-f]{20})"')
USER = "user"
"""The source of what a user says of their own accord."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What something new is derived from: its label, and the ids that it stands on, all of them."""

    label: Label
    supports: frozenset[str] = frozenset()

    @classmethod
    def join(cls, parts: Sequence[Origin]) -> Origin:
        """Of what is derived from all parts."""
        nothing: frozenset[str] = frozenset()
        label = Label.join(part.label for part in parts)
        return cls(label=label, supports=nothing.union(*(part.supports for part in parts)))


def document_id(source: str | None, document: str, version: str) -> str:
    """The id under which facts stand on one version of a document."""
    return f"{DOCUMENT}{source or ''}/{document}@{version}"


def is_within(support: str, source: str) -> bool:
    """Whether a support is the source, or something in it: a document of it, or a version of that."""
    bare, wanted = support.removeprefix(DOCUMENT), source.removeprefix(DOCUMENT)
    return support == source or bare == wanted or bare.startswith((f"{wanted}/", f"{wanted}@"))


def said(source: str, tenant: str, given: Label | None) -> Origin:
    """Of what a source says that is not known here: trusted if it is the user, or if ``given`` says so.

    Raises:
        InvalidRequest: the label is another tenant's.
    """
    if given is not None and given.tenant != tenant:
        raise InvalidRequest("the label is of another tenant", hint="a fact belongs to the principal's")
    if given is None:
        ours = source == USER
        given = Label(author="user" if ours else "third_party", trusted=ours, tenant=tenant)
    return Origin(label=replace(given, sources=given.sources | {source}))


def of_document(name: str, tenant: str, given: Label | None) -> Origin:
    """Of a version of a document; whoever does not vouch for it with a label takes it as third parties'."""
    return Origin(label=said(name, tenant, given).label, supports=frozenset({name}))


def named_in(body: bytes) -> set[str]:
    """The ids of facts in what the tool ``recall`` has returned."""
    return {found.decode() for found in _FACT_ID.findall(body)}


def of_run(run_id: str, events: Sequence[Event], tenant: str, told: Collection[str] = frozenset()) -> Origin:
    """Of what a run came to, or has come to so far; ``told`` are the facts that its agents have looked up.

    Its label is the least trusted of the request and of all that was read, by tools, from documents and from
    memory; what was found and does not cover the request was read by nobody. It stands on the run, on what
    was looked up in memory, and on what its answer cites; if that cites nothing, on all that it read.
    """
    labels, read, cited = [asked_by(tenant)], set[str](), set[tuple[str, str]]()
    documents: dict[tuple[str, str], set[str]] = {}
    for event in events:
        if event.kind == "tool_call_completed" and event.data.get("tool") != _SEARCH:
            labels.append(_of_tool(event.data, tenant))
        elif event.kind in ("retrieval_completed", "facts_recalled") and _was_shown(event.data):
            for row in event.data["documents"]:
                labels.append(_of_row(row, tenant))
                name = _name_of(row)
                read.add(name)
                documents.setdefault((row["source"], row["version"]), set()).add(name)
        elif event.kind == TOLD or (event.kind == CONVERSATION and event.data.get("answers", True)):
            labels.append(_of_memory(event.data, tenant))
        elif event.kind == "answer_validated":
            cited = {(c["source"], c["version"]) for c in event.data.get("citations", ())}
    stands_on = set[str]().union(*(documents.get(one, set()) for one in cited)) or read
    looked_up = {f"{FACT}{one}" for one in told}
    return Origin(label=Label.join(labels), supports=frozenset({f"{RUN}{run_id}", *looked_up, *stands_on}))


def _was_shown(data: Any) -> bool:
    """Whether a model was shown what was found: not what was looked up for a request that it does not
    cover."""
    return data.get("covered") is not False or str(data.get("path")).rsplit("/", 1)[-1] != "recall"


def read_by(events: Iterable[Event]) -> set[str]:
    """The ids of all that was found for a run in corpora and in memory; of somebody's own documents also the
    names."""
    shown = (event for event in events if event.kind in ("retrieval_completed", "facts_recalled"))
    rows = [row for event in shown for row in event.data["documents"]]
    return {_name_of(row) for row in rows} | {_clear_name(row) for row in rows if row.get("ref")}


def _name_of(row: Any) -> str:
    """The id of what was retrieved."""
    if str(row["source"]).startswith(FACT):
        return str(row["source"])
    if row.get("ref"):  # somebody's own document: its name stands nowhere in clear
        return f"{DOCUMENT}{row['ref']}"
    return _clear_name(row)


def _clear_name(row: Any) -> str:
    return document_id(row.get("origin"), str(row.get("document_id") or row["source"]), str(row["version"]))


def _of_tool(data: Any, tenant: str) -> Label:
    """Of what a tool returned: third parties', unless the event says that it is not."""
    trusted = bool(data.get("trusted"))
    return Label(
        author="tool" if trusted else "third_party",
        trusted=trusted,
        tenant=tenant,
        sensitivity=data.get("sensitivity", "internal"),
        sources=frozenset({str(data["tool"])}),
        suspicions=_suspicions(data),
    )


def _of_memory(data: Any, tenant: str) -> Label:
    """Of what others, or earlier runs, have left in memory and nobody vouches for."""
    return Label(author="memory", trusted=False, tenant=tenant, suspicions=_suspicions(data))


def _of_row(row: Any, tenant: str) -> Label:
    trusted = bool(row.get("trusted"))
    return Label(
        author="memory" if str(row["source"]).startswith(FACT) else "tool" if trusted else "third_party",
        trusted=trusted,
        tenant=tenant,
        sensitivity=row.get("sensitivity") or "internal",
        sources=frozenset({str(row.get("ref") or row["source"])}),
        suspicions=_suspicions(row),
    )


def _suspicions(data: Any) -> frozenset[str]:
    found: Iterable[str] = data.get("suspicions") or ()
    return frozenset(found)
