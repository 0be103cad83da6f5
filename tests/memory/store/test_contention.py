"""Two processes at the same items: no update is lost, nobody sees another tenant's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.patience import PROCESS_PATIENCE

from pilotman.guardrails import Principal
from pilotman.memory import Memory

pytestmark = pytest.mark.anyio
OWNERS = [("acme", "alice"), ("acme", "bob"), ("globex", "alice"), ("globex", "bob")]
SPACE, THREAD = ("session", "counts"), "t1"
CHILD = """
import asyncio, json, sys
from pilotman.guardrails import Principal
from pilotman.memory import Memory
from pilotman.memory.store.change import RevisionConflict

url, rounds, owners, space, thread = json.loads(sys.argv[1])
done = {"reads": 0, "writes": 0, "conflicts": 0, "leaks": 0}

async def add(store, mine):
    while True:
        done["reads"] += 1
        found = await store.aget(tuple(space), "sum")
        before = {"of": mine, "n": 0} if found is None else found.value
        done["leaks"] += before["of"] != mine
        revision = None if found is None else found.revision
        try:
            await store.aput_if(tuple(space), "sum", {"of": mine, "n": before["n"] + 1}, revision=revision)
        except RevisionConflict:
            done["conflicts"] += 1
        else:
            done["writes"] += 1
            return

async def main():
    async with Memory(url) as memory:
        async def counting(tenant, user):
            store = memory.as_store(principal=Principal(tenant=tenant, user=user), thread_id=thread)
            for _ in range(rounds):
                await add(store, [tenant, user])
        print("ready", flush=True)
        sys.stdin.readline()
        await asyncio.gather(*(counting(*owner) for owner in owners))
    print(json.dumps(done), flush=True)

asyncio.run(main())
"""


def start(url: str, rounds: int) -> subprocess.Popen[str]:
    told = json.dumps([url, rounds, OWNERS, SPACE, THREAD])
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", CHILD, told]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env)


@pytest.mark.parametrize("rounds", [40, pytest.param(625, marks=pytest.mark.slow)])
async def test_two_processes_lose_no_update_and_leak_none(shared_url: str, rounds: int) -> None:
    """625 rounds of two processes for four owners: ten thousand reads and writes, and what conflicts cost."""
    async with Memory(shared_url):
        pass  # the schema is there
    processes = [start(shared_url, rounds) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    said: list[dict[str, Any]] = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=PROCESS_PATIENCE)
        assert process.returncode == 0, err
        said.append(json.loads(out))
    assert sum(one["leaks"] for one in said) == 0
    assert sum(one["writes"] for one in said) == 2 * rounds * len(OWNERS)
    async with Memory(shared_url) as memory:
        for tenant, user in OWNERS:
            store = memory.as_store(principal=Principal(tenant=tenant, user=user), thread_id=THREAD)
            (item,) = await store.asearch(())
            assert item.value == {"of": [tenant, user], "n": 2 * rounds}
