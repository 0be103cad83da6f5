"""Spans: the conventions' names, parents across parallel tasks, errors by kind, nothing private unasked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.agents.office import office

from pilotman.agents.telemetry import Telemetry, link_to, model_attributes, trace_parent
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel, call
from pilotman.agents.tool import tool

pytestmark = pytest.mark.anyio
SECRET = "4929-secret"


@tool(effect="read")
async def look(host: str) -> str:
    """Look at a host."""
    await asyncio.sleep(0.01)
    if host == "gone":
        raise RuntimeError(f"no host of {SECRET}")
    return f"{SECRET} of {host}"


def traced(*, content: bool | None = None) -> tuple[Telemetry, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Telemetry(provider, content=content), exporter


async def work(telemetry: Telemetry, turns: list[Any], faults: Any = ()) -> None:
    async with office() as place:
        run = await place.run(telemetry=telemetry)
        model = FaultyChatModel(ScriptedChatModel([*turns, "Done."]), faults=faults)
        desks = [place.desk(run, look, path=f"task:t{n}", models=model, request=SECRET) for n in range(2)][
            : 2 if not turns else 1
        ]

        async def one(desk: Any) -> None:
            with telemetry.span("invoke_agent", desk.task.path, {"gen_ai.agent.name": "worker"}):
                await place.drive(desk)

        with telemetry.span("invoke_workflow", "office", {}):
            await asyncio.gather(*(one(desk) for desk in desks))


def by_name(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault("chat" if span.name.startswith("chat ") else span.name, []).append(span)
    return found


def together(*hosts: str) -> AIMessage:
    return AIMessage(content="", tool_calls=[one for h in hosts for one in call("look", host=h).tool_calls])


async def test_names_kinds_and_attributes_are_the_conventions() -> None:
    telemetry, exporter = traced()
    await work(telemetry, [together("web-1", "gone")])
    spans = by_name(exporter)
    chat = spans["chat"][0]
    attributes = dict(chat.attributes or {})
    assert chat.kind == SpanKind.CLIENT
    assert attributes["gen_ai.operation.name"] == "chat"
    assert chat.name == f"chat {attributes['gen_ai.provider.name']}:{attributes['gen_ai.request.model']}"
    assert attributes["gen_ai.conversation.id"] == "thread of run_1"
    assert isinstance(attributes["gen_ai.usage.input_tokens"], int)
    assert isinstance(attributes["gen_ai.usage.output_tokens"], int)
    tools = spans["execute_tool look"]
    assert all(dict(t.attributes or {})["gen_ai.tool.name"] == "look" for t in tools)
    assert all(dict(t.attributes or {})["gen_ai.tool.call.id"] for t in tools)
    assert all(t.kind == SpanKind.INTERNAL for t in tools)


async def test_parents_are_right_across_parallel_tasks() -> None:
    telemetry, exporter = traced()
    await work(telemetry, [])
    spans = by_name(exporter)
    (root,) = spans["invoke_workflow office"]
    agents = [spans[f"invoke_agent task:t{n}"][0] for n in range(2)]
    assert root.context is not None
    assert all(a.parent is not None and a.parent.span_id == root.context.span_id for a in agents)
    parents = [
        span.parent.span_id
        for span in exporter.get_finished_spans()
        if span.name.startswith("chat") and span.parent
    ]
    assert set(parents) == {a.context.span_id for a in agents if a.context}
    assert {span.context.trace_id for span in exporter.get_finished_spans() if span.context} == {
        root.context.trace_id
    }


async def test_parallel_tools_hang_below_their_own_agent() -> None:
    telemetry, exporter = traced()
    await work(telemetry, [together("a", "b", "c")])
    spans = by_name(exporter)
    (agent,) = spans["invoke_agent task:t0"]
    assert agent.context is not None
    parents = {s.parent.span_id for s in spans["execute_tool look"] if s.parent}
    assert parents == {agent.context.span_id}


async def test_errors_are_marked_by_their_kind_alone() -> None:
    telemetry, exporter = traced()
    await work(telemetry, [call("look", host="gone")], faults=["timeout"])
    spans = by_name(exporter)
    (failed,) = spans["execute_tool look"]
    assert dict(failed.attributes or {})["error.type"] == "permanent"
    assert failed.status.status_code == StatusCode.ERROR
    assert not failed.status.description
    assert failed.events == ()
    first, *others = spans["chat"]
    assert dict(first.attributes or {})["error.type"] == "TimeoutError"
    assert all(span.status.status_code == StatusCode.UNSET for span in others)


async def test_nothing_that_was_said_is_on_a_span_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, expected in [(None, False), (False, False), (True, True)]:
        telemetry, exporter = traced(content=content)
        await work(telemetry, [together("web-1", "gone")])
        shown = " ".join(span.to_json() for span in exporter.get_finished_spans())
        assert (SECRET in shown) == expected, content
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    assert traced()[0].content
    assert not traced(content=False)[0].content


async def test_a_cancelled_span_ends_as_an_error() -> None:
    telemetry, exporter = traced()

    async def endless() -> None:
        with telemetry.span("plan", "", {}):
            await asyncio.sleep(60)

    task = asyncio.create_task(endless())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    (span,) = exporter.get_finished_spans()
    assert span.name == "plan"
    assert dict(span.attributes or {})["error.type"] == "CancelledError"


def test_a_resumed_run_is_linked_to_the_trace_that_it_left() -> None:
    telemetry, exporter = traced()
    with telemetry.span("invoke_workflow", "x", {}) as span:
        left = trace_parent(span)
    with telemetry.span("invoke_workflow", "x", {}, links=link_to(left)):
        pass
    first, second = exporter.get_finished_spans()
    assert first.context is not None
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert link_to(None) == []


def test_without_the_sdk_nothing_is_traced_and_nothing_breaks() -> None:
    telemetry = Telemetry(trace.NoOpTracerProvider(), content=False)
    with telemetry.span("plan", "x", {}) as span:
        assert trace_parent(span) is None


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("openai:gpt-5", "openai", "gpt-5"),
        ("ollama:llama3:8b", "ollama", "llama3:8b"),
        ("Mine", "unknown", "Mine"),
    ],
)
def test_a_model_s_name_is_split(name: str, provider: str, model: str) -> None:
    assert model_attributes(name) == {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
