"""From a webhook to an intake: what a run is told, and when it is the same request again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilotman.guardrails.errors import InvalidRequest
from pilotman.supervisor.teams.samples import sample_alert
from pilotman.supervisor.teams.triage import host_of, intake


def webhook(*alerts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": list(alerts), **fields}


def alert(status: str = "firing", start: str = "2026-11-18T06:14:00Z", **labels: str) -> dict[str, Any]:
    identity = "".join(sorted(labels.values()))
    return {
        "status": status,
        "labels": labels,
        "annotations": {},
        "startsAt": start,
        "fingerprint": identity or "f",
    }


def nameless(body: dict[str, Any]) -> dict[str, Any]:
    """The webhook with the alert's name stripped everywhere."""
    body = json.loads(json.dumps(body))
    body["groupKey"] = "{}:{}"
    for labels in (body["groupLabels"], body["commonLabels"], *(a["labels"] for a in body["alerts"])):
        labels.pop("alertname", None)
    return body


def test_the_sample_says_all_that_the_tools_need() -> None:
    taken = intake(sample_alert(host="web-1"))
    assert taken.facts["host"] == "web-1"
    assert taken.facts["service"] == "orders-api"
    assert taken.facts["severity"] == "critical"
    assert taken.facts["expression"] == 'probe_success{service="orders-api"} == 0'
    assert taken.severity == 40
    assert taken.task_type == "incident"
    assert taken.answer is None
    assert "does not answer its health check" in taken.query
    assert "orders-api" not in taken.query, "a runbook cannot know the names of this place"
    json.dumps(dict(taken.facts))


def test_a_kind_of_thing_stays_in_the_query_and_one_of_its_kind_does_not() -> None:
    one = alert(job="kube-proxy", service="kube-proxy", pod="kube-proxy-x2k4p", namespace="team-a")
    one["annotations"] = {"summary": "kube-proxy of kube-proxy-x2k4p in team-a is gone"}
    query = intake(webhook(one)).query
    assert query.split() == ["kube-proxy", "of", "in", "is", "gone"]


def test_an_alert_without_a_name_is_as_good() -> None:
    named, stripped = intake(sample_alert(host="web-1")), intake(nameless(sample_alert(host="web-1")))
    assert named.facts["title"] == "ServiceDown on web-1"
    assert stripped.facts["title"] == "Service orders-api does not answer its health check on web-1"
    assert "ServiceDown" not in stripped.text + stripped.query + json.dumps(dict(stripped.facts))
    assert "Service Down" in named.query


@pytest.mark.parametrize(
    ("labels", "summary", "title"),
    [
        ({"namespace": "shop", "cluster": "eu"}, "Quota is full. It was half full.", "Quota is full in shop"),
        ({"cluster": "eu"}, "eu is out of nodes", "eu is out of nodes"),
        ({"alertname": "DiskFull", "host": "web-1"}, "The disk is full.", "DiskFull on web-1"),
        ({"host": "web-1"}, "word " * 50, "word " * 15 + "word…"),
    ],
)
def test_the_title_is_a_headline(labels: dict[str, str], summary: str, title: str) -> None:
    assert intake(webhook({**alert(**labels), "annotations": {"summary": summary}})).facts["title"] == title


def test_an_alert_that_says_nothing_still_has_a_title() -> None:
    bare = intake(webhook(alert()))
    assert bare.facts["title"]
    assert bare.query
    assert "tier=web" in intake(webhook(alert(tier="web"))).facts["title"]


@pytest.mark.parametrize(
    ("labels", "host"),
    [
        ({"instance": "10.0.12.7:9100"}, "10.0.12.7"),
        ({"instance": "WEB-1"}, "web-1"),
        ({"instance": "[2001:db8::1]:9100"}, "2001:db8::1"),
        ({"instance": "2001:db8::1"}, "2001:db8::1"),
        ({"instance": "https://shop.example:8443/health"}, "shop.example"),
        ({"instance": "10.0.12.7:9100", "node": "worker-3"}, "worker-3"),
        ({"instance": "10.0.12.7:9100", "pod": "checkout-1"}, "10.0.12.7"),
        ({"pod": "checkout-1"}, "checkout-1"),
        ({"host": " ", "instance": "db-2:9187"}, "db-2"),
        ({"cluster": "prod"}, None),
    ],
)
def test_the_host_is_what_names_a_machine(labels: dict[str, str], host: str | None) -> None:
    assert intake(webhook(alert(**labels))).facts.get("host") == host


