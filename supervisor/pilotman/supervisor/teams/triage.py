"""From a webhook to a run's intake: what is wrong, where, how bad, and when it is the same request again."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel

from pilotman.guardrails.errors import InvalidRequest
from pilotman.supervisor import Intake
from pilotman.supervisor.teams.alert import Alert, Webhook, check_webhook, digest
from pilotman.supervisor.teams.diagnosis import MAX_HOSTS

TASK_TYPE = "incident"
MAX_REPORT = 20_000
"""Characters of an incident that a person reports in words."""
MAX_TITLE = 80
JOB = (
    "Triage this alert: look up its runbook and earlier runs, inspect the affected system, "
    "open a ticket and propose a remediation."
)

_SEVERITIES: Mapping[str, tuple[int, frozenset[str]]] = {
    "critical": (40, frozenset({"critical", "page", "fatal", "emergency", "disaster", "p1", "sev1"})),
    "error": (30, frozenset({"error", "high", "major", "p2", "sev2"})),
    "warning": (20, frozenset({"warning", "warn", "medium", "average", "minor", "p3", "sev3"})),
    "info": (10, frozenset({"info", "information", "informational", "low", "notice", "p4", "sev4"})),
    "none": (0, frozenset({"none"})),
}
_HOST_LABELS = ("host", "hostname", "nodename", "node", "instance", "target", "pod")
_SERVICE_LABELS = ("service", "service_name", "unit", "systemd_unit", "app", "application", "name")
_URL_FIELDS = ("probe_url", "url", "target", "instance")
_KIND_LABELS = frozenset({"alertname", "severity", "job", "container", "component", "controller"})
"""What kind of thing it is, which a runbook can know; the others name one of this place."""
_NAMED = re.compile(r"[\W\d_]")  # a name of something, not a word of the language
_UNIT = re.compile(r"[\w@.:\\-]+\.(service|socket|timer)")
_NAME = re.compile(r"[\w@.:-]{1,128}", re.ASCII)
_FRACTION = re.compile(r"\.\d+(?=Z$)")
_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def intake(request: str | Mapping[str, Any] | BaseModel) -> Intake:
    """The incident team's intake: an Alertmanager webhook, or a person's report of an incident in words.

    Raises:
        InvalidRequest: neither.
    """
    if isinstance(request, str):
        return _report(request)
    webhook = check_webhook(
        request if isinstance(request, Mapping) else request.model_dump(mode="json", by_alias=True)
    )
    facts = _facts(webhook)
    return Intake(
        text=_text(facts),
        query=_query(facts),
        facts=facts,
        severity=_SEVERITIES[facts["severity"]][0] if webhook.firing else 0,
        idempotency_key=_key(webhook),
        task_type=TASK_TYPE,
        answer=None if webhook.firing else _resolved(webhook, facts),
    )


def host_of(address: str) -> str:
    """The host in ``host``, ``host:port``, ``[v6]:port`` or a URL, in lower case."""
    text = address.strip()
    if "://" in text:
        text = text.split("://", 1)[1].split("/", 1)[0].rsplit("@", 1)[-1]
    if text.startswith("["):
        return text[1:].split("]", 1)[0].lower()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        head, _, port = text.rpartition(":")
        return (head if head and port.isdigit() else text).lower()


def _report(words: str) -> Intake:
    """An incident that a person reports."""
    text = words.strip()
    if not text:
        raise InvalidRequest("the request is empty", hint="send an alert, or say what is wrong and where")
    if len(text) > MAX_REPORT:
        raise InvalidRequest(f"the report has {len(text):,} characters; {MAX_REPORT:,} are allowed")
    return Intake(text=text, query=text, severity=_SEVERITIES["warning"][0], task_type=TASK_TYPE)


def _facts(webhook: Webhook) -> dict[str, Any]:
    """The structured fields. Named like the tools' arguments, so that these can be filled from them."""
    alerts = webhook.firing or webhook.alerts
    labels = _shared([alert.labels for alert in alerts])
    notes = {**_shared([alert.annotations for alert in alerts]), **webhook.common_annotations}
    name = labels.get("alertname", "")
    summary = _annotation(notes, alerts, "summary")
    description = _annotation(notes, alerts, "description") or _annotation(notes, alerts, "message")
    hosts = _unique(_host(alert.labels) for alert in alerts)
    found: dict[str, Any] = {
        "title": _title(name or summary or description or _pairs(labels), labels, hosts),
        "name": name,
        "summary": summary,
        "description": description,
        "severity": max((_severity(alert.labels) for alert in alerts), key=lambda s: _SEVERITIES[s][0]),
        "status": "firing" if webhook.firing else "resolved",
        "reason": _line(summary or description or name, 300),
        "hosts": hosts[:MAX_HOSTS],  # before one of them: it is what a tool that takes several is to get
        "host": hosts[0] if hosts else "",
        "instance": labels.get("instance", ""),
        "service": _service(labels),
        "url": _url({**notes, **labels}),
        "expression": next(filter(None, (_expression(alert.generator_url) for alert in alerts)), ""),
        "runbook_url": notes.get("runbook_url", "") or notes.get("runbook", ""),
        **{
            key: labels.get(key, "") for key in ("job", "namespace", "pod", "cluster", "mountpoint", "device")
        },
        "labels": labels,
        "group_key": webhook.group_key,
        "group_labels": dict(webhook.group_labels),
        "fingerprints": sorted(alert.identity for alert in alerts)[:100],
        "started_at": min(alert.starts_at for alert in alerts),
        "alerts": len(alerts) + webhook.truncated,
    }
    return {key: value for key, value in found.items() if value not in ("", [], {})}


