# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Agents that somebody brings: governed where they use the kit, whatever they make of its answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel
from tests.agents.office import Office, allow_all, ask_about_writes, office, proposed
from tests.agents.test_blocking import run_script
from tests.patience import in_time, pass_time, until

from pilotman.agents.desk import Desk
from pilotman.agents.models import ModelTable
from pilotman.agents.report import Report
from pilotman.agents.rules.model import ChatRules
from pilotman.agents.specialist import Kit
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel, call
from pilotman.agents.tool import tool
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.policy import default_policy

pytestmark = pytest.mark.anyio
Build = Callable[[Kit], Runnable[Any, Any]]


class World:
    def __init__(self) -> None:
        self.looks: list[str] = []
        self.tickets: list[str] = []

        @tool(effect="read")
        async def look(host: str) -> str:
            """Look at a host."""
            self.looks.append(host)
            return f"{host} is 97% full"

        @tool(effect="write")
        def open_ticket(title: str) -> str:
            """Open a ticket."""
            self.tickets.append(title)
            return f"OPS-{len(self.tickets)}"

        self.tools: tuple[Any, ...] = (look, open_ticket)


async def seat(
    place: Office, world: World, build: Build, turns: list[Any], **fields: Any
) -> tuple[Desk, Any]:
    model = fields.pop("model", None) or ScriptedChatModel(turns)
    run = await place.run(**fields.pop("run", {}))
    desk = place.desk(run, *world.tools, models=model, foreign=build, instructions="Be brief.", **fields)
    chain = desk.task.models.chain("worker")[:1]
    desk.task.models = type(desk.task.models)(chains={"worker": chain})
    return desk, model


def report_of(state: dict[str, Any]) -> Report:
    return Report.from_dict(state["report"])


# ways to build an agent


def prebuilt(kit: Kit) -> Runnable[Any, Any]:
    return create_agent(kit.model, kit.tools, system_prompt=kit.prompt)


async def _loop(kit: Kit, state: Any) -> str:
    tools = {t.name: t for t in kit.tools}
    model = kit.model.bind_tools(kit.tools)
    messages: list[Any] = [SystemMessage(kit.prompt), HumanMessage(state["messages"][-1]["content"])]
    while True:
        reply = await model.ainvoke(messages)
        messages.append(reply)
        if not reply.tool_calls:
            return str(reply.content)
        for one in reply.tool_calls:
            said = await tools[one["name"]].ainvoke(one["args"])
            messages.append(ToolMessage(said, tool_call_id=one["id"]))


def asynchronous(kit: Kit) -> Runnable[Any, Any]:
    async def work(state: Any) -> str:
        return await _loop(kit, state)

    return RunnableLambda(work)


def synchronous(kit: Kit) -> Runnable[Any, Any]:
    def work(state: Any) -> str:
        tools = {t.name: t for t in kit.tools}
        model = kit.model.bind_tools(kit.tools)
        messages: list[Any] = [HumanMessage(state["messages"][-1]["content"])]
        while True:
            reply = model.invoke(messages)
            messages.append(reply)
            if not reply.tool_calls:
                return str(reply.content)
            for one in reply.tool_calls:
                said = tools[one["name"]].invoke(one["args"])
                messages.append(ToolMessage(said, tool_call_id=one["id"]))

    return RunnableLambda(work)


def swallowing(kit: Kit) -> Runnable[Any, Any]:
    """Takes every exception for an answer."""

    async def work(state: Any) -> str:
        tools = {t.name: t for t in kit.tools}
        model = kit.model.bind_tools(kit.tools)
        messages: list[Any] = [HumanMessage(state["messages"][-1]["content"])]
        for _ in range(20):
            try:
                reply = await model.ainvoke(messages)
                messages.append(reply)
                if not reply.tool_calls:
                    return str(reply.content)
                for one in reply.tool_calls:
                    said = await tools[one["name"]].ainvoke(one["args"])
                    messages.append(ToolMessage(said, tool_call_id=one["id"]))
            except Exception as error:
                messages.append(HumanMessage(f"it failed: {error}"))
        return "I give up."

    return RunnableLambda(work)


