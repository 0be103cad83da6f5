"""Which effect a call is: its scope, its tool and its identity fields, as one idempotency key."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

from pilotman.agents.failure import InvalidArguments
from pilotman.guardrails.digest import canonical, digest
from pilotman.guardrails.errors import ConfigurationError

KeyScope: TypeAlias = Literal["run", "thread", "tenant"]

MAX_KEY = 200
"""Characters of a key; services commonly take 255."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """``fields`` identify an effect within ``scope``; without any, all arguments do."""

    scope: KeyScope = "run"
    fields: tuple[str, ...] = ()

    def key(self, tool: str, args: Mapping[str, Any], *, run_id: str, thread_id: str, tenant: str) -> str:
        """The key: ASCII, at most 200 characters, the same for the same effect and for no other one.

        ``args`` are canonical (``Tool.validate``). Text is percent-encoded, so that a separator in a value
        is no separator; other values are marked by ``=``, and what is too long is replaced by its digest,
        marked by ``#``. Such as ``run:run_1:create_ticket:account-7``.

        Raises:
            InvalidArguments: an identity field is missing.
        """
        missing = [name for name in self.fields if name not in args]
        if missing:
            raise InvalidArguments(f"{missing[0]}: is missing, and the call's identity needs it")
        within = {"run": (run_id,), "thread": (tenant, thread_id), "tenant": (tenant,)}[self.scope]
        values = [args[name] for name in self.fields]
        identity = [_part(value) for value in values] if values else [f"#{digest(dict(args))}"]
        key = ":".join([self.scope, *map(_part, within), tool, *identity])
        return key if len(key) <= MAX_KEY else f"{self.scope}:#{digest([within, tool, values or dict(args)])}"


def _part(value: Any) -> str:
    if isinstance(value, str):
        return quote(value, safe="")
    return f"={quote(canonical(value).decode(), safe='')}"


def identity_fields(template: str | None, known: Collection[str], *, name: str) -> tuple[str, ...]:
    """The fields of a template such as ``{order_id}:{amount_cents}``.

    Raises:
        ConfigurationError: it names none, or one that is not among ``known``, or formats one.
    """
    if template is None:
        return ()
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigurationError(f"the idempotency key of {name} is malformed: {error}") from error
    fields: list[str] = []
    for _, field, spec, conversion in parts:
        if field is None:
            continue  # text between fields says nothing about identity
        if field not in known or spec or conversion:
            raise ConfigurationError(
                f"the idempotency key of {name} names {field!r}, which is not one of its arguments",
                hint=f"plain names in braces, of: {', '.join(sorted(known)) or 'none'}",
            )
        fields.append(field)
    if not fields:
        raise ConfigurationError(
            f"the idempotency key of {name} names no argument", hint="such as {order_id}:{amount_cents}"
        )
    return tuple(dict.fromkeys(fields))
