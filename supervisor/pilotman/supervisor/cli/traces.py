"""Traces of the command line: on where OpenTelemetry's standard environment variables name a receiver."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import trace

from pilotman.guardrails.errors import ConfigurationError

_RECEIVERS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@contextmanager
def exported() -> Generator[None]:
    """Send this process's spans by OTLP over HTTP until the block ends, if a receiver is named.

    Endpoint, headers, resource and sampling come from the environment, as OpenTelemetry's specification says.

    Raises:
        ConfigurationError: a receiver is named, but the extra is not installed.
    """
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if off or not any(os.environ.get(name) for name in _RECEIVERS):
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "traces are asked for by OTEL_EXPORTER_OTLP_ENDPOINT, but OpenTelemetry's SDK is not installed",
            hint="pip install 'pilotman[otlp]', or unset the variable",
        ) from error
    os.environ.setdefault("OTEL_SERVICE_NAME", "pilotman")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
