"""What a planner may get wrong is named; what it gets right can be run to the end."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.supervisor.plan import Plan, Task, problems, ready

AGENTS = {"reader": ("read", "search"), "writer": ("write",), "network": None}


def task(task_id: str, *depends_on: str, agent: str = "reader", goal: str = "look") -> Task:
    return Task(task_id=task_id, agent=agent, goal=goal, depends_on=depends_on)


def wrong(*tasks: Task, most: int = 16) -> list[str]:
    return problems(Plan(tasks), agents=AGENTS, max_tasks=most)


@st.composite
def acyclic(draw: st.DrawFn) -> Plan:
    """Tasks depend on earlier ones only; their order in the plan is then shuffled."""
    n = draw(st.integers(1, 12))
    tasks = [
        task(f"t{i}", *sorted(draw(st.sets(st.sampled_from([f"t{j}" for j in range(i)]))) if i else ()))
        for i in range(n)
    ]
    return Plan(tuple(draw(st.permutations(tasks))))


def run_to_the_end(plan: Plan, seed: int) -> list[str]:
    chance, done, started = random.Random(seed), list[str](), set[str]()
    while True:
        started |= {t.task_id for t in ready(plan, done, started)}
        if not started:
            return done
        done.append(chance.choice(sorted(started)))
        started.discard(done[-1])


@given(acyclic(), st.integers())
def test_a_plan_without_problems_can_always_be_run_to_the_end(plan: Plan, seed: int) -> None:
    assert problems(plan, agents=AGENTS, max_tasks=16) == []
    order = run_to_the_end(plan, seed)
    assert sorted(order) == sorted(t.task_id for t in plan.tasks)
    for t in plan.tasks:
        assert all(order.index(d) < order.index(t.task_id) for d in t.depends_on)


@given(acyclic(), st.data())
def test_a_cycle_is_always_found_and_named(plan: Plan, data: st.DataObject) -> None:
    ring = data.draw(
        st.lists(st.sampled_from(plan.tasks), min_size=2, unique=True) if len(plan.tasks) > 1 else st.just([])
    )
    if not ring:
        return
    waits = {a.task_id: b.task_id for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)}
    looped = Plan(
        tuple(
            replace(t, depends_on=tuple(dict.fromkeys((*t.depends_on, waits[t.task_id]))))
            if t.task_id in waits
            else t
            for t in plan.tasks
        )
    )
    found = [p for p in problems(looped, agents=AGENTS, max_tasks=16) if "circle" in p]
    assert found
    for text in found:
        names = text.removeprefix("tasks wait for each other in a circle: ").split(";")[0].split(" -> ")
        by_id = {t.task_id: t for t in looped.tasks}
        assert names[0] == names[-1]
        assert all(a in by_id[b].depends_on for a, b in pairwise(names))


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdefg"))), min_size=1, max_size=6
    )
)
def test_no_problems_means_that_it_ends_and_a_plan_that_cannot_end_has_problems(
    drawn: list[tuple[str, set[str]]],
) -> None:
    plan = Plan(tuple(task(name, *sorted(depends)) for name, depends in drawn))
    ends = sorted(run_to_the_end(plan, 0)) == sorted(t.task_id for t in plan.tasks)
    assert (problems(plan, agents=AGENTS, max_tasks=16) == []) == ends


def test_two_circles_are_both_named() -> None:
    found = wrong(task("a", "b"), task("b", "a"), task("c", "d"), task("d", "c"), task("e"))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ((), "no tasks"),
        ((task("a"), task("a")), "2 tasks have the id 'a'"),
        ((task("a/b"),), "'a/b' cannot be a task's id"),
        ((task(""),), "'' cannot be a task's id"),
        ((task("x" * 65),), "cannot be a task's id"),
        ((task("a\n"),), "cannot be a task's id"),
        ((task("a", agent="ghost"),), "unknown agent 'ghost'; the agents are: reader, writer, network"),
        ((replace(task("a"), tools=("write",)),), "lacks: write; it has: read, search"),
        ((task("a", "b"),), "depends on unknown tasks: b; the plan's tasks are: a"),
        ((task("a", "a"),), "depends on itself"),
        ((task("a", goal="  "),), "no goal"),
        ((task("a", goal="x" * 4_001),), "goal of task 'a' has 4001 characters"),
        ((replace(task("a"), done_when="x" * 4_001),), "done_when of task 'a' has 4001 characters"),
        ((replace(task("a"), targets=("web-1", " ")),), "target that is blank"),
        ((replace(task("a"), targets=("x",) * 65),), "65 targets"),
    ],
)
def test_each_mistake_is_named_alone(tasks: tuple[Task, ...], words: str) -> None:
    found = wrong(*tasks)
    assert len(found) == 1
    assert words in found[0]


def test_too_many_tasks() -> None:
    assert wrong(task("a"), task("b"), task("c"), most=2) == [
        "the plan has 3 tasks; at most 2 are allowed, so merge some"
    ]


def test_a_nested_supervisor_may_be_leased_any_tool() -> None:
    assert wrong(replace(task("a", agent="network"), tools=("dig",))) == []


def test_an_empty_lease_is_no_mistake() -> None:
    assert wrong(replace(task("a"), tools=())) == []


def test_hostile_names_do_not_flood_the_message() -> None:
    found = wrong(task("a", agent="x" * 10_000), task("b", *(f"{'y' * 1_000}{i}" for i in range(500))))
    assert max(map(len, found)) < 2_500


@given(acyclic())
def test_a_plan_survives_json_and_pickle(plan: Plan) -> None:
    assert Plan.from_dict(orjson.loads(orjson.dumps(plan.to_dict()))) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_a_lease_of_nothing_is_not_a_lease_of_everything_after_json() -> None:
    nothing, everything = replace(task("a"), tools=()), replace(task("a"), tools=None)
    assert Task.from_dict(nothing.to_dict()).tools == ()
    assert Task.from_dict(everything.to_dict()).tools is None
