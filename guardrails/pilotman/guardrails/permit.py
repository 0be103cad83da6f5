"""Permits: no write without one. One permit is one effect; attempts of that effect share it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pilotman.guardrails.digest import short_id
from pilotman.guardrails.errors import PermitRefused


@dataclass(frozen=True, kw_only=True)
class Permit:
    """A guardrail's yes to exactly one call.

    ``digest`` covers the tool and its exact arguments (``Call.digest``), ``step`` is the step path,
    ``chain`` the delegation from the outermost supervisor to the agent that asks, ``etag`` the version of the
    target for which it was decided (as in RFC 9110), where the tool tells it.
    """

    permit_id: str
    run_id: str
    step: str
    tenant: str
    user: str
    chain: tuple[str, ...]
    tool: str
    digest: str
    policy_version: str
    approval_id: str | None
    issued_at: datetime
    expires_at: datetime
    etag: str | None = None

    def to_dict(self) -> dict[str, Any]:
        data = asdict(self)
        data["chain"] = list(self.chain)
        return data


def permit_id(run_id: str, step: str, digest: str) -> str:
    """The same write at the same step has the same permit, also after a crash."""
    return short_id("pmt", run_id, step, digest)


def check(
    permit: Permit | None,
    *,
    run_id: str,
    step: str,
    tenant: str,
    digest: str,
    policy_version: str,
    now: datetime,
) -> Permit:
    """The permit, if it covers this very call now.

    Raises:
        PermitRefused: there is none, it is for another call, run, step, tenant or policy, or it has expired.
    """
    if permit is None:
        raise PermitRefused("a write was asked for without a permit; nothing was written")
    expected = {
        "run_id": run_id,
        "step": step,
        "tenant": tenant,
        "digest": digest,
        "policy_version": policy_version,
    }
    wrong = [name for name, value in expected.items() if getattr(permit, name) != value]
    if wrong:
        raise PermitRefused(f"the permit covers another call: other {', '.join(wrong)}; nothing was written")
    if now >= permit.expires_at:
        raise PermitRefused("the permit has expired; nothing was written")
    return permit