def wrapping(kit: Kit) -> Runnable[Any, Any]:
    """Makes an error of its own of everything, even of what is none."""

    async def work(state: Any) -> str:
        try:
            return await _loop(kit, state)
        except BaseException as error:
            raise RuntimeError("something went wrong") from error

    return RunnableLambda(work)


def denying(kit: Kit) -> Runnable[Any, Any]:
    """Answers although it was told to leave."""

    async def work(state: Any) -> str:
        try:
            return await _loop(kit, state)
        except BaseException:
            return "Opened OPS-99, all is well."

    return RunnableLambda(work)


def grouped(kit: Kit) -> Runnable[Any, Any]:
    async def work(state: Any) -> str:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_loop(kit, state))
        return task.result()

    return RunnableLambda(work)


EVERY_WAY = [prebuilt, asynchronous, synchronous, swallowing, wrapping, denying, grouped]
TURNS = [
    call("look", host="web-1"),
    call("open_ticket", title="disk"),
    "web-1 is 97% full; OPS-1 was opened.",
]


@pytest.mark.parametrize("build", EVERY_WAY)
async def test_a_write_leaves_the_agent_and_its_result_comes_back(build: Build) -> None:
    async with office() as place:
        world = World()
        desk, model = await seat(place, world, build, TURNS)
        report = report_of(await place.drive(desk))
        assert (report.status, report.text) == ("ok", TURNS[-1])
        assert (world.looks, world.tickets) == (["web-1"], ["disk"])
        assert len(model.requests) == 3, "what was recorded is not asked again"
        assert desk.task.wallet.purse.settled.steps == 3
        assert desk.task.wallet.purse.settled.tool_calls == 2
        (effect,) = await place.journal.effects("run_1", tenant="acme")
        assert effect.state == "applied"


@pytest.mark.parametrize("build", EVERY_WAY)
async def test_a_question_parks_it_and_the_answer_takes_it_on_in_another_process(build: Build) -> None:
    async with office() as place:
        world = World()
        desk, _ = await seat(place, world, build, TURNS[:2], policies=[ask_about_writes])
        state = await place.drive(desk)
        assert "__interrupt__" in state
        assert world.tickets == []
        (asked,) = await place.open()
        await place.answer(asked)
        place.saver = InMemorySaver()  # not even the parked graph has survived
        desk, model = await seat(
            place, world, build, TURNS[2:], policies=[ask_about_writes], run={"new": False}
        )
        report = report_of(await place.drive(desk))
        assert report.text == TURNS[-1]
        assert (world.looks, world.tickets) == (["web-1"], ["disk"])
        assert len(model.requests) == 1


@pytest.mark.parametrize("build", [prebuilt, asynchronous])
async def test_a_denied_write_is_an_answer_to_it(build: Build) -> None:
    async with office() as place:
        world = World()
        turns = [call("open_ticket", title="disk"), "It was not opened."]
        desk, model = await seat(place, world, build, turns, policies=[default_policy, _no_writes])
        report = report_of(await place.drive(desk))
        assert report.status == "partial"
        assert world.tickets == []
        assert "denied_by_policy" in str(model.requests[-1].messages[-1].content)


def _no_writes(call: Any, /) -> Any:
    from pilotman.guardrails.policy import Decision

    return None if call.effect == "read" else Decision.deny("no")


async def test_writes_of_one_turn_are_noted_together() -> None:
    async with office() as place:
        world = World()
        both = [one for t in ("a", "b") for one in call("open_ticket", title=t).tool_calls]
        desk, _ = await seat(
            place, world, prebuilt, [AIMessage(content="", tool_calls=both)], policies=[ask_about_writes]
        )
        state = await place.drive(desk)
        assert len(state["__interrupt__"][0].value["approvals"]) == 2


