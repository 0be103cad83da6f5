"""LangChain's tools and Runnables become tools, cut off from their host."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.runnables.config import set_config_context
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, ToolException
from langchain_core.tools import tool as lc_tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph  # pyright: ignore[reportMissingTypeStubs]
from langgraph.prebuilt import InjectedState, ToolRuntime
from langgraph.types import interrupt
from pydantic import Field
from tests.patience import PATIENCE, PROCESS_PATIENCE

from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.result import ToolResult
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError

pytestmark = pytest.mark.anyio

CTX = ToolContext(
    run_id="run_1",
    principal=Principal(tenant="acme", user="alice"),
    idempotency_key="",
    deadline_at=datetime(2030, 1, 1, tzinfo=UTC),
    credentials={},
    attempt=1,
)


async def call(known: Tool[..., Any], *, timeout: float = PATIENCE, **args: Any) -> ToolResult:
    return await known.call(known.validate(args), CTX, timeout=timeout, threads=Threads())


@lc_tool
def web_search(query: str, limit: Annotated[int, Field(ge=1, description="How many.")] = 3) -> str:
    """Search the web."""
    return f"{query}:{limit}:{threading.current_thread() is threading.main_thread()}"


@lc_tool
async def fetch(url: str) -> dict[str, Any]:
    """Fetch a page."""
    return {"url": url, "main": threading.current_thread() is threading.main_thread()}


class Lookup(BaseTool):
    name: str = "lookup"
    description: str = "Looks up."

    def _run(self, key: str) -> str:
        if key == "missing":
            raise ToolException("no such key")
        return f"{key}:{threading.current_thread() is threading.main_thread()}"


# --- tools -----


async def test_a_langchain_tool_keeps_its_name_schema_and_meaning() -> None:
    known = tool(web_search, effect="read", timeout=3.0, scopes=["web"], third_party=False)
    assert (known.name, known.description) == ("web_search", "Search the web.")
    assert (known.effective, known.declared, known.timeout, known.scopes) == ("read", True, 3.0, ("web",))
    assert known.args_schema["properties"]["limit"] == {
        "type": "integer",
        "minimum": 1,
        "default": 3,
        "description": "How many.",
    }
    assert known.args_schema["required"] == ["query"]
    assert known.args_schema["additionalProperties"] is False
    assert known.validate({"query": "q"}) == {"query": "q", "limit": 3}


@pytest.mark.parametrize(
    "args",
    [{}, {"query": 5}, {"query": "q", "limit": "3"}, {"query": "q", "limit": 0}, {"query": "q", "x": 1}],
)
def test_a_langchain_tools_arguments_are_checked_as_strictly(args: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments):
        tool(web_search).validate(args)


async def test_synchronous_tools_run_in_our_threads_and_others_on_the_loop() -> None:
    assert (await call(tool(web_search, effect="read"), query="q")).value == "q:3:False"
    assert (await call(tool(Lookup(), effect="read"), key="k")).value == "k:False"
    assert (await call(tool(fetch, effect="read"), url="u")).value == {"url": "u", "main": True}


def test_a_plain_langchain_tool_counts_as_an_undeclared_write() -> None:
    known = tool(web_search)
    assert (known.effect, known.declared, known.effective) == (None, False, "write")


def test_langchains_own_decorator_refuses_our_words() -> None:
    make: Any = lc_tool
    with pytest.raises(TypeError):
        make(effect="read")


def test_a_name_and_an_identity_may_be_given() -> None:
    known = tool(web_search, name="search", description="Ours.", effect="egress", idempotency_key="{query}")
    assert (known.name, known.description, known.identity) == ("search", "Ours.", ("query",))
    with pytest.raises(ConfigurationError):
        tool(web_search, idempotency_key="{missing}")


async def test_a_failing_langchain_tool_is_a_value() -> None:
    read = await call(tool(Lookup(), effect="read"), key="missing")
    write = await call(tool(Lookup()), key="missing")
    assert read.error is not None
    assert write.error is not None
    assert (read.error.kind, write.error.kind) == ("permanent", "unknown_outcome")
    assert "no such key" in read.error.message


async def test_a_tool_with_a_json_schema_is_checked_by_it() -> None:
    async def run(**args: Any) -> Any:
        return args

    known = tool(
        StructuredTool(
            name="mcp",
            description="From a server.",
            args_schema={"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            coroutine=run,
        ),
        effect="read",
    )
    assert (await call(known, n=3)).value == {"n": 3}
    with pytest.raises(InvalidArguments):
        known.validate({"n": "3"})


@lc_tool
def injected(x: int, state: Annotated[dict[str, Any], InjectedToolArg]) -> str:
    """Needs a graph."""
    return ""


@lc_tool
def injected_with_default(x: int, state: Annotated[str, InjectedToolArg] = "none") -> str:
    """Can do without."""
    return state


async def test_a_tool_that_needs_its_graph_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="state"):
        tool(injected)
    known = tool(injected_with_default, effect="read")
    assert list(known.args_schema["properties"]) == ["x"]
    assert (await call(known, x=1)).value == "none"


def test_a_tool_that_needs_the_tool_node_is_refused() -> None:
    @lc_tool
    def stateful(x: int, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Needs a state."""
        return ""

    @lc_tool
    def with_runtime(x: int, runtime: ToolRuntime[Any, Any]) -> str:
        """Needs a runtime."""
        return ""

    for bad in (stateful, with_runtime):
        with pytest.raises(ConfigurationError):
            tool(bad)


# --- runnables -----


def graph(node: Any, *, checkpointer: Any = None) -> Any:
    builder: Any = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile(checkpointer=checkpointer)


