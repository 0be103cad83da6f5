"""Metrics of searches that were checked, through OpenTelemetry."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from pilotman.retrieval.objective import Check, Objective

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Instruments:
    """OpenTelemetry's, of checked searches; without an SDK they do nothing."""

    def __init__(self, provider: MeterProvider | None) -> None:
        meter = metrics.get_meter("pilotman", meter_provider=provider)
        self._recall = meter.create_histogram(
            "pilotman.retrieval.recall",
            unit="1",
            description="Share of the true nearest that a checked search found",
            explicit_bucket_boundaries_advisory=_SHARES,
        )
        self._duration = meter.create_histogram(
            "pilotman.retrieval.search.duration",
            unit="s",
            description="Time of a checked search of the vector index",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._misses = meter.create_counter(
            "pilotman.retrieval.objective.misses",
            unit="{search}",
            description="Checked searches that were below an objective",
        )

    def record(self, check: Check, objective: Objective) -> None:
        """One check, by class of query."""
        named = (of.partition(":") for of in check.classes)
        attributes = {f"pilotman.{name}": value for name, _, value in named}
        self._recall.record(check.recall, attributes)
        self._duration.record(check.milliseconds / 1e3, attributes)
        if check.recall < objective.recall:
            self._misses.add(1, {**attributes, "pilotman.objective": "recall"})
        if objective.p95_ms is not None and check.milliseconds > objective.p95_ms:
            self._misses.add(1, {**attributes, "pilotman.objective": "latency"})