async def test_what_it_claims_is_checked_like_any_report() -> None:
    async with office() as place:
        desk, _ = await seat(place, World(), prebuilt, ["Opened OPS-99; 55% are saved."])
        report = report_of(await place.drive(desk))
        assert report.status == "failed"
        assert "OPS-99" not in report.text
        assert any("OPS-99" in caveat for caveat in report.caveats)


async def test_its_repetitions_and_its_lease_are_watched() -> None:
    async with office() as place:
        world = World()
        turns = [call("look", host="web-1")] * 3 + ["x"]
        desk, _ = await seat(place, world, prebuilt, turns)
        state = await place.drive(desk)
        assert "__interrupt__" in state
        (asked,) = await place.open()
        assert asked.kind == "repeat"
        assert world.looks == ["web-1"]


@pytest.mark.parametrize("build", [prebuilt, swallowing, synchronous])
async def test_it_cannot_spend_more_than_there_is(build: Build) -> None:
    async with office() as place:
        world = World()
        turns = [call("look", host=f"web-{n}") for n in range(9)]
        desk, model = await seat(place, world, build, turns, budget=Budget(max_steps=2))
        with in_time():
            report = report_of(await place.drive(desk))
        assert report.status == "partial"
        assert ("I give up." if build is swallowing else "web-0") in report.text, "what there is so far"
        assert len(model.requests) == 2
        assert any("could not finish" in c for c in desk.task.run.caveats)


async def test_an_agent_that_never_takes_no_for_an_answer_ends_with_the_time() -> None:
    def stubborn(kit: Kit) -> Runnable[Any, Any]:
        async def work(state: Any) -> str:
            while True:
                try:
                    await kit.model.ainvoke("again")
                except BaseException:
                    continue

        return RunnableLambda(work)

    async with office() as place:
        desk, _ = await seat(
            place, World(), stubborn, ["x"], budget=Budget(max_steps=1), run={"timeout": 0.5}
        )
        with in_time():
            report = report_of(await place.drive(desk))
        assert report.status == "failed"
        assert len(await place.events()) < 50, "its attempts do not fill the journal"


@pytest.mark.parametrize("way", ["hangs", "blocks"])
async def test_an_agent_that_never_ends_is_left_in_time_and_does_nothing_afterwards(way: str) -> None:
    began, left, ended = threading.Event(), threading.Event(), threading.Event()
    late: list[str] = []

    def stuck(kit: Kit) -> Runnable[Any, Any]:
        async def hangs(state: Any) -> str:
            began.set()
            try:
                await asyncio.sleep(600)
            finally:
                await until(left.is_set)
                try:
                    await kit.tools[0].ainvoke({"host": "late"})
                    late.append("it came through")
                finally:
                    ended.set()
            return ""

        def blocks(state: Any) -> str:
            began.set()
            left.wait(60)
            try:
                kit.tools[0].invoke({"host": "late"})
                late.append("it came through")
            finally:
                ended.set()
            return ""

        return RunnableLambda(hangs if way == "hangs" else blocks)

    async with office() as place:
        world = World()
        desk, _ = await seat(place, world, stuck, [], run={"timeout": 60.0})
        work = asyncio.create_task(place.drive(desk))
        await until(began.is_set)
        pass_time(60)
        await until(work.done)
        report = report_of(work.result())
        assert report.status == "failed"
        left.set()
        await until(ended.is_set)
        assert (world.looks, late) == ([], []), "its seat is taken away"


@pytest.mark.parametrize("exception", [RuntimeError("my bug"), KeyError("x"), GeneratorExit()])
async def test_its_errors_are_a_failed_report(exception: BaseException) -> None:
    def broken(kit: Kit) -> Runnable[Any, Any]:
        async def work(state: Any) -> str:
            raise exception

        return RunnableLambda(work)

    async with office() as place:
        desk, _ = await seat(place, World(), broken, [])
        assert report_of(await place.drive(desk)).status == "failed"


