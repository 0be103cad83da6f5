"""Who may read a document. Pure.

A document names its readers:

- ``*``: everybody
- ``tenant:acme``: all users of the tenant
- ``user:acme/alice``: one user of the tenant
- ``role:oncall``: whoever has the role, in any tenant; ``role:acme/oncall``: only in this tenant

A slash or a per cent sign inside a name is written ``%2F`` or ``%25``, so that no name can pass for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Subject

_USER = re.compile(r"user:([^/]+)/([^/]+)")
_NAMED = re.compile(r"(?:tenant:([^/]+)$|(?:user|role):([^/]+)/)")
_READER = re.compile(r"\*|tenant:[^/]+|user:[^/]+/[^/]+|role:[^/]+(?:/[^/]+)?")


def readers_of(readers: Iterable[str]) -> frozenset[str]:
    """The readers as a set.

    Raises:
        ConfigurationError: one is not of the forms above, or there is none (nobody could read the document).
    """
    if isinstance(readers, str):
        raise ConfigurationError(f"readers is a list, not the text {readers!r}", hint=f"write [{readers!r}]")
    known = frozenset(readers)
    wrong = sorted(repr(reader) for reader in known if not _is_reader(reader))
    if wrong:
        hint = "use *, tenant:NAME, user:TENANT/NAME or role:NAME"
        raise ConfigurationError(f"these readers cannot be understood: {', '.join(wrong)}", hint=hint)
    if not known:
        raise ConfigurationError("no readers: nobody could read it", hint='name some, such as "tenant:acme"')
    return known


def tags_of(principal: Principal) -> frozenset[str]:
    """What the principal may read: everything whose readers share an element with this set."""
    tenant, user = _escaped(principal.tenant), _escaped(principal.user)
    roles = [_escaped(role) for role in principal.roles]
    return frozenset(
        {"*", f"tenant:{tenant}", f"user:{tenant}/{user}"}
        | {f"role:{role}" for role in roles}
        | {f"role:{tenant}/{role}" for role in roles}
    )


def reader_of_tenant(tenant: str) -> str:
    """All users of the tenant."""
    return f"tenant:{_escaped(tenant)}"


def reader_of_user(tenant: str, user: str) -> str:
    """One user of the tenant."""
    return f"user:{_escaped(tenant)}/{_escaped(user)}"


def subject_of(owner: str) -> Subject:
    """Whose content it is, of an owner that is written as a reader is.

    Raises:
        ConfigurationError: it is no user of a tenant.
    """
    given: Any = owner
    found = _USER.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ConfigurationError(f"{owner!r} is no owner", hint="write user:TENANT/USER")
    return Subject(*(_plain(name) for name in found.groups()))


def inside(tenant: str, readers: Iterable[str]) -> bool:
    """Whether nobody outside the tenant is among the readers."""
    name = _escaped(tenant)
    within = (f"user:{name}/", f"role:{name}/")
    return all(reader == f"tenant:{name}" or reader.startswith(within) for reader in readers)


def _is_reader(reader: object) -> bool:
    return isinstance(reader, str) and _READER.fullmatch(reader) is not None


def tenant_of(readers: Iterable[str]) -> str | None:
    """The tenant that all readers are inside of; None where there is no such one."""
    named = [_NAMED.match(reader) for reader in readers]
    tenants = {found and (found.group(1) or found.group(2)) for found in named}
    only = tenants.pop() if len(tenants) == 1 else None
    return None if only is None else _plain(only)


def reaches(tenant: str, readers: Iterable[str]) -> bool:
    """Whether somebody of the tenant may be among the readers."""
    return any(_reaches(tenant, reader) for reader in readers)


def _reaches(tenant: str, reader: str) -> bool:
    in_any_tenant = reader == "*" or (reader.startswith("role:") and "/" not in reader)
    return in_any_tenant or inside(tenant, [reader])


def _plain(name: str) -> str:
    return name.replace("%2F", "/").replace("%25", "%")


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")
