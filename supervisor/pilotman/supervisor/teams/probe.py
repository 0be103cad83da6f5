"""HTTP probes of hosts that the user named, and of no others."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx

from pilotman.guardrails.errors import ConfigurationError

MAX_REDIRECTS = 3
MAX_BODY = 65_536
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Probe:
    """``hosts`` are ``host`` (its default ports) or ``host:port``. ``timeout`` is seconds for a whole probe.

    Raises:
        ConfigurationError: an entry is neither.
    """

    def __init__(
        self, hosts: Iterable[str], *, timeout: float = 6.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.hosts = frozenset(_entry(host) for host in hosts)
        self._timeout = timeout
        self._transport = transport
        self._tls = httpx.create_ssl_context()

    def refusal(self, url: str) -> str | None:
        """Why this URL may not be probed, or None."""
        try:
            parts = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            return "it is not a URL"
        if parts.scheme not in _DEFAULT_PORTS or not parts.host:
            return "it is not a URL of HTTP"
        if parts.userinfo:
            return "it carries a user name"
        host = parts.host.lower().rstrip(".")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        allowed = (host, port) in self.hosts or (parts.port is None and (host, None) in self.hosts)
        return None if allowed else f"{host}:{port} is not on the allow-list"

    def get(self, url: str) -> dict[str, Any]:
        """Status, milliseconds to the answer, bytes read, redirects, and when the certificate expires.

        Raises:
            PermissionError: the URL is not on the allow-list; nothing was sent.
            httpx.HTTPError: no answer.
        """
        refusal = self.refusal(url)
        if refusal is not None:
            raise PermissionError(f"{url[:200]} was not probed: {refusal}")
        started = time.monotonic()
        hops: list[str] = []
        with httpx.Client(timeout=self._timeout, verify=self._tls, transport=self._transport) as client:
            while True:
                found, target = self._hop(client, url, started + self._timeout)
                if target is None:
                    break
                refusal = self.refusal(target)
                if refusal is not None or len(hops) == MAX_REDIRECTS:
                    found["redirect_not_followed"] = refusal or f"more than {MAX_REDIRECTS} redirects"
                    break
                hops.append(target)
                url = target
        return {"url": url, **found, "redirects": hops}

    def _hop(self, client: httpx.Client, url: str, until: float) -> tuple[dict[str, Any], str | None]:
        started = time.monotonic()
        with client.stream("GET", url, follow_redirects=False) as response:
            found: dict[str, Any] = {
                "status": response.status_code,
                "latency_ms": round((time.monotonic() - started) * 1000, 1),
            }
            size = 0
            for part in response.iter_raw():
                size += len(part)
                if size >= MAX_BODY or time.monotonic() > until:
                    break
            found["bytes_read"] = size
            expires = _certificate_expiry(response)
            if expires is not None:
                found["certificate_expires"] = expires
            target = response.next_request.url if response.next_request is not None else None
        return found, None if target is None else str(target)


def _entry(host: str) -> tuple[str, int | None]:
    name, colon, port = host.strip().lower().rpartition(":")
    if not colon:
        name, port = host.strip().lower(), ""
    if not name or "/" in name or (colon and not port.isdecimal()):
        raise ConfigurationError(
            f"{host!r} is not a host to probe", hint="such as shop.example or shop.example:8080"
        )
    return name.strip("[]").rstrip("."), int(port) if port else None


def _certificate_expiry(response: httpx.Response) -> str | None:
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = tls.getpeercert() if tls is not None else None
    if not certificate or "notAfter" not in certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC).isoformat()
