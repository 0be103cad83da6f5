"""Spans with the names of OpenTelemetry's GenAI semantic conventions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Operation: TypeAlias = Literal["invoke_workflow", "invoke_agent", "plan", "chat", "execute_tool", "retrieval"]
Attribute: TypeAlias = str | bool | int | float

_CLIENTS: frozenset[Operation] = frozenset({"chat"})


class Telemetry:
    """A tracer of one supervisor. Without the SDK every span is a no-op.

    ``content`` opts in to prompts and answers on spans; they are left out otherwise.
    """

    def __init__(self, provider: TracerProvider | None = None, *, content: bool = False) -> None:
        self._tracer = trace.get_tracer("pilotman", tracer_provider=provider)
        self.content = content

    @contextmanager
    def span(
        self,
        operation: Operation,
        name: str,
        attributes: Mapping[str, Attribute],
        *,
        links: Sequence[Link] = (),
    ) -> Iterator[Span]:
        """A span ``"<operation> <name>"``; an exception marks it with ``error.type``."""
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
