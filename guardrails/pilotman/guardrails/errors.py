"""The one error tree.

PilotmanError
├── ConfigurationError     wrong construction: unknown tool, two memories in one tree, schema missing
├── InvalidRequest         the request itself is malformed
├── NotFound               no such run or approval (or not yours: the same error)
├── Conflict               already decided, other arguments than shown, conversation busy with another run
├── PermissionDenied       this principal may not do this verb
├── BudgetExceeded         a call does not fit into the run's purse; it was not started
├── Overloaded             too many requests wait already; nothing was accepted
├── QuotaExceeded          a tenant, user or conversation has used up what it has in this window
├── PermitRefused          a write was asked for without a permit for exactly these arguments
├── Unavailable            a dependency is gone and there is no degraded answer
├── CorruptJournal         the journal cannot be read; nothing was written
└── CorruptIndex           a file of the vector index is damaged or not ours; it was left untouched

Each carries a stable ``code`` and a ``hint`` that says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class PilotmanError(Exception):
    """Base of everything that Pilotman raises on purpose.

    ``str(error)`` says what happened and what was done about it, ``hint`` what to do.
    """

    code: ClassVar[str] = "pilotman_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class ConfigurationError(PilotmanError):
    """Something was put together in a way that cannot work."""

    code = "configuration_error"


class InvalidRequest(PilotmanError):
    """The request does not have the shape that the team accepts; no run was started."""

    code = "invalid_request"


class NotFound(PilotmanError):
    """No such thing for this principal. A foreign tenant's thing is not found either."""

    code = "not_found"


class Conflict(PilotmanError):
    """The verb does not fit the present state: nothing was changed."""

    code = "conflict"


class PermissionDenied(PilotmanError):
    """This principal may not do this."""

    code = "permission_denied"


class BudgetExceeded(PilotmanError):
    """A reservation does not fit; ``limit`` names the budget's field."""

    code = "budget_exceeded"

    def __init__(self, message: str, *, limit: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.limit = limit


class Overloaded(PilotmanError):
    """The queue is full; try again in ``retry_after`` seconds. Nothing was accepted."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"try again in {retry_after:g} s")
        self.retry_after = retry_after


class QuotaExceeded(PilotmanError):
    """A quota has not so much left; ``limit`` names its field, in ``retry_after`` seconds it begins anew."""

    code = "quota_exceeded"

    def __init__(self, message: str, *, limit: str, retry_after: float) -> None:
        super().__init__(message, hint=f"try again in {retry_after:g} s")
        self.limit = limit
        self.retry_after = retry_after


class PermitRefused(PilotmanError):
    """A write adapter was called without a permit for exactly this call; nothing was written."""

    code = "permit_refused"


class Unavailable(PilotmanError):
    """A dependency is gone and nothing can stand in for it; ``retry_after`` in seconds, where it said so."""

    code = "unavailable"

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class CorruptJournal(PilotmanError):
    """The journal's file is damaged or not ours; it was left untouched."""

    code = "corrupt_journal"


class CorruptIndex(PilotmanError):
    """A file of the vector index is damaged, foreign or of a newer version; it was left untouched."""

    code = "corrupt_index"
