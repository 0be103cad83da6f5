"""Cumulative limits: what all calls of some tools may come to together, however they are split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias, get_args

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.shape import is_mapping

Per: TypeAlias = Literal["run", "user", "tenant"]
UNITS = 10_000
"""Amounts are kept as whole ten-thousandths."""
_LARGEST = 2**62


class Unmeasurable(ValueError):
    """A capped call whose amount cannot be told: it is denied."""


@dataclass(frozen=True, kw_only=True)
class Cap:
    """At most ``most`` by all calls of ``tools`` together, of one run, user or tenant.

    ``argument`` is what is summed: an argument's name, dotted where it lies deeper; None counts the calls.
    ``window`` is how far back calls count, None for ever. ``verdict`` is what a call over the cap gets. Calls
    reserve their amounts when their permits are issued, so those in flight count too; what did not happen
    counts no longer.

    Raises:
        ConfigurationError: no tools, or limits that cannot be kept.
    """

    name: str
    tools: frozenset[str]
    most: int | Decimal
    argument: str | None = None
    per: Per = "run"
    window: timedelta | None = None
    verdict: Literal["deny", "escalate"] = "deny"

    def __post_init__(self) -> None:
        if isinstance(self.tools, str) or not self.tools:
            raise ConfigurationError(f"the cap {self.name!r} is on no tools", hint='write tools={"refund"}')
        object.__setattr__(self, "tools", frozenset(self.tools))
        if self.per not in get_args(Per) or self.verdict not in ("deny", "escalate"):
            raise ConfigurationError(f"the cap {self.name!r} is per {self.per!r}, verdict {self.verdict!r}")
        if not self.name or not 0 <= self.most < _LARGEST // UNITS:
            raise ConfigurationError(
                f"the cap {self.name!r} allows {self.most!r}", hint="give a name and a limit of zero or more"
            )
        if self.window is not None and self.window <= timedelta(0):
            raise ConfigurationError(f"the cap {self.name!r} looks back no time", hint="leave window out")

    @property
    def reason(self) -> str:
        """What the record and an approver are told of a call over the cap."""
        return f"it would go over the cap {self.name!r}"

    def units(self, args: Mapping[str, Any]) -> int:
        """What one call adds, in ten-thousandths, rounded up.

        Raises:
            Unmeasurable: the argument is missing, no number, negative or beyond all measure.
        """
        if self.argument is None:
            return UNITS
        value: Any = args
        for part in self.argument.split("."):
            value = value.get(part) if is_mapping(value) else None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise Unmeasurable(f"{self.argument} is no amount")
        try:
            amount = Decimal(str(value))
            units = int((amount * UNITS).to_integral_value(ROUND_CEILING))
        except (InvalidOperation, ValueError, OverflowError):
            raise Unmeasurable(f"{self.argument} is no amount") from None
        if not 0 <= units < _LARGEST:
            raise Unmeasurable(f"{self.argument} is negative or too large")
        return units

    def holder(self, *, run_id: str, principal: Principal) -> str:
        """Whose calls are summed: no two runs, users or tenants share one."""
        whose = {"run": run_id, "user": f"{len(principal.tenant)}:{principal.tenant}/{principal.user}"}
        return f"{self.per}:{whose.get(self.per, principal.tenant)}"


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """What one call takes of a cap. ``force``: a person let it go over. ``since``: what is older is over."""

    cap: Cap
    holder: str
    units: int
    since: datetime | None
    force: bool = False

    @property
    def most(self) -> int:
        """The cap's limit in ten-thousandths."""
        return int(self.cap.most * UNITS)


def reservations(
    caps: Iterable[Cap],
    tool: str,
    args: Mapping[str, Any],
    *,
    run_id: str,
    principal: Principal,
    now: datetime,
    endorsed: Sequence[str] = (),
) -> list[Reservation]:
    """What a call takes of each cap on its tool. ``endorsed``: reasons that a person has said yes to.

    Raises:
        Unmeasurable: the amount cannot be told.
    """
    return [
        Reservation(
            cap=cap,
            holder=cap.holder(run_id=run_id, principal=principal),
            units=cap.units(args),
            since=None if cap.window is None else now - cap.window,
            force=cap.verdict == "escalate" and cap.reason in endorsed,
        )
        for cap in caps
        if tool in cap.tools
    ]
