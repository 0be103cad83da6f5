"""Secrets are kept nowhere in memory: what lasts is read by later runs. Pure."""

from __future__ import annotations

from collections.abc import Collection

from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.outbound.inspection import Inspection


class SecretRefused(InvalidRequest):
    """A secret was to be kept for good. Nothing was stored."""

    code = "secret_refused"


def secrets_in(text: str, name: str = "", *, inspection: Inspection | None = None) -> set[str]:
    """The kinds of secrets in a text that stands under a name."""
    found = (inspection or Inspection()).known(text, name)
    return {one.kind for one in found if one.category == "secret"}


def refuse(kinds: Collection[str]) -> None:
    """
    Raises:
        SecretRefused: there are any.
    """
    if kinds:
        raise SecretRefused(
            f"not kept: it holds what looks like a secret ({', '.join(sorted(kinds))})",
            hint="keep secrets in credentials, and only their name here",
        )
