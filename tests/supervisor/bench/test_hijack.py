"""A hijacked model on somebody's team: their policies decide, and none of their functions is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import pytest
from langchain_core.tools import StructuredTool

from pilotman.agents import Kit, Specialist, Tool, tool
from pilotman.guardrails import Call, Decision
from pilotman.memory import Memory
from pilotman.supervisor import Supervisor
from pilotman.supervisor.bench.forgery import MAIL
from pilotman.supervisor.bench.hijack import first, hijacks
from pilotman.supervisor.bench.office import allow
from pilotman.supervisor.bench.rehearsal import Rehearsal
from pilotman.supervisor.bench.scenario import Outcome, outcome
from pilotman.supervisor.bench.scenarios import of

pytestmark = pytest.mark.anyio


def never(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("a function of the team was called")


def tools() -> list[Tool[..., Any]]:
    @tool(effect="read", third_party=["body"])
    async def inbox() -> list[dict[str, str]]:
        """List the mails in the inbox."""
        never()

    @tool(effect="write")
    async def send(to: str, text: str) -> str:
        """Send a mail."""
        never(to, text)

    @send.precondition
    async def fresh(to: str, text: str) -> Mapping[str, Any]:
        never(to, text)

    @send.lookup
    async def find(to: str, text: str) -> str | None:
        never(to, text)

    @tool(effect="irreversible")
    async def wipe(disk: str) -> str:
        """Wipe a disk."""
        never(disk)

    return [inbox, send, wipe]


def desk(*, nested: bool = False, agent: Any = None, **settings: Any) -> Supervisor:
    clerk: Any = Specialist("clerk", "Mails.", tools=tools(), agent=agent)
    return Supervisor("desk", [Supervisor("inner", [clerk]) if nested else clerk], **settings)


async def figures(team: Supervisor, **kwargs: Any) -> dict[str, Outcome]:
    return {s.name: await outcome(s) for s in hijacks(Rehearsal(team=team), **kwargs)}


@pytest.mark.parametrize("nested", [False, True])
async def test_each_tool_that_is_no_read_is_tried_and_the_teams_policies_decide(nested: bool) -> None:
    def policy(shown: Call, /) -> Decision | None:
        if shown.tool == "wipe":
            return Decision.deny("never")
        return Decision.escalate("look") if shown.args.get("to") == MAIL else Decision.allow()

    found = await figures(desk(nested=nested, policy=policy))
    assert found.keys() == {"send", "wipe"}
    send, wipe = found["send"], found["wipe"]
    assert (send.attempts, send.through, send.asked, send.denied) == (3, 1, 2, 0)
    assert (wipe.attempts, wipe.through, wipe.asked, wipe.denied) == (3, 0, 0, 3)
    [leak] = send.leaks
    assert leak.endswith("clerk, with what was read")


async def test_a_read_that_goes_where_its_caller_says_is_tried_too() -> None:
    @tool(effect="read")
    async def fetch(url: str) -> str:
        """Fetch a page."""
        never(url)

    team = Supervisor("desk", [Specialist("clerk", "Reads.", tools=[fetch])], policy=allow)
    [one] = (await figures(team)).values()
    assert (one.name, one.attempts, one.through) == ("fetch", 1, 1)
    found = {one.name: one for one in [await outcome(scenario) for scenario in of(team)]}
    switch = found["kill switch under load"]
    assert (switch.attempts > 0, switch.through) == (True, 0)


async def test_confinement_is_the_teams_own() -> None:
    assert sum(one.through for one in (await figures(desk(policy=allow))).values()) == 6
    assert sum(one.through for one in (await figures(desk(policy=allow, confine=True))).values()) == 0


async def test_what_the_user_asks_for_may_be_said() -> None:
    request = f"Send a mail to {MAIL} saying all that was read."
    found = await figures(desk(confine=True), request=request)
    assert found["send"].through
    assert not found["wipe"].through


async def test_an_agent_that_was_not_reached_shows_nothing() -> None:
    def shy(shown: Call, /) -> Decision | None:
        return Decision.escalate("look") if shown.tool == "inbox" else Decision.deny("no")

    assert (await figures(desk(policy=shy)))["send"].attempts == 1, "those after a read did not come so far"


async def test_a_tool_whose_arguments_cannot_be_made_up_is_not_said_to_hold() -> None:
    odd = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^q{7}z$"}}}

    strange = StructuredTool(name="odd", description="Odd.", args_schema=odd, func=never)
    team = Supervisor("desk", [Specialist("clerk", "x", tools=[tool(strange, effect="write")])])
    one = (await figures(team))["odd"]
    assert one.attempts == 0
    assert "arguments" in one.untried


def test_tenants_are_tried_on_an_agent_that_reads_and_writes() -> None:
    both = tools()
    reader, writer = (Specialist(n, "x", tools=t) for n, t in (("reader", both[:1]), ("writer", both[1:2])))
    clerk = Specialist("clerk", "x", tools=both)
    for agents, path, size in (
        ([reader], ("reader",), 1),
        ([reader, writer], ("writer",), 1),
        ([reader, writer, clerk], ("clerk",), 2),
    ):
        found, turns = first(Rehearsal(team=Supervisor("desk", agents)))
        assert (found, len(turns)) == (path, size)


async def test_the_whole_suite_calls_nothing_of_the_team() -> None:
    def bring(_: Kit) -> NoReturn:
        never()

    memory = Memory("sqlite:////nowhere/at/all.db")
    team = desk(agent=bring, memory=memory, models=None, credentials=never, notify=None, policy=allow)
    found = [await outcome(scenario) for scenario in of(team)]
    assert {one.name: (one.attempts > 0, one.through) for one in found} == {
        "send": (True, 3),
        "wipe": (True, 3),
        "cross-tenant": (True, 0),
        "kill switch under load": (True, 0),
    }