async def test_a_factory_that_fails_is_a_failed_report() -> None:
    def build(kit: Kit) -> Runnable[Any, Any]:
        raise ValueError("no such thing")

    async with office() as place:
        desk, _ = await seat(place, World(), build, [])
        report = report_of(await place.drive(desk))
        assert "ValueError: no such thing" in report.caveats[-1]


async def test_used_synchronously_on_the_event_loop_it_is_told_so() -> None:
    def wrong(kit: Kit) -> Runnable[Any, Any]:
        async def work(state: Any) -> str:
            return str(kit.model.invoke("x").content)

        return RunnableLambda(work)

    async with office() as place:
        desk, _ = await seat(place, World(), wrong, ["x"])
        report = report_of(await place.drive(desk))
        assert "use its async methods" in report.caveats[-1]


async def test_its_model_calls_are_retried_and_recorded_like_ours() -> None:
    async with office() as place:
        model = FaultyChatModel(ScriptedChatModel(["all is well"]), faults=["timeout"])
        desk, _ = await seat(place, World(), prebuilt, [], model=model)
        assert report_of(await place.drive(desk)).text == "all is well"
        kinds = await place.kinds()
        assert kinds.count("model_call_started") == 2
        assert "retry_scheduled" in kinds


def paraphrasing(kit: Kit) -> Runnable[Any, Any]:
    """Tells its model what it wants in words of its own."""

    async def work(_: Any) -> str:
        asked = {"messages": [{"content": "Check out the host web-1"}]}
        return str(await _loop(kit, asked))

    return RunnableLambda(work)


@pytest.mark.parametrize("build", [prebuilt, paraphrasing])
@pytest.mark.parametrize("chosen", [True, False])
async def test_rules_that_stand_in_for_its_model_propose_no_writes(chosen: bool, build: Build) -> None:
    async with office() as place:
        world = World()
        gone: list[str] = []

        @tool(effect="write")  # its name sounds like a read
        def check_out(host: str) -> str:
            """Check a host out of the pool."""
            gone.append(host)
            return f"{host} is out"

        world.tools = (world.tools[0], check_out)
        ill = FaultyChatModel(ScriptedChatModel([]), faults=["timeout", "timeout", "timeout"])
        model = ChatRules() if chosen else ill
        request = "Check out the host web-1"
        desk, _ = await seat(place, world, build, [], model=model, request=request)
        desk.task.models = ModelTable.resolve(model)
        state = await place.drive(desk)
        assert bool(gone) is chosen
        assert "web-1 is 97% full" in report_of(state).text


async def test_the_kit_is_ordinary_langchain() -> None:
    async with office() as place:
        desk, model = await seat(place, World(), prebuilt, ["fine"])
        kits: list[Kit] = []

        def build(kit: Kit) -> Runnable[Any, Any]:
            kits.append(kit)
            return prebuilt(kit)

        desk.task.foreign = build
        await place.drive(desk)
        (kit,) = kits
        assert [t.name for t in kit.tools] == ["look", "open_ticket"]
        assert kit.prompt == "Be brief."
        (seen,) = model.requests
        assert seen.messages[0].content == "Be brief."
        assert [t["function"]["name"] for t in seen.tools] == ["look", "open_ticket"]
        assert seen.tools[0]["function"]["parameters"]["required"] == ["host"]


async def test_structured_output_works_on_the_metered_model() -> None:
    class Verdict(BaseModel):
        """A verdict."""

        healthy: bool

    def build(kit: Kit) -> Runnable[Any, Any]:
        async def work(state: Any) -> str:
            found: Any = await kit.model.with_structured_output(Verdict).ainvoke("well?")
            return f"healthy: {found.healthy}"

        return RunnableLambda(work)

    async with office() as place:
        desk, _ = await seat(place, World(), build, [call("Verdict", healthy=True)])
        assert report_of(await place.drive(desk)).text == "healthy: True"


