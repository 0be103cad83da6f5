"""The webhook's schema: what Alertmanager sends passes, what it cannot have sent is refused in a line."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import InvalidRequest
from pilotman.supervisor.teams.alert import MAX_SIZE, check_webhook, read_webhook
from pilotman.supervisor.teams.samples import sample_alert


def changed(path: str, value: Any) -> dict[str, Any]:
    """The sample with one field replaced, such as ``alerts.0.startsAt``; ``...`` removes it."""
    webhook = sample_alert(host="web-1")
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place: Any = webhook
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return webhook


def refused(body: object) -> str:
    with pytest.raises(InvalidRequest) as caught:
        check_webhook(body)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_the_sample_passes() -> None:
    webhook = check_webhook(sample_alert(host="web-1"))
    assert webhook.firing == webhook.alerts
    assert webhook.alerts[0].labels["host"] == "web-1"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", "3"),
        ("version", 4),
        ("version", ...),
        ("groupKey", ...),
        ("groupKey", ""),
        ("status", "burning"),
        ("alerts", ...),
        ("alerts", []),
        ("alerts", {}),
        ("alerts", None),
        ("alerts.0", "alert"),
        ("alerts.0.status", ...),
        ("alerts.0.labels", ...),
        ("alerts.0.labels", ["severity"]),
        ("alerts.0.labels.severity", 3),
        ("alerts.0.labels.severity", None),
        ("alerts.0.annotations.summary", {"text": "x"}),
        ("alerts.0.annotations.summary", "x" * 20_000),
        ("alerts.0.startsAt", ...),
        ("alerts.0.startsAt", "yesterday"),
        ("alerts.0.startsAt", "2026-13-01T00:00:00Z"),
        ("alerts.0.startsAt", "2026-11-18T06:14:00"),
        ("alerts.0.startsAt", 1763446440),
        ("alerts.0.fingerprint", 7),
        ("truncatedAlerts", -1),
        ("truncatedAlerts", True),
        ("commonLabels", "none"),
    ],
)
def test_what_is_malformed_is_refused_by_the_name_of_its_field(path: str, value: Any) -> None:
    assert path.removesuffix(".0") in refused(changed(path, value))


@pytest.mark.parametrize("body", [None, [], "alert", 7, 1.5, {}])
def test_what_is_no_webhook_at_all_is_refused(body: object) -> None:
    refused(body)


def test_a_label_that_is_no_number_is_refused() -> None:
    assert "JSON" in refused(changed("alerts.0.labels.severity", float("nan")))


def test_a_huge_webhook_is_refused_whole() -> None:
    alert = sample_alert()["alerts"][0]
    assert "allowed" in refused(changed("alerts", [alert] * 5_000))
    assert "allowed" in refused({**sample_alert(), "unknown": "x" * 10_000_000})


def test_deep_nesting_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    refused(changed("alerts.0.labels", deep))


def test_fields_that_alertmanager_may_add_are_dropped() -> None:
    webhook = changed("notificationReason", "firing")
    webhook["alerts"][0]["silenceURL"] = "http://x"
    assert check_webhook(webhook) == check_webhook(sample_alert(host="web-1"))


def test_what_may_be_missing_may_be_missing() -> None:
    alert: dict[str, Any] = {"status": "firing", "labels": {}, "startsAt": "2026-11-18T06:14:00Z"}
    body: dict[str, Any] = {"version": "4", "groupKey": "{}:{}", "status": "firing", "alerts": [alert]}
    assert check_webhook(body).alerts[0].identity


def test_two_spellings_of_an_instant_are_one() -> None:
    spellings = ["2026-11-18T06:14:00Z", "2026-11-18T07:14:00+01:00", "2026-11-18T06:14:00.000000000Z"]
    starts = {check_webhook(changed("alerts.0.startsAt", s)).alerts[0].starts_at for s in spellings}
    assert starts == {"2026-11-18T06:14:00Z"}


def test_the_zero_time_and_its_neighbours() -> None:
    assert (
        check_webhook(changed("alerts.0.endsAt", "0001-01-01T00:00:00Z")).alerts[0].ends_at.startswith("0001")
    )
    assert "endsAt" in refused(changed("alerts.0.endsAt", "0001-01-01T00:00:00+02:00"))


def test_control_characters_do_not_reach_anybody() -> None:
    webhook = check_webhook(changed("alerts.0.annotations.summary", "down\x1b[31m\x00\n\tnow"))
    assert webhook.alerts[0].annotations["summary"] == "down[31m\n\tnow"


def test_an_alert_without_a_fingerprint_is_known_by_its_labels() -> None:
    alerts = [check_webhook(changed("alerts.0.fingerprint", fp)).alerts[0] for fp in ("", "", "aa")]
    assert alerts[0].identity == alerts[1].identity != alerts[2].identity == "aa"


class TestRead:
    def test_a_body_is_read(self) -> None:
        assert read_webhook(json.dumps(sample_alert()).encode()) == sample_alert()

    @pytest.mark.parametrize(
        "raw",
        [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"a": NaN}', b'{"a": Infinity}', b"[" * 200_000],
    )
    def test_what_is_no_json_object_is_refused(self, raw: bytes) -> None:
        with pytest.raises(InvalidRequest) as caught:
            read_webhook(raw)
        assert "\n" not in str(caught.value)

    def test_ten_megabytes_are_not_even_parsed(self) -> None:
        with pytest.raises(InvalidRequest, match="bytes"):
            read_webhook(b" " * (MAX_SIZE + 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(
    place=st.sampled_from(["alerts", "alerts.0", "alerts.0.labels", "alerts.0.startsAt", "groupKey"]),
    value=json_values,
)
def test_whatever_is_put_in_a_place_is_taken_or_refused_cleanly(place: str, value: Any) -> None:
    body = changed(place, copy.deepcopy(value))
    message = ""
    try:
        check_webhook(body)
    except InvalidRequest as error:
        message = str(error)
    assert "\n" not in message
