"""A JSON service at a URL that its user configured: one bounded call at a time, from any thread."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from pilotman.guardrails.errors import ConfigurationError

MAX_BODY = 8 * 2**20
"""Bytes of an answer."""


class Endpoint:
    """``url`` is the service's root. ``timeout`` is seconds for a whole call. Redirects are not followed.

    Raises:
        ConfigurationError: the URL is not one of HTTP.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{url!r} is not the URL of a service", hint="such as http://host:9090")
        self.url = url.rstrip("/")
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._transport = transport
        self._tls = httpx.create_ssl_context()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The answer as JSON, None if it is empty.

        Raises:
            httpx.HTTPError: no answer, or one with an error status.
            ValueError: an answer that is too large or not JSON.
        """
        until = time.monotonic() + self._timeout
        sent = {**self._headers, **(headers or {})}
        with (
            httpx.Client(timeout=self._timeout, verify=self._tls, transport=self._transport) as client,
            client.stream(
                method, f"{self.url}/{path}", params=dict(params or {}), json=body, headers=sent
            ) as response,
        ):
            raw = _read(response, until)
        # The streamed response knows no content: errors would have nothing to quote.
        kept = {n: v for n, v in response.headers.items() if n in ("content-type", "date", "retry-after")}
        whole = httpx.Response(response.status_code, headers=kept, content=raw, request=response.request)
        whole.raise_for_status()
        return json.loads(raw) if raw.strip() else None


def _read(response: httpx.Response, until: float) -> bytes:
    """The whole body: within the limits, also from a server that sends a byte a second."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise ValueError(f"the answer of {response.url.host} is larger than {MAX_BODY // 2**20} MiB")
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer did not arrive in time", request=response.request)
    return b"".join(parts)