async def test_an_agent_that_hangs_is_left_and_its_reads_are_kept() -> None:
    def build(kit: Kit) -> Runnable[Any, Any]:
        async def work(state: Any) -> str:
            await kit.tools[0].ainvoke({"host": "web-1"})
            pass_time(60)
            await asyncio.sleep(60)
            return ""

        return RunnableLambda(work)

    async with office() as place:
        desk, _ = await seat(place, World(), build, [], run={"timeout": 60.0})
        with in_time():
            report = report_of(await place.drive(desk))
        assert report.status == "partial"
        assert "97% full" in report.text


PROCESS = """
import asyncio, time
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableLambda
from pilotman.agents import Specialist
from pilotman.guardrails import Budget, Principal
from pilotman.supervisor import Plan, Supervisor, Task
def sleeps(_):
    time.sleep(3600)
class Executes(BaseChatModel):
    _llm_type = "executes"
    def _generate(self, messages, *args, **kwargs):
        sleeps(messages)
    async def _agenerate(self, messages, *args, **kwargs):
        await asyncio.to_thread(sleeps, messages)
agents = [
    Specialist("agent", "Works.", agent=lambda kit: RunnableLambda(sleeps)),
    Specialist("model", "Works.", models=Executes()),
]
async def main():
    for agent in agents:
        async with Supervisor("team", [agent], budget=Budget(timeout=0.5)) as team:
            plan = Plan((Task(task_id="t", agent=agent.name, goal="go"),))
            run = await team.run("go", principal=Principal(tenant="a", user="u"), plan=plan)
            print(run.state)
asyncio.run(main())
print("left")
"""


def test_the_process_exits_although_agent_and_model_never_end() -> None:
    """Neither has a tool: nothing but them uses threads."""
    done = run_script(PROCESS)
    assert done.stdout.splitlines() == ["COMPLETED", "COMPLETED", "left"], done.stderr


async def test_cancelled_from_outside_it_ends() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    def build(kit: Kit) -> Runnable[Any, Any]:
        async def work(state: Any) -> str:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
            return ""

        return RunnableLambda(work)

    async with office() as place:
        desk, _ = await seat(place, World(), build, [])
        task = asyncio.create_task(place.drive(desk))
        await until(began.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()


# what is out of reach


async def test_what_it_brings_along_is_out_of_reach_and_so_a_closed_graph_is_one_write() -> None:
    """Its own model and client are not metered; only declaring them away would make it a read."""
    sent: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url))
        return httpx.Response(200, text="ok")

    async def phone_home(text: str) -> str:
        """Say something on the web."""
        async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
            return (await client.get(f"https://example.com/{text}")).text

    own = ScriptedChatModel([call("phone_home", text="x"), "said it"])
    closed = create_agent(own, [phone_home])

    async with office() as place:
        opaque = tool(closed, name="bot", description="A bot.")
        assert (opaque.effect, opaque.effective) == (None, "write")
        desk = place.desk(await place.run(), opaque, policies=[default_policy])
        (judged,) = await desk.guard.guard([proposed("bot", **_args(opaque))])
        assert judged.stage == "done", "undeclared: denied before it does anything"
        assert sent == []
        declared = tool(closed, name="bot", description="A bot.", effect="write")
        run = await place.run("run_2")
        desk = place.desk(run, declared, policies=[allow_all])
        (judged,) = await desk.guard.guard([proposed("bot", **_args(declared))])
        done = await desk.act(judged)
        assert "said it" in str(done.result)
        assert sent == ["https://example.com/x"], "inside, nobody watches"
        assert desk.task.wallet.purse.settled.steps == 0, "its own model is not metered"
        assert "model_call_started" not in await place.kinds("run_2")
        (effect,) = await place.journal.effects("run_2", tenant="acme")
        assert (effect.state, effect.tool) == ("applied", "bot"), "it is one write with one permit"


def _args(opaque: Any) -> dict[str, Any]:
    return dict.fromkeys(opaque.args_schema["properties"], "say x")
