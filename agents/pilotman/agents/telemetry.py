"""Spans with the names of OpenTelemetry's GenAI semantic conventions."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pilotman.guardrails.digest import canonical

Operation: TypeAlias = Literal["invoke_workflow", "invoke_agent", "plan", "chat", "execute_tool", "retrieval"]
Attribute: TypeAlias = str | bool | int | float

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_SAYS_YES = frozenset({"true", "1", "span_only", "span_and_event"})
_CLIENTS: frozenset[Operation] = frozenset({"chat"})
_NO_SPAN: AbstractContextManager[Span] = nullcontext(trace.INVALID_SPAN)


class Telemetry:
    """A tracer of one supervisor. Without the SDK every span is a no-op.

    ``content`` opts in to prompts, answers, arguments and results on spans; None: what OpenTelemetry's
    variable ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` says, by default no.
    """

    def __init__(self, provider: TracerProvider | None = None, *, content: bool | None = None) -> None:
        self._provider = provider
        self._tracer = trace.get_tracer("pilotman", tracer_provider=provider)
        self.content = os.environ.get(_CAPTURE, "").lower() in _SAYS_YES if content is None else content

    def span(
        self,
        operation: Operation,
        name: str,
        attributes: Mapping[str, Attribute],
        *,
        links: Sequence[Link] = (),
    ) -> AbstractContextManager[Span]:
        """A span ``"<operation> <name>"``; an exception marks it with ``error.type``."""
        if self._provider is None and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return _NO_SPAN  # nobody has installed an SDK (yet)
        return self._begun(operation, name, attributes, links)

    @contextmanager
    def _begun(
        self, operation: Operation, name: str, attributes: Mapping[str, Attribute], links: Sequence[Link]
    ) -> Generator[Span]:
        kind = SpanKind.CLIENT if operation in _CLIENTS else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            f"{operation} {name}".strip(),
            kind=kind,
            links=links,
            attributes={"gen_ai.operation.name": operation, **attributes},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                failed(span, type(error).__name__)
                raise

    def say(self, span: Span, name: str, content: Any) -> None:
        """What was said, as JSON in an attribute, where somebody has opted in to that."""
        if self.content:
            span.set_attribute(name, _json(content))


def _json(content: Any) -> str:
    try:
        return canonical(content).decode()
    except TypeError:  # a model may say what has no JSON form
        return repr(content)


def model_attributes(name: str) -> dict[str, Attribute]:
    """A model's ``provider:name`` as the conventions want it."""
    provider, colon, model = name.partition(":")
    return {"gen_ai.provider.name": provider if colon else "unknown", "gen_ai.request.model": model or name}


def failed(span: Span, error_type: str) -> None:
    """Mark a span as ended by an error, by the kind of it alone: messages may hold what is private."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))


def trace_parent(span: Span) -> str | None:
    """The span's context as a W3C ``traceparent``, or None where nothing is traced."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
    return carrier.get("traceparent")


def link_to(parent: str | None) -> list[Link]:
    """A link to the trace that a resumed run has left."""
    if parent is None:
        return []
    context = TraceContextTextMapPropagator().extract({"traceparent": parent})
    return [Link(trace.get_current_span(context).get_span_context())]
