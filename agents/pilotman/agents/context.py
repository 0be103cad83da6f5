"""What a tool is told about the run that calls it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pilotman.agents.failure import ToolFailure
from pilotman.guardrails.principal import Principal


class MissingCredential(ToolFailure, KeyError):
    """The run has no credential of this name. Nothing was sent."""

    def __str__(self) -> str:
        return self.message


class Credentials(Mapping[str, str]):
    """Secrets by name. They never show in a representation, and a missing one fails clearly."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def __getitem__(self, name: str) -> str:
        try:
            return self._secrets[name]
        except KeyError:
            raise MissingCredential(
                f"no credential named {name!r} was given to this run", kind="authorization"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._secrets)

    def __len__(self) -> int:
        return len(self._secrets)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self._secrets))})"


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """Injected into a parameter of this type, hidden from models (cf. LangChain's ``ToolRuntime``).

    ``idempotency_key`` is the same for every attempt of one effect, ASCII, at most 200 characters.
    ``deadline_at`` is timezone-aware, ``attempt`` counts from 1. ``etag`` is the target's version for which
    the write was permitted, where the tool's precondition gives one: send it as ``If-Match``.
    """

    run_id: str
    principal: Principal
    idempotency_key: str
    deadline_at: datetime
    credentials: Mapping[str, str]
    attempt: int
    etag: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "credentials", Credentials(self.credentials))