def _key(webhook: Webhook) -> str:
    """The same firing alerts of the same group are the same request, whatever else the webhook says.

    A resolved webhook is told from the firing one, and from the next time that the alert ends.
    """
    if webhook.firing:
        return "alert:" + digest(
            [webhook.group_key, sorted([a.identity, a.starts_at] for a in webhook.firing)]
        )
    ended = sorted([alert.identity, alert.starts_at, alert.ends_at] for alert in webhook.alerts)
    return "resolved:" + digest([webhook.group_key, ended])


def _text(facts: Mapping[str, Any]) -> str:
    where = _some(facts.get("hosts", ()), 20, ", ") or facts.get("cluster", "")
    rows = {
        "Summary": facts.get("summary", ""),
        "Name": facts.get("name", ""),
        "Severity": facts["severity"],
        "Where": where,
        "Service": facts.get("service", ""),
        "Since": _FRACTION.sub("", facts["started_at"]),
        "Alerts in the group": str(facts["alerts"]) if facts["alerts"] > 1 else "",
        "Description": facts.get("description", ""),
        "Labels": _pairs(facts.get("labels", {})),
    }
    said = [f"{name}: {value}" for name, value in rows.items() if value]
    return "\n".join([facts["title"], *said, JOB])


def _query(facts: Mapping[str, Any]) -> str:
    """What a runbook about this would say: the name in words, the summary, the description.

    The values of labels that name one of its kind (this host, that namespace) are left out: a runbook
    cannot know them.
    """
    name = _CAMEL.sub(" ", facts.get("name", ""))
    parts = (name, facts.get("summary", ""), facts.get("description", ""))
    told = facts.get("summary") or facts["title"]
    query = "\n".join(dict.fromkeys(part for part in parts if part)) or told
    labels: Mapping[str, str] = facts.get("labels", {})
    kinds = {value for key, value in labels.items() if key in _KIND_LABELS}
    names = {value for value in labels.values() if value not in kinds and _NAMED.search(value)}
    for value in sorted(names, key=len, reverse=True):
        query = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", query)
    return query if query.strip() else told


def _resolved(webhook: Webhook, facts: Mapping[str, Any]) -> str:
    ends = [alert.ends_at for alert in webhook.alerts if not alert.ends_at.startswith("0001-")]
    last = f", the last at {max(ends)}" if ends else ""
    count = f"{facts['alerts']} alert{'s' if facts['alerts'] > 1 else ''} ended{last}"
    return f"Resolved: {facts['title']}. {count}. This was recorded; no ticket was opened."


def _shared(maps: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The pairs that all of them have."""
    first, *others = maps
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _annotation(notes: Mapping[str, str], alerts: Sequence[Alert], name: str, *, most: int = 5) -> str:
    """What all alerts say; else the first few different texts, a line each, and how many more there are."""
    texts = [notes[name]] if name in notes else _unique(alert.annotations.get(name, "") for alert in alerts)
    return _some([text.strip()[:4_000] for text in texts], most, "\n")


def _some(texts: Sequence[str], most: int, between: str) -> str:
    """The first few, and how many more there are."""
    more = [f"(and {len(texts) - most} more)"] if len(texts) > most else []
    return between.join([*texts[:most], *more])


def _severity(labels: Mapping[str, str]) -> str:
    """One of our five words. An alert that names none, or one that we do not know, is a warning."""
    word = (labels.get("severity") or labels.get("priority") or "").strip().lower()
    return next((name for name, (_, words) in _SEVERITIES.items() if word in words), "warning")


def _host(labels: Mapping[str, str]) -> str:
    """The host that an alert is about: what names a machine outright goes before what was scraped."""
    named = (labels[name] for name in _HOST_LABELS if labels.get(name, "").strip())
    return host_of(next(named, ""))[:253]


def _service(labels: Mapping[str, str]) -> str:
    """The service that an alert is about. ``name`` counts only where it is a systemd unit's."""
    for label in _SERVICE_LABELS:
        value = labels.get(label, "").strip()
        if _NAME.fullmatch(value) and (label != "name" or _UNIT.fullmatch(value)):
            return value
    return ""


def _url(fields: Mapping[str, str]) -> str:
    return next(
        (fields[n] for n in _URL_FIELDS if fields.get(n, "").startswith(("http://", "https://"))), ""
    )[:2_000]


def _expression(generator_url: str) -> str:
    """The rule's own expression, which Prometheus puts into the link to its graph as ``g0.expr``."""
    try:
        return parse_qs(urlsplit(generator_url).query).get("g0.expr", [""])[0][:4_000]
    except ValueError:
        return ""


def _title(what: str, labels: Mapping[str, str], hosts: Sequence[str]) -> str:
    """A headline: the alert's name or the first sentence about it, and where."""
    title = _SENTENCE_END.split(" ".join(what.split()), maxsplit=1)[0].rstrip(".:; ")
    title = title or "An alert without a name"
    place = hosts[0] if hosts else labels.get("namespace") or labels.get("cluster") or ""
    if place and place not in title:
        title += f" {'on' if hosts else 'in'} {place}"
    more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
    return _line(title, MAX_TITLE - len(more)) + more


def _pairs(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={_line(value, 200)}" for name, value in sorted(labels.items()))


def _line(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, values)))
