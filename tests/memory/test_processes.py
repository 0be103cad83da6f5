"""Several processes at one journal, processes that are killed, and disks that are full."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PROCESS_PATIENCE

from pilotman.memory.journal.journal import Journal

pytestmark = pytest.mark.anyio
LATER = datetime(2999, 1, 1, tzinfo=UTC)

PRELUDE = """
import asyncio, json, os, sys
from datetime import UTC, datetime, timedelta
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import PilotmanError
from pilotman.guardrails.permit import Permit
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import EffectRow, RunRow, TransitionRow

url, name = sys.argv[1:3]
now = datetime.now(UTC)
hour = timedelta(hours=1)
later = now + hour
bob = Principal(tenant="acme", user=name)

def say(*words): print(json.dumps(words), flush=True)
def event(key, **data): return NewEvent(kind="k", actor=name, data=data, key=key, at=now)
def run(run_id, **f):
    d = dict(run_id=run_id, tenant="acme", user="u", principal={}, supervisor="desk", thread_id=run_id,
             request={}, state="RECEIVED", created_at=now, updated_at=now, budget={}, versions={})
    return RunRow(**d | f)
def permit(run_id, number):
    return Permit(permit_id=f"pmt_{run_id}_{number}", run_id=run_id, step="s", tenant="acme", user="u",
                  chain=(), tool="t", digest="d", policy_version="1", approval_id=None, issued_at=now,
                  expires_at=later)
def effect(run_id, number, key):
    return EffectRow(effect_id=f"eff_{name}_{number}", tenant="acme", run_id=run_id, step="s", tool="t",
                     effect="write", key=key, digest="d", permit_id=f"pmt_{run_id}_{number}", owner=name,
                     intended_at=now)
"""


def start(url: str, name: str, body: str) -> subprocess.Popen[str]:
    code = f"{PRELUDE}\nasync def main():\n    journal = Journal(url, busy_timeout=60)\n"
    code += "    await journal.start()\n"
    code += "".join(f"    {line}\n" for line in body.strip().splitlines())
    code += "    await journal.aclose()\nasyncio.run(main())\n"
    command = [sys.executable, "-c", code, url, name]
    # a process that is killed would leave half a file of coverage data behind
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[list[Any]]:
    """What they said, all of them together."""
    said: list[list[Any]] = []
    for process in processes:
        out, err = process.communicate(timeout=PROCESS_PATIENCE)
        assert process.returncode == 0, err
        said.extend(json.loads(line) for line in out.splitlines())
    return said


async def reading(url: str) -> Journal:
    journal = Journal(url, busy_timeout=60)
    await journal.start()
    return journal


async def test_two_processes_create_the_schema_at_once(shared_url: str) -> None:
    processes = [
        start(shared_url, f"p{i}", "await journal.create_run(run(name), events=[])") for i in range(3)
    ]
    finish(processes)
    journal = await reading(shared_url)
    assert len(await journal.runs(tenant="acme")) == 3
    await journal.aclose()


async def test_two_processes_append_to_one_run_without_gaps(shared_url: str, make: Any) -> None:
    journal = await reading(shared_url)
    await journal.create_run(make.run(), events=[])
    body = """
for i in range(100):
    journal.append("run_1", [event(f"{name}-{i}", i=i), event(f"shared-{i}", i=-1)])
    if i % 10 == 0: await journal.flush()
"""
    finish([start(shared_url, name, body) for name in ("a", "b")])
    events = await journal.events("run_1", tenant="acme")
    assert [event.seq for event in events] == list(range(1, 301))
    for name in ("a", "b"):
        own = [event.data["i"] for event in events if event.actor == name and event.data["i"] >= 0]
        assert own == list(range(100))
    await journal.aclose()


async def test_of_two_processes_one_claims_intends_and_answers(shared_url: str, make: Any) -> None:
    rounds = 25
    journal = await reading(shared_url)
    for i in range(rounds):
        await journal.create_run(make.run(f"claim_{i}"), events=[])
        await journal.create_run(make.run(f"ask_{i}", owner="me"), events=[])
        await journal.request_approvals([make.approval(f"apr_{i}", f"ask_{i}", expires_at=LATER)], owner="me")
    await journal.create_run(make.run("run_a", owner="a"), events=[])
    await journal.create_run(make.run("run_b", owner="b"), events=[])
    body = f"""
for i in range({rounds}):
    if await journal.claim(f"claim_{{i}}", owner=name, lease=hour, is_dead=lambda _: False):
        say("claim", i)
    await journal.issue_permit(permit(f"run_{{name}}", i), owner=name)
    _, new = await journal.intend(effect(f"run_{{name}}", i, f"key {{i}}"), owner=name)
    if new: say("intend", i)
    try:
        mine = [event(f"{{name}} {{i}}")]
        await journal.answer(f"apr_{{i}}", tenant="acme", state="approved", by=bob, events=mine)
        say("answer", i)
    except PilotmanError as error:
        assert error.code == "conflict", error
