"""From events to provenance: each event alone, in whatever order, as often as it comes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.provenance.told import BEGAN, ORIGIN, STORY, story

from pilotman.memory.event import Event
from pilotman.memory.provenance.graph import ENDS, Edge, Node
from pilotman.memory.provenance.prov import fold
from pilotman.memory.provenance.sheet import Told

WORDS = st.text(max_size=8) | st.sampled_from(["recall", "task:a/turn:1/call:0", "task:a/turn:0", "plan:0/0"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({name for _, _, data in STORY for name in data})
KINDS = sorted(
    {kind for kind, _, _ in STORY} | {"effect_unknown", "effect_joined", "tool_call_reused", "news"}
)


def same(told: Told) -> tuple[dict[str, Node], dict[tuple[str, str, str], Edge]]:
    """Without the order in which it was told."""
    return {n.id: n for n in told.nodes}, {(e.source, e.relation, e.target): e for e in told.edges}


def reached(told: Told, start: str, *, forth: bool = False) -> set[str]:
    steps: dict[str, set[str]] = {}
    for edge in told.edges:
        source, target = (edge.target, edge.source) if forth else (edge.source, edge.target)
        steps.setdefault(source, set()).add(target)
    found, todo = {start}, [start]
    while todo:
        new = steps.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, len(STORY) - 1), max_size=9))
def test_order_and_repetition_of_events_change_nothing(chance: random.Random, again: list[int]) -> None:
    events = story()
    shuffled = [*events, *(events[at] for at in again)]
    chance.shuffle(shuffled)
    assert same(fold(ORIGIN, shuffled)) == same(fold(ORIGIN, events))


def test_an_event_tells_alone_what_it_tells_among_others() -> None:
    nodes, edges = same(fold(ORIGIN, story()))
    for event in story():
        alone = fold(ORIGIN, [event])
        assert {e.target for e in alone.edges} | {e.source for e in alone.edges} <= set(nodes)
        for node in alone.nodes:
            assert (node.kind, node.type) == (nodes[node.id].kind, nodes[node.id].type)
            assert node.data.items() <= nodes[node.id].data.items()
        for edge in alone.edges:
            assert (edge.source, edge.relation, edge.target) in edges


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_an_event_holds_it_can_be_told(kind: str, data: dict[str, Any]) -> None:
    told = fold(ORIGIN, [Event(seq=1, run_id="run_1", at=BEGAN, kind=kind, actor="a", data=data)])
    kinds = {node.id: node.kind for node in told.nodes}
    for edge in told.edges:
        for end, kind_of in zip((edge.source, edge.target), ENDS[edge.relation], strict=True):
            assert kinds.get(end, kind_of) == kind_of


def test_relations_hold_between_what_prov_lets_them() -> None:
    told = fold(ORIGIN, story())
    kinds = {node.id: node.kind for node in told.nodes}
    assert all((kinds[e.source], kinds[e.target]) == ENDS[e.relation] for e in told.edges)


def test_nothing_comes_from_itself() -> None:
    told = fold(ORIGIN, story())
    for edge in told.edges:
        assert edge.source not in reached(told, edge.target)


def test_an_answer_comes_from_all_that_led_to_it() -> None:
    told = fold(ORIGIN, story())
    (answer,) = (node.id for node in told.nodes if node.type == "answer")
    behind = reached(told, answer)
    assert {"run:run_1", "request:run_1", "user:alice", "snapshot:snap_1"} <= behind
    assert {"document:runbooks/disk@v1", "source:runbooks", "source:disk", "source:disk.md"} <= behind
    assert {"effect:eff_1", "permit:pmt_1", "approval:apr_1", "user:bob", "policy:p"} <= behind


def test_a_write_comes_from_the_approval_and_from_the_report_it_depends_on_not_from_the_answer() -> None:
    told = fold(ORIGIN, story())
    behind = reached(told, "effect:eff_1")
    assert {"user:bob", "report:run_1/task:look", "document:runbooks/disk@v1", "user:alice"} <= behind
    assert not any(name.startswith(("answer:", "run:", "report:run_1/task:act")) for name in behind)


@pytest.mark.parametrize("name", ["source:runbooks", "source:disk", "source:disk.md"])
def test_of_a_source_came_the_run_its_answer_and_its_write_by_whatever_name(name: str) -> None:
    told = fold(ORIGIN, story())
    came = reached(told, name, forth=True)
    assert {"run:run_1", "effect:eff_1", "approval:apr_1"} <= came
    assert any(found.startswith("answer:") for found in came)
    assert not any(found.startswith(("user:", "request:")) for found in came)


def test_no_content_is_in_the_graph() -> None:
    assert "secret" not in repr(fold(ORIGIN, story()))


def test_what_was_forgotten_tells_nothing() -> None:
    gone = [
        Event(seq=e.seq, run_id=e.run_id, at=e.at, kind=e.kind, actor=e.actor, data={"forgotten": True})
        for e in story()
    ]
    assert fold(ORIGIN, gone) == Told()


def test_a_search_of_a_task_is_behind_what_it_did_then() -> None:
    def event(seq: int, kind: str, **data: Any) -> Event:
        return Event(seq=seq, run_id="run_1", at=BEGAN, kind=kind, actor="operator", data=data)

    found = [
        {"source": "other.md", "version": "v2", "origin": "wiki", "document_id": "o", "start": 0, "end": 3}
    ]
    told = fold(
        ORIGIN,
        [
            event(1, "model_call_started", path="task:act/turn:0", model="m"),
            event(2, "tool_call_started", path="task:act/turn:0/call:0", tool="search_corpus"),
            event(3, "retrieval_completed", path="task:act/search:ab", snapshot_id="snap_2", documents=found),
            event(4, "model_call_started", path="task:act/turn:1", model="m"),
            event(5, "effect_intended", path="task:act/turn:1/call:0", effect_id="eff_2", tool="t"),
        ],
    )
    assert "document:wiki/o@v2" in reached(told, "effect:eff_2")


def fact(kind: str, run_id: str = "mem_1", **data: Any) -> Told:
    told = Event(seq=1, run_id=run_id, at=BEGAN, kind=kind, actor="memory", data={"fact_id": "f", **data})
    return fold(replace(ORIGIN, run_id=run_id), [told])


def test_a_fact_comes_from_what_it_stands_on_and_a_run_that_was_told_it_from_the_fact() -> None:
    supports = ["document:runbooks/disk@v1", "run:run_1", "fact:other"]
    told = fact(
        "fact_remembered", owner="alice", by="alice", source="run:run_1", supports=supports, text="secret"
    )
    behind = reached(told, "fact:f")
    assert {*supports, "user:alice"} <= behind
    assert "secret" not in repr(told)
    recalled = fact("facts_recalled", run_id="run_2", path="memory", documents=[{"source": "fact:f"}])
    assert "fact:f" in reached(recalled, "run:run_2")


def test_of_facts_without_an_owner_the_text_stands_in_the_graph() -> None:
    told = fact("fact_remembered", owner=None, by="alice", source="wiki", text="disks fill", supports=[])
    assert [node.data["text"] for node in told.nodes if node.type == "fact"] == ["disks fill"]
    assert "source:wiki" in reached(told, "fact:f")


def test_who_took_a_fact_back_is_told() -> None:
    told = fact("fact_retracted", by="bob")
    assert "user:bob" in reached(told, "fact:f")
    assert {edge.relation for edge in told.edges} == {"WAS_INVALIDATED_BY", "WAS_ASSOCIATED_WITH"}


def test_names_that_are_too_long_for_an_index_are_told_apart_by_digest() -> None:
    names = ["x" * 5_000 + end for end in "ab"]
    told = [
        fold(ORIGIN, [Event(seq=1, run_id="run_1", at=BEGAN, kind="tool_call_started", actor="a", data=data)])
        for data in ({"path": "p", "tool": name} for name in names)
    ]
    tools = [node.id for one in told for node in one.nodes if node.type == "tool"]
    assert len(set(tools)) == 2
    assert max(map(len, tools)) <= 400
