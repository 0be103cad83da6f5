"""Instant queries, against a server that answers as Prometheus does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pilotman.agents import Tool
from pilotman.supervisor.teams.diagnosis import metric_tools
from pilotman.supervisor.teams.prometheus import MOST, Prometheus, up

Serve = Callable[[Callable[[Any], Any]], Any]


def did(tool: Tool[..., Any], **args: Any) -> Any:
    """What the tool's function returns."""
    return tool.fn(**args)


def answered(kind: str, result: Any, **more: Any) -> Callable[[Any], Any]:
    body: dict[str, Any] = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return lambda _: (200, body)


def series(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [1763446440.123, value]}


def test_a_vector_is_told_with_its_labels(serve: Serve) -> None:
    served = serve(
        answered("vector", [series("0", __name__="up", instance="a:1"), series("1", instance="b:1")])
    )
    reading = Prometheus(served.url).query('up == "ü"')
    assert served.requests[0].path == "/api/v1/query"
    assert served.requests[0].query == {"query": 'up == "ü"'}
    assert [row["value"] for row in reading.series] == ["0", "1"]
    assert reading.summary == 'up == "ü" is {instance=a:1} 0; {instance=b:1} 1.'


KINDS: list[tuple[str, Any, list[str]]] = [
    ("scalar", [1763446440.1, "42"], ["42"]),
    ("string", [1763446440.1, "text"], ["text"]),
    ("matrix", [{"metric": {}, "values": [[1.0, "1"], [2.0, "NaN"]]}], ["NaN"]),
    ("vector", [], []),
    ("vector", [{"metric": {}, "histogram": [1.0, {}]}], []),
]


@pytest.mark.parametrize(("kind", "result", "values"), KINDS)
def test_every_kind_of_result_is_read(serve: Serve, kind: str, result: Any, values: list[str]) -> None:
    reading = Prometheus(serve(answered(kind, result)).url).query("x")
    assert [row["value"] for row in reading.series] == values


def test_a_refused_expression_says_why(serve: Serve) -> None:
    body = {"status": "error", "errorType": "bad_data", "error": "unexpected end of input"}
    with pytest.raises(httpx.HTTPStatusError) as caught:
        Prometheus(serve(lambda _: (400, body)).url).query("sum(")
    assert "unexpected end" in caught.value.response.text


@pytest.mark.parametrize("body", [{}, [], None, {"data": {"resultType": "vector", "result": "x"}}, b"<html>"])
def test_an_answer_of_something_else_is_refused(serve: Serve, body: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Prometheus(serve(lambda _: (200, body)).url).query("x")


def test_an_instance_cannot_break_out_of_its_quotes() -> None:
    assert up('a"} or vector(1) #') == r'up{instance="a\"} or vector(1) #"}'
    assert up("a\\") == r'up{instance="a\\"}'


class TestTools:
    def test_an_alerts_expression_is_asked(self, serve: Serve) -> None:
        query, scrape = metric_tools(Prometheus(serve(answered("vector", [series("0.97")])).url))
        assert did(query, expression="disk > 0.9").value["summary"] == "disk > 0.9 is 0.97."
        assert did(scrape, instance="web-1:9100").value["summary"] == 'up{instance="web-1:9100"} is 0.97.'

    def test_what_was_left_out_is_said(self, serve: Serve) -> None:
        many = [series(str(n), n=str(n)) for n in range(MOST + 5)]
        query, _ = metric_tools(Prometheus(serve(answered("vector", many, warnings=["partial data"])).url))
        result = did(query, expression="x")
        assert result.status == "partial"
        assert result.caveats == ("partial data", f"{MOST} of {MOST + 5} series are shown")
