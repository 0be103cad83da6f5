"""Notifiers that come along: a line in the log, and a signed webhook."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import orjson

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError

_PREFIX = "whsec_"


class LogNotifier:
    """Writes each question to the standard library's logging. ``level`` is one of its numbers."""

    def __init__(self, logger: logging.Logger | None = None, *, level: int = logging.WARNING) -> None:
        self._logger = logger or logging.getLogger("pilotman.questions")
        self._level = level

    async def notify(self, question: Approval, /) -> None:
        """One line: who is asked what, and until when."""
        self._logger.log(
            self._level,
            "approval %s of %s (%s) waits for a person until %s: %s",
            question.approval_id,
            question.run_id,
            visible(question.requested_by.tenant),
            question.expires_at.isoformat(timespec="minutes"),
            "; ".join(visible(line, limit=2_000) for line in question.question.splitlines()),
        )


class WebhookNotifier:
    """Posts each question as JSON: ``{"type": "approval.requested", "timestamp": …, "data": {…}}``.

    ``data`` is the question as data (``Approval.to_dict``). With a ``secret`` it is signed as the
    specification Standard Webhooks says (headers ``webhook-id``, ``webhook-timestamp``,
    ``webhook-signature``); one that begins with ``whsec_`` is Base64. Any answer but 2xx is a failure.
    Redirects are not followed. ``timeout``: seconds.

    Raises:
        ConfigurationError: the URL is no HTTP URL, or the secret is empty or no Base64.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None = None,
        timeout: float = 5.0,
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("a webhook needs an http or https URL", hint="such as https://host/path")
        self._url = url
        self._key = None if secret is None else _key(secret)
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._clock = clock or _now

    async def notify(self, question: Approval, /) -> None:
        """Post it once.

        Raises:
            httpx.HTTPError: no answer in time, no connection, or another answer than 2xx.
        """
        now = self._clock()
        told = {"type": "approval.requested", "timestamp": now.isoformat(), "data": question.to_dict()}
        body = orjson.dumps(told)
        headers = {"content-type": "application/json", **self._headers}
        headers |= self._signed(f"{question.approval_id}:{question.digest[:16]}", now, body)
        async with httpx.AsyncClient(timeout=self._timeout) as client:
            response = await client.post(self._url, content=body, headers=headers)
        if not response.is_success:
            raise httpx.HTTPStatusError(
                f"HTTP {response.status_code}", request=response.request, response=response
            )

    def _signed(self, name: str, now: datetime, body: bytes) -> dict[str, str]:
        seconds = str(int(now.timestamp()))
        headers = {"webhook-id": name, "webhook-timestamp": seconds}
        if self._key is not None:
            signed = hmac.new(self._key, f"{name}.{seconds}.".encode() + body, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers


def _key(secret: str) -> bytes:
    try:
        given = secret.removeprefix(_PREFIX)
        key = base64.b64decode(given, validate=True) if given != secret else secret.encode()
    except binascii.Error as error:
        raise ConfigurationError("the webhook's secret is no Base64 after whsec_") from error
    if not key:
        raise ConfigurationError("the webhook's secret is empty", hint="give none, or a long random one")
    return key


def _now() -> datetime:
    return datetime.now(UTC)
