"""A ticket book that is kept by a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import httpx
from pydantic import TypeAdapter

from pilotman.supervisor.teams.endpoint import Endpoint
from pilotman.supervisor.teams.tickets import NewTicket, Ticket

_TICKET = TypeAdapter(Ticket)
_TICKETS = TypeAdapter(list[Ticket])


class HTTPTicketBook:
    """Tickets in a service such as ``ticket_service``: posts carry an ``Idempotency-Key``, look-ups too.

    ``headers`` go with every call, for instance an ``Authorization``. Methods raise httpx's errors.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._endpoint = Endpoint(url, headers=headers, timeout=timeout, transport=transport)

    def create(self, ticket: NewTicket, /) -> Ticket:
        body: dict[str, Any] = asdict(ticket)
        key = body.pop("key")
        written = self._endpoint.call("POST", "tickets", body=body, headers={"Idempotency-Key": key})
        return _TICKET.validate_python(written)

    def find(self, *, tenant: str, key: str) -> Ticket | None:
        found = self._endpoint.call("GET", "tickets", params={"tenant": tenant, "key": key, "limit": 1})
        return next(iter(_TICKETS.validate_python(found)), None)

    def tickets(self, *, tenant: str, limit: int = 100) -> list[Ticket]:
        found = self._endpoint.call("GET", "tickets", params={"tenant": tenant, "limit": limit})
        return _TICKETS.validate_python(found)