def test_several_hosts_are_all_there() -> None:
    facts = intake(webhook(alert(instance="a:1"), alert(instance="b:1"), alert(instance="a:1", x="y"))).facts
    assert facts["hosts"] == ["a", "b"]
    assert facts["alerts"] == 3
    many = intake(webhook(*(alert(alertname="Down", instance=f"h{n}:1") for n in range(30))))
    assert many.facts["title"] == "Down on h0 and 29 more"
    assert "h19, (and 10 more)" in many.text


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service": "orders-api"}, "orders-api"),
        ({"unit": "nginx.service"}, "nginx.service"),
        ({"name": "nginx.service"}, "nginx.service"),
        ({"name": "v1beta1.metrics.k8s.io"}, None),
        ({"service": "rm -rf /; x"}, None),
        ({"job": "node-exporter"}, None),
    ],
)
def test_the_service_is_one_that_could_be_restarted(labels: dict[str, str], service: str | None) -> None:
    assert intake(webhook(alert(**labels))).facts.get("service") == service


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", 40),
        ("PAGE", 40),
        ("error", 30),
        ("warning", 20),
        ("info", 10),
        ("none", 0),
        ("odd", 20),
        ("", 20),
    ],
)
def test_severity_orders_the_queue(word: str, severity: int) -> None:
    labels = {"severity": word} if word else {}
    assert intake(webhook(alert(**labels))).severity == severity


def test_the_worst_alert_of_a_group_counts() -> None:
    assert intake(webhook(alert(severity="info"), alert(severity="critical"))).severity == 40


class TestIdempotency:
    def key(self, *alerts: dict[str, Any], **fields: Any) -> str:
        found = intake(webhook(*alerts, **fields)).idempotency_key
        assert found is not None
        return found

    def test_the_same_alerts_in_another_order_and_wording_are_the_same(self) -> None:
        a, b = alert(x="1"), alert(x="2")
        reworded = {**b, "annotations": {"summary": "said otherwise"}, "endsAt": "0001-01-01T00:00:00Z"}
        assert self.key(a, b) == self.key(reworded, a, receiver="other", externalURL="http://elsewhere")

    def test_resolved_alerts_beside_the_firing_ones_do_not_count(self) -> None:
        assert self.key(alert(x="1")) == self.key(alert(x="1"), alert("resolved", x="2"))

    def test_another_start_alert_or_group_is_another_request(self) -> None:
        keys = {
            self.key(alert(x="1")),
            self.key(alert(x="1", start="2026-11-18T07:14:00Z")),
            self.key(alert(x="2")),
            self.key(alert(x="1"), alert(x="2")),
            self.key(alert(x="1"), groupKey="{}:{x}"),
        }
        assert len(keys) == 5

    def test_the_end_is_not_the_beginning_and_each_end_is_its_own(self) -> None:
        first = {**alert("resolved", x="1"), "endsAt": "2026-11-18T06:30:00Z"}
        again = {**alert("resolved", x="1", start="2026-11-18T08:00:00Z"), "endsAt": "2026-11-18T08:30:00Z"}
        assert len({self.key(alert(x="1")), self.key(first), self.key(again)}) == 3


def test_a_resolved_webhook_is_answered_without_any_work() -> None:
    ended = {**alert("resolved", host="web-1"), "endsAt": "2026-11-18T06:30:00Z"}
    taken = intake(webhook(ended, status="resolved", commonAnnotations={"summary": "Disk full."}))
    assert taken.answer is not None
    assert taken.answer.startswith("Resolved: Disk full on web-1.")
    assert "2026-11-18T06:30:00Z" in taken.answer
    assert taken.severity == 0


def test_one_that_still_fires_is_worked_on_whatever_the_group_says() -> None:
    assert intake(webhook(alert(), alert("resolved"), status="resolved")).answer is None


def test_a_person_may_report_an_incident_in_words() -> None:
    taken = intake("  the disk of web-1 is full ")
    assert (taken.text, taken.severity, taken.task_type) == ("the disk of web-1 is full", 20, "incident")
    for nothing in ("", "   ", "x" * 30_000):
        with pytest.raises(InvalidRequest):
            intake(nothing)


def test_host_of_keeps_what_is_no_address() -> None:
    assert host_of("a:b:c") == "a:b:c"
    assert host_of("") == ""


def real_alerts() -> Iterator[Path]:
    root = Path(os.environ.get("PILOTMAN_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
    yield from sorted((root / "alerts").glob("*.json"))


@pytest.mark.skipif(
    not list(real_alerts()), reason="no webhooks: set PILOTMAN_TEST_DATA to the folder of the data"
)
def test_real_webhooks_are_taken_each_as_a_request_of_its_own() -> None:
    taken = [intake(nameless(json.loads(path.read_text())["webhook"])) for path in real_alerts()]
    assert len({one.idempotency_key for one in taken}) == len(taken)
    assert all(one.query and one.facts["title"] and one.answer is None for one in taken)
