"""Prometheus: instant queries through its HTTP API, version 1.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pilotman.supervisor.teams.endpoint import Endpoint

MOST = 30
"""Series of an answer."""

Sample = tuple[float, str]


class _Series(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metric: dict[str, str] = {}
    value: Sample | None = None
    values: list[Sample] = []


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Annotated[str, Field(alias="resultType")]
    result: list[_Series] | Sample


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: _Data
    warnings: list[str] = []


_ANSWER = TypeAdapter(_Answer)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """``series`` are ``{"labels", "value", "at"}``: the value as Prometheus writes it, Unix seconds."""

    expression: str
    series: tuple[Mapping[str, Any], ...]
    total: int
    warnings: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        if not self.series:
            return f"{self.expression} gives no series."
        shown = "; ".join(f"{_labels(row['labels'])}{row['value']}" for row in self.series[:5])
        more = f" (and {self.total - 5} more)" if self.total > 5 else ""
        return f"{self.expression} is {shown}{more}."


class Prometheus:
    """A Prometheus server, or anything that speaks its API."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, headers=headers, timeout=timeout, transport=transport)

    def query(self, expression: str) -> Reading:
        """The expression's value now; of a range, the last value of each series.

        Raises:
            httpx.HTTPError: no answer, or Prometheus refuses the expression.
            ValueError: an answer that is not one of this API.
        """
        answer = _ANSWER.validate_python(
            self._endpoint.call("GET", "api/v1/query", params={"query": expression})
        )
        rows = _rows(answer.data.result)
        return Reading(
            expression=expression,
            series=tuple(rows[:MOST]),
            total=len(rows),
            warnings=tuple(answer.warnings[:5]),
        )


def up(instance: str) -> str:
    """The expression for whether Prometheus reaches an instance (``host:port``)."""
    escaped = instance.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'up{{instance="{escaped}"}}'


def _rows(result: list[_Series] | Sample) -> list[dict[str, Any]]:
    if isinstance(result, tuple):
        return [{"labels": {}, "value": result[1], "at": result[0]}]
    samples = ((series, series.value or (series.values[-1] if series.values else None)) for series in result)
    return [
        {"labels": s.metric, "value": found[1], "at": found[0]} for s, found in samples if found is not None
    ]


def _labels(labels: Mapping[str, str]) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
    return f"{{{shown}}} " if shown else ""