"""
    said = finish([start(shared_url, name, body) for name in ("a", "b")])
    expected = {(what, i): 1 for what in ("claim", "intend", "answer") for i in range(rounds)}
    assert Counter(map(tuple, said)) == Counter(expected)
    for i in range(rounds):
        assert len(await journal.events(f"ask_{i}", tenant="acme")) == 1
    await journal.aclose()


async def test_a_fenced_process_changes_nothing(shared_url: str, make: Any) -> None:
    journal = await reading(shared_url)
    await journal.create_run(make.run(owner="old"), events=[])
    body = """
claimed = await journal.claim("run_1", owner=name, lease=hour, is_dead=lambda owner: owner == "old")
say(claimed.story.run.owner)
"""
    assert finish([start(shared_url, "new", body)]) == [["new"]]
    for step in (
        journal.move("run_1", owner="old", transition=make.move(1, "RECEIVED", "PLANNED"), events=[]),
        journal.issue_permit(make.permit(), owner="old"),
        journal.intend(make.effect(), owner="old"),
        journal.request_approvals([make.approval()], owner="old"),
    ):
        with pytest.raises(Exception, match="driven by new") as fenced:
            await step
        assert fenced.type.__name__ == "Fenced"
    await journal.aclose()


KILLED = """
await journal.create_run(run(name, owner=name), events=[])
say("run", name)
state, number = "RECEIVED", 0
while True:
    number += 1
    journal.append(name, [event(f"ride {number}", n=number)])
    digest = journal.put_payload(name, str(number).encode() * 300)
    await journal.issue_permit(permit(name, number), owner=name)
    await journal.intend(effect(name, number, f"{name} {number}"), owner=name)
    done = [event(f"done {number}")]
    await journal.settle(f"eff_{name}_{number}", state="applied", result=digest, events=done)
    after = f"S{number}"
    step = TransitionRow(run_id=name, number=number, from_state=state, to_state=after, at=now, actor="a")
    await journal.move(name, owner=name, events=[event(f"moved {number}", n=number)], transition=step)
    state = after
    say("moved", number)
"""


@pytest.mark.parametrize("rounds", [3, pytest.param(25, marks=pytest.mark.slow)])
async def test_kill_9_at_any_moment_loses_nothing_that_was_awaited(tmp_path: Path, rounds: int) -> None:
    dice = random.Random(rounds)
    url = f"sqlite:///{tmp_path / 'j.db'}"
    for turn in range(rounds):
        name = f"run_{turn}"
        process = start(url, name, KILLED)
        assert process.stdout is not None
        assert process.stdout.readline(), process.communicate()[1]
        await asyncio.sleep(dice.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        said = [json.loads(line) for line in process.communicate()[0].splitlines()]
        moved = max([number for what, number in said if what == "moved"], default=0)
        journal = await reading(url)
        moves = await journal.transitions(name, tenant="acme")
        assert [move.number for move in moves] == list(range(1, len(moves) + 1))
        assert len(moves) in (moved, moved + 1)
        events = await journal.events(name, tenant="acme")
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        keys = [(event.data.get("n"), event.kind) for event in events if "n" in event.data]
        assert len(keys) >= 2 * moved  # each ride came before the move that was awaited after it
        effects = await journal.effects(name, tenant="acme")
        bodies = await journal.payloads(name)
        states = {effect.effect_id: effect.state for effect in effects}
        assert all(states[f"eff_{name}_{number}"] == "applied" for number in range(1, moved + 1))
        assert all(e.result in bodies for e in effects if e.state == "applied")
        await journal.aclose()


FULL = """
import resource
await journal.create_run(run("run_1", owner="me"), events=[])
await journal.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
number = 0
try:
    while True:
        number += 1
        journal.append("run_1", [event(f"e{number}", n=number, filler="x" * 5000)])
        await journal.flush()
        say("kept", number)
except PilotmanError as error:
    say("refused", error.code, bool(error.hint))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
journal.append("run_1", [event("late", n=-1)])
await journal.flush()
"""


async def test_a_full_disk_refuses_and_keeps_what_was_stored(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    url = f"sqlite:///{path}"
    seed = await reading(url)
    await seed.aclose()
    body = FULL.replace("LIMIT, LIMIT", f"{path.stat().st_size + 300_000}, resource.RLIM_INFINITY")
    said = finish([start(url, "me", body)])
    kept = [number for what, number, *_ in said if what == "kept"]
    assert said[-1] == ["refused", "unavailable", True]
    assert len(kept) > 5
    journal = await reading(url)
    stored = [event.data["n"] for event in await journal.events("run_1", tenant="acme")]
    assert stored == [*kept, -1]
    await journal.aclose()


@pytest.mark.parametrize("limit", [0, 4096, 20_000])
async def test_a_disk_that_is_full_from_the_start(tmp_path: Path, limit: int) -> None:
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        + PRELUDE
        + "try:\n    asyncio.run(Journal(url).start())\n"
        + "except PilotmanError as error:\n    say(error.code, error.hint)\n"
    )
    url = f"sqlite:///{tmp_path / 'j.db'}"
    command = [sys.executable, "-c", code, url, "me"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=PROCESS_PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0] == "unavailable"
    journal = await reading(url)
    assert await journal.runs(tenant="acme") == []
    await journal.aclose()
