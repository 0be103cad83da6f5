"""Plans: a directed acyclic graph of tasks, and what may be wrong with one. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MAX_TEXT = 4_000
_MAX_TARGETS = 64
_MAX_TARGET = 500


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of work for one agent.

    ``tools`` is the lease: the names that the agent may use for it, None for all of its tools.
    ``targets`` name what the task is about (hosts, accounts, …), ``done_when`` is its success criterion.
    An ``optional`` task that no other needs starts after all others, and only if something went wrong there.
    A task that ``undoes`` an effect, by its id, is that effect's compensation: no model works on it.
    """

    task_id: str
    agent: str
    goal: str
    depends_on: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    targets: tuple[str, ...] = ()
    done_when: str = ""
    optional: bool = False
    undoes: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; ``from_dict`` reads it back."""
        tools = None if self.tools is None else list(self.tools)
        return {**vars(self), "depends_on": [*self.depends_on], "targets": [*self.targets], "tools": tools}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Task:
        tools = data.get("tools")
        return cls(
            task_id=data["task_id"],
            agent=data["agent"],
            goal=data["goal"],
            depends_on=tuple(data.get("depends_on") or ()),
            tools=None if tools is None else tuple(tools),
            targets=tuple(data.get("targets") or ()),
            done_when=data.get("done_when") or "",
            optional=bool(data.get("optional", False)),
            undoes=data.get("undoes"),
        )


@dataclass(frozen=True)
class Plan:
    """Tasks and what each waits for. Not checked when built: ``problems`` says what is wrong with it."""

    tasks: tuple[Task, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; ``from_dict`` reads it back."""
        return {"tasks": [task.to_dict() for task in self.tasks]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        return cls(tuple(Task.from_dict(task) for task in data["tasks"]))


def problems(plan: Plan, *, agents: Mapping[str, Collection[str] | None], max_tasks: int) -> list[str]:
    """What keeps the plan from being run, in words that a planner can act on; empty if nothing does.

    ``agents`` maps each agent's name to the names of its tools, or to None where any name may be leased.
    """
    if not plan.tasks:
        return ["the plan has no tasks; give at least one"]
    found: list[str] = []
    if len(plan.tasks) > max_tasks:
        found.append(f"the plan has {len(plan.tasks)} tasks; at most {max_tasks} are allowed, so merge some")
    times = Counter(task.task_id for task in plan.tasks)
    found += [f"{n} tasks have the id {name!r}; give each its own" for name, n in times.items() if n > 1]
    for task in plan.tasks:
        found += _wrong_words(task)
        found += _wrong_agent(task, agents)
        found += _wrong_dependencies(task, times.keys())
    found += [
        f"tasks wait for each other in a circle: {' -> '.join(cycle)}; remove one of these dependencies"
        for cycle in _cycles(plan)
    ]
    return found


def ready(plan: Plan, done: Collection[str], started: Collection[str] = ()) -> list[Task]:
    """The tasks that may start now, in the plan's order: neither done nor started, all dependencies done."""
    return [
        task
        for task in plan.tasks
        if task.task_id not in done
        and task.task_id not in started
        and all(d in done for d in task.depends_on)
    ]


def needed(plan: Plan) -> set[str]:
    """The tasks that the answer needs: all that are not optional, and what those depend on."""
    waits = {task.task_id: task.depends_on for task in plan.tasks}
    found: set[str] = set()
    look = [task.task_id for task in plan.tasks if not task.optional]
    while look:
        name = look.pop()
        if name not in found:
            found.add(name)
            look += waits.get(name, ())
    return found


def _wrong_words(task: Task) -> Iterator[str]:
    if not _ID.fullmatch(task.task_id):
        yield (
            f"{task.task_id[:80]!r} cannot be a task's id; use up to 64 letters, digits, '.', '_' and '-', "
            "beginning with a letter or a digit"
        )
    name = f"task {task.task_id[:80]!r}"
    if not task.goal.strip():
        yield f"{name} has no goal; say what its agent shall find out or do"
    for field, text in (("goal", task.goal), ("done_when", task.done_when)):
        if len(text) > _MAX_TEXT:
            yield f"{field} of {name} has {len(text)} characters; at most {_MAX_TEXT} are allowed"
    if len(task.targets) > _MAX_TARGETS:
        yield f"{name} has {len(task.targets)} targets; at most {_MAX_TARGETS} are allowed"
    if any(not target.strip() or len(target) > _MAX_TARGET for target in task.targets):
        yield f"{name} has a target that is blank or longer than {_MAX_TARGET} characters"


def _wrong_agent(task: Task, agents: Mapping[str, Collection[str] | None]) -> Iterator[str]:
    name = f"task {task.task_id[:80]!r}"
    if task.agent not in agents:
        yield f"{name} names the unknown agent {task.agent[:80]!r}; the agents are: {_listed(agents)}"
        return
    known = agents[task.agent]
    if known is None:
        return
    unknown = [tool for tool in task.tools or () if tool not in known]
    if unknown:
        yield f"{name} leases tools that {task.agent!r} lacks: {_listed(unknown)}; it has: {_listed(known)}"


def _wrong_dependencies(task: Task, known: Collection[str]) -> Iterator[str]:
    name = f"task {task.task_id[:80]!r}"
    if task.task_id in task.depends_on:
        yield f"{name} depends on itself; remove that"
    unknown = [other for other in task.depends_on if other not in known]
    if unknown:
        yield f"{name} depends on unknown tasks: {_listed(unknown)}; the plan's tasks are: {_listed(known)}"


def _cycles(plan: Plan) -> list[list[str]]:
    """Circles of two and more tasks, no task in two of them: each is a thing of its own to mend."""
    waits: dict[str, set[str]] = {task.task_id: set() for task in plan.tasks}
    for task in plan.tasks:
        waits[task.task_id] |= (set(task.depends_on) & waits.keys()) - {task.task_id}
    cycles: list[list[str]] = []
    while cycle := _cycle(waits):
        cycles.append(cycle)
        waits = {name: others - set(cycle) for name, others in waits.items() if name not in cycle}
    return cycles


def _cycle(waits: Mapping[str, set[str]]) -> list[str] | None:
    try:
        # Sorted, so that the same plan gives the same words in every process.
        TopologicalSorter({name: sorted(others) for name, others in waits.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def _listed(names: Collection[str]) -> str:
    shown = [name[:80] for name in list(names)[:20]]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "") if shown else "none"