async def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(f"answer to {state['messages'][0].text}, {len(state['messages'])}")]}


async def test_a_compiled_agent_is_one_tool_that_takes_a_request_in_words() -> None:
    known = tool(graph(answer), name="old_bot", description="The old bot.", effect="read")
    assert list(known.args_schema["properties"]) == ["request"]
    assert (await call(known, request="why?")).value == "answer to why?, 1"


async def test_an_agent_with_a_memory_of_its_own_starts_afresh_every_time() -> None:
    known = tool(graph(answer, checkpointer=InMemorySaver()), name="old_bot", effect="read")
    for _ in range(2):
        assert (await call(known, request="why?")).value == "answer to why?, 1"


class Sum(TypedDict):
    a: int
    b: int


class Total(TypedDict):
    total: int


class Whole(Sum, Total):
    pass


async def test_a_graph_with_a_state_of_its_own_takes_that_as_arguments() -> None:
    async def add(state: Whole) -> dict[str, int]:
        return {"total": state["a"] + state["b"]}

    builder: Any = StateGraph(Whole, input_schema=Sum, output_schema=Total)
    builder.add_node("add", add)
    builder.add_edge(START, "add")
    known = tool(builder.compile(), name="add", effect="read")
    assert (await call(known, a=1, b=2)).value == {"total": 3}
    with pytest.raises(InvalidArguments):
        known.validate({"a": "1", "b": 2})


async def test_a_graph_that_stops_for_a_person_is_an_error() -> None:
    async def ask(state: MessagesState) -> dict[str, Any]:
        interrupt("may I?")
        return {}

    known = tool(graph(ask, checkpointer=InMemorySaver()), name="asks", effect="read")
    result = await call(known, request="x")
    assert result.error is not None
    assert "ask a person" in result.error.message


def prompt(text: str) -> str:
    return f"say {text}"


async def test_any_runnable_takes_its_input_as_one_argument() -> None:
    def double(x: int) -> int:
        return 2 * x

    async def later(x: int) -> int:
        return 3 * x

    assert (await call(tool(RunnableLambda(double), name="double", effect="read"), input=4)).value == 8
    assert (await call(tool(RunnableLambda(later), name="later", effect="read"), input=4)).value == 12
    chain: Runnable[int, int] = RunnableLambda(double) | RunnableLambda(later)
    assert (await call(tool(chain, name="chain", effect="read"), input=1)).value == 6
    model = FakeListChatModel(responses=["hello"])
    shout: Runnable[Any, Any] = RunnableLambda(prompt) | model
    assert (await call(tool(shout, name="model", effect="read"), input="x")).value == "hello"


def test_a_runnable_needs_a_name_that_models_can_call() -> None:
    with pytest.raises(ConfigurationError, match="name"):
        tool(RunnableLambda(prompt, name="not a name"))


# --- isolation -----


class Spy(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen = 0

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.seen += 1

    on_tool_start = on_chain_start
    on_chat_model_start = on_chain_start


async def test_a_host_sees_nothing_of_what_goes_on_inside() -> None:
    spy = Spy()
    tools = [
        tool(graph(answer), name="bot", effect="read"),
        tool(fetch, effect="read"),
        tool(web_search, effect="read"),
    ]
    arguments: list[dict[str, Any]] = [{"request": "x"}, {"url": "u"}, {"query": "q"}]

    async def inside() -> None:
        for known, args in zip(tools, arguments, strict=True):
            result = await call(known, **args)
            assert result.error is None

    with set_config_context({"callbacks": [spy], "tags": ["host"]}) as context:
        await asyncio.create_task(inside(), context=context)
    assert spy.seen == 0


async def test_a_graph_inside_a_hosts_graph_is_no_subgraph_of_it() -> None:
    known = tool(graph(answer), name="bot", effect="read")

    async def node(state: MessagesState) -> dict[str, Any]:
        result = await call(known, request="secret draft")
        assert result.error is None
        return {"messages": [AIMessage("done")]}

    host = graph(node)
    seen = [str(part) async for part in host.astream_events({"messages": []}, version="v2")]
    streamed = [str(p) async for p in host.astream({"messages": []}, stream_mode="messages", subgraphs=True)]
    assert not [part for part in (*seen, *streamed) if "secret draft" in part]


# --- exit -----

SCRIPT = """
import asyncio, time
from datetime import UTC, datetime
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool as lc_tool
from langgraph.graph import START, MessagesState, StateGraph
from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.tool import tool
from pilotman.guardrails import Principal

def sleeps(state: MessagesState) -> dict:
    time.sleep(3600)
async def swallows(state: MessagesState) -> dict:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
def graph(node):
    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile()
@lc_tool
def hang(request: str) -> str:
    "Hangs."
    time.sleep(3600)
tools = [
    tool(graph(sleeps), name="a", effect="read"),
    tool(graph(swallows), name="b", effect="read"),
    tool(hang, effect="read"),
]
async def main():
    ctx = ToolContext(run_id="r", principal=Principal(tenant="t", user="u"), idempotency_key="", attempt=1,
                      deadline_at=datetime(2030, 1, 1, tzinfo=UTC), credentials={})
    threads = Threads()
    for known in tools:
        result = await known.call({"request": "x"}, ctx, timeout=0.2, threads=threads)
        print(result.error.kind)
asyncio.run(main())
print("left")
"""


def test_the_process_exits_although_a_brought_graph_never_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
        check=False,
    )
    assert done.stdout.split() == ["timeout", "timeout", "timeout", "left"]
    assert (
        "Traceback" not in done.stderr
    )  # asyncio complains about the graph's generators that it cannot close
    assert done.returncode == 0
