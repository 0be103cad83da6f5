"""Alertmanager: silences through its HTTP API, version 2.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from pilotman.supervisor.teams.endpoint import Endpoint

MAX_MINUTES = 240


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A silence that stands in Alertmanager. ``ends_at`` is ISO 8601 in UTC."""

    silence_id: str
    ends_at: str


class _Created(BaseModel):
    model_config = ConfigDict(extra="ignore")

    silence_id: str = Field(alias="silenceID", min_length=1)


class _Listed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: str
    comment: str = ""
    ends_at: str = Field(alias="endsAt", default="")


_LISTED = TypeAdapter(list[_Listed])


class Alertmanager:
    """An Alertmanager. A silence carries its idempotency key in its comment: Alertmanager knows no keys."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, headers=headers, timeout=timeout, transport=transport)
        self._clock = clock or (lambda: datetime.now(UTC))

    def silence(
        self, labels: Mapping[str, str], *, minutes: int, comment: str, created_by: str, key: str
    ) -> Silence:
        """Silence all alerts that have exactly these values of these labels, from now on.

        Raises:
            ValueError: no labels (that would silence everything), or an answer that is not one of this API.
            httpx.HTTPError: no answer, or Alertmanager refuses.
        """
        if not labels:
            raise ValueError("a silence without labels would silence every alert; nothing was sent")
        now = self._clock().astimezone(UTC)
        ends_at = (now + timedelta(minutes=minutes)).isoformat()
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in sorted(labels.items())
            ],
            "startsAt": now.isoformat(),
            "endsAt": ends_at,
            "createdBy": created_by,
            "comment": f"{comment} {_mark(key)}".strip(),
        }
        created = _Created.model_validate(self._endpoint.call("POST", "api/v2/silences", body=body))
        return Silence(silence_id=created.silence_id, ends_at=ends_at)

    def find(self, key: str) -> Silence | None:
        """The silence that was made with this key, also one that has ended."""
        listed = _LISTED.validate_python(self._endpoint.call("GET", "api/v2/silences") or [])
        mine = (one for one in listed if _mark(key) in one.comment)
        return next((Silence(silence_id=one.id, ends_at=one.ends_at) for one in mine), None)

    def expire(self, silence_id: str) -> None:
        """End a silence now."""
        self._endpoint.call("DELETE", f"api/v2/silence/{silence_id}")


def _mark(key: str) -> str:
    return f"[pilotman {key}]"
