"""What Alertmanager sends: the webhook, version 4.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config and Alertmanager's own
``template.Data``. Known fields are checked strictly and bounded. Fields that are not known are dropped, not
refused: Alertmanager adds some from release to release without a new version number, and none of them reaches
a run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pilotman.guardrails.errors import InvalidRequest

MAX_SIZE = 1_000_000
"""Bytes of a webhook as it arrives, characters of one that was read."""
MAX_ALERTS = 1_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _timestamp(text: str) -> str:
    """The instant in UTC, ISO 8601: so that two spellings of one instant are equal."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not an RFC 3339 timestamp such as 2026-11-18T06:14:00Z")
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError) as error:
        raise ValueError("no such instant") from error


Timestamp = Annotated[str, StringConstraints(max_length=40), AfterValidator(_timestamp)]
Text = Annotated[
    str, StringConstraints(max_length=16_384), AfterValidator(lambda text: _CONTROL.sub("", text))
]
Pairs = Annotated[dict[Annotated[str, StringConstraints(max_length=256)], Text], Field(max_length=128)]

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: an alert that has not ended."""


class Alert(BaseModel):
    """One alert of a group. ``startsAt`` and ``endsAt`` are RFC 3339; an end of ``NEVER`` is none."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Pairs
    annotations: Pairs = {}
    starts_at: Timestamp = Field(alias="startsAt")
    ends_at: Timestamp = Field(alias="endsAt", default=NEVER)
    generator_url: Text = Field(alias="generatorURL", default="")
    fingerprint: Annotated[str, StringConstraints(max_length=128)] = ""

    @property
    def identity(self) -> str:
        """The fingerprint; where none was sent, a digest of the labels, which is what a fingerprint is."""
        return self.fingerprint or digest(self.labels)[:16]


class Webhook(BaseModel):
    """A notification about one group of alerts."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    version: Literal["4"]
    group_key: Annotated[str, StringConstraints(min_length=1, max_length=16_384)] = Field(alias="groupKey")
    status: Literal["firing", "resolved"]
    alerts: Annotated[tuple[Alert, ...], Field(min_length=1, max_length=MAX_ALERTS, strict=False)]
    truncated: int = Field(alias="truncatedAlerts", default=0, ge=0)
    receiver: Text = ""
    group_labels: Pairs = Field(alias="groupLabels", default={})
    common_labels: Pairs = Field(alias="commonLabels", default={})
    common_annotations: Pairs = Field(alias="commonAnnotations", default={})
    external_url: Text = Field(alias="externalURL", default="")

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that fire. The alerts decide, not the group's own ``status``."""
        return tuple(alert for alert in self.alerts if alert.status == "firing")


def digest(value: object) -> str:
    """SHA-256 of a JSON-able value, 64 hexadecimal digits; the order of an object's fields does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_webhook(raw: bytes) -> dict[str, Any]:
    """A webhook's body as an object; what is in it is checked by ``check_webhook``.

    Raises:
        InvalidRequest: more than ``MAX_SIZE`` bytes, not JSON (NaN included), or not an object.
    """
    if len(raw) > MAX_SIZE:
        raise InvalidRequest(f"the alert has {len(raw):,} bytes; {MAX_SIZE:,} are allowed")
    try:
        body: object = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the alert is not JSON: {error}") from error
    return _object(body)


def check_webhook(body: object) -> Webhook:
    """The webhook, checked.

    Raises:
        InvalidRequest: not the documented shape; the message names the first field that is wrong.
    """
    webhook = _object(body)
    try:
        size = len(json.dumps(webhook, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the alert cannot be written as JSON: {error}") from error
    if size > MAX_SIZE:
        raise InvalidRequest(f"the alert has {size:,} characters; {MAX_SIZE:,} are allowed")
    try:
        return Webhook.model_validate(webhook)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = "".join(c for c in ".".join(map(str, first["loc"])) if c.isprintable())[:200]
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidRequest(
            f"not an Alertmanager webhook of version 4: {where}: {reason}",
            hint="send the body of a webhook_config notification",
        ) from error


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise InvalidRequest(f"the alert must be a JSON object, not {type(body).__name__}")
    return dict(body)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
