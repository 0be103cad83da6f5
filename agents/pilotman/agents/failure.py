"""What went wrong in a call, as one of few kinds, and whether anything can have been sent.

A write whose request may have been sent has an unknown outcome unless its service said no. Only a failed
connection proves that nothing was sent.
"""

from __future__ import annotations

import errno
import math
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx
import pydantic

from pilotman.agents.blocking import ThreadsExhausted
from pilotman.agents.json_value import is_object
from pilotman.agents.result import ToolError as ToolError
from pilotman.agents.result import clean_text
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.retry import FailureKind

_MAX_MESSAGE = 500
_MAX_BODY = 200
_MAX_RETRY_AFTER = 86_400.0
_MAX_CAUSES = 8


class InvalidArguments(ValueError):
    """The arguments do not fit the tool's schema; nothing was run. The message says how to mend them."""


class ToolFailure(Exception):
    """Raised by a tool's author to say what failed.

    ``kind``: what a retry and an agent make of it. In a write every kind but ``unknown_outcome`` states that
    nothing was applied; any other exception leaves a write's outcome unknown. ``retry_after``: seconds.
    """

    def __init__(
        self, message: str, *, kind: FailureKind = "permanent", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind: FailureKind = kind
        self.retry_after = retry_after


def classify(error: BaseException, *, effect: Effect) -> ToolError:
    """What ``error`` means for a call with this effect.

    Knows httpx and pydantic, and by their shape other clients' errors: ``status_code`` (or ``status``,
    ``code``), ``response.status_code``, ``headers``. ``Retry-After`` is honoured. For every effect but a
    read a 4xx says that nothing was applied, and after a 5xx, a timeout or a lost connection the outcome
    is unknown.
    """
    try:
        return _classify(error, effect=effect)
    except Exception:  # the error's own attributes may raise
        kind: FailureKind = "permanent" if effect == "read" else "unknown_outcome"
        return ToolError.of(kind, type(error).__name__[:_MAX_MESSAGE])


def _classify(error: BaseException, *, effect: Effect) -> ToolError:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return _worst([classify(inner, effect=effect) for inner in group.exceptions])
    if isinstance(error, ToolFailure):
        return ToolError.of(error.kind, _bounded(error.message), retry_after=error.retry_after)
    if isinstance(error, InvalidArguments):
        return ToolError.of("validation", _bounded(str(error)))
    status = status_of(error)
    if status is not None:
        return _from_status(status, error, writes=effect != "read")
    message = _message(error)
    if _nothing_was_sent(error):
        return ToolError.of("transient", f"{message}; nothing was sent")
    if effect != "read":
        return ToolError.of("unknown_outcome", f"{message}; whether it was applied is not known")
    kind, retry_after = _of_read(error)
    return ToolError.of(kind, message, retry_after=retry_after)


_SEVERITY: tuple[FailureKind, ...] = (
    "unknown_outcome",
    "authorization",
    "validation",
    "conflict",
    "duplicate",
    "permanent",
    "rate_limit",
    "timeout",
    "transient",
)


def _worst(errors: list[ToolError]) -> ToolError:
    return min(errors, key=lambda error: _SEVERITY.index(error.kind))


# --- answers of a service -------------------------------------------------------------------------------

_STATUS_KINDS: Mapping[int, FailureKind] = {
    400: "validation",
    401: "authorization",
    403: "authorization",
    407: "authorization",
    408: "timeout",
    409: "conflict",
    412: "conflict",
    413: "validation",
    414: "validation",
    415: "validation",
    422: "validation",
    423: "conflict",
    425: "transient",
    429: "rate_limit",
    501: "permanent",
    505: "permanent",
}


def status_of(error: BaseException) -> int | None:
    """The HTTP status (300 to 599) that an exception of any client carries, or None."""
    response: Any = getattr(error, "response", None)
    candidates = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    candidates.append(getattr(response, "status_code", None))
    if is_object(response):  # botocore's
        metadata = response.get("ResponseMetadata")
        candidates.append(metadata.get("HTTPStatusCode") if is_object(metadata) else None)
    for value in candidates:
        if isinstance(value, int) and not isinstance(value, bool) and 300 <= value <= 599:
            return int(value)
    return None


def _from_status(status: int, error: BaseException, *, writes: bool) -> ToolError:
    message = _status_message(status, error)
    retry_after = retry_after_of(error)
    if status >= 500 and writes:
        return ToolError.of("unknown_outcome", f"{message}; whether it was applied is not known")
    default: FailureKind = "transient" if status >= 500 else "permanent"
    kind = _STATUS_KINDS.get(status, default)
    return ToolError.of(kind, message, retry_after=retry_after)


def _status_message(status: int, error: BaseException) -> str:
    if not isinstance(error, httpx.HTTPStatusError):
        text = _text(error)
        return _bounded(text if str(status) in text else f"HTTP {status}: {text}")
    url = error.request.url
    where = (
        f"{error.request.method} {url.scheme}://{url.host}{url.path}"  # no query, no user: they hold secrets
    )
    return _bounded(f"HTTP {status} from {where}{_body(error.response)}")


def _body(response: httpx.Response) -> str:
    try:
        text = clean_text(response.text).strip()
    except (httpx.ResponseNotRead, httpx.StreamError):
        return ""
    if not text or text.startswith("<"):  # an error page tells nothing
        return ""
    return f": {text[:_MAX_BODY]}"


def retry_after_of(error: BaseException) -> float | None:
    """Seconds to wait by the answer's ``Retry-After`` (RFC 9110, section 10.2.3), or None.

    A date is read against the answer's own ``Date``: no clock is needed and none can be skewed.
    """
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None)
    if not hasattr(headers, "get"):
        return None
    milliseconds = _number(_header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return _within(milliseconds / 1000)
    value = _header(headers, "retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _within(seconds)
    until, now = _date(value), _date(_header(headers, "date"))
    return None if until is None or now is None else _within((until - now).total_seconds())


def _header(headers: Any, name: str) -> str | None:
    value = headers.get(name) or headers.get(name.title())
    return value if isinstance(value, str) else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text is not None else None
    except ValueError:
        return None
    return date if date is None or date.tzinfo is not None else date.replace(tzinfo=UTC)


def _within(seconds: float) -> float | None:
    return None if math.isnan(seconds) else min(max(seconds, 0.0), _MAX_RETRY_AFTER)


# --- no answer --------------------------------------------------------------------------------------------

# By name, so that no client has to be installed: httpx's, requests', urllib3's, aiohttp's.
_UNSENT = frozenset({"ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "ClientConnectorError"})
_TIMEOUTS = frozenset(
    {"Timeout", "APITimeoutError", "TimeoutException", "ReadTimeoutError", "DeadlineExceeded"}
)
_TRANSIENT = frozenset(
    {
        "APIConnectionError",
        "ClientConnectionError",
        "ClientPayloadError",
        "ConnectionError",
        "IncompleteReadError",
        "ProtocolError",
        "ServerDisconnectedError",
        "ServiceUnavailable",
    }
)
_NETWORK_ERRNOS = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ECONNRESET, errno.EPIPE, errno.EAGAIN}
)


def _nothing_was_sent(error: BaseException) -> bool:
    if isinstance(
        error,
        ThreadsExhausted
        | ConnectionRefusedError
        | socket.gaierror
        | httpx.ConnectError
        | httpx.ConnectTimeout
        | httpx.PoolTimeout,
    ):
        return True
    if _UNSENT & _names(error):
        return True
    reason = getattr(error, "reason", None)  # urllib's URLError around what stopped the connection
    return isinstance(reason, ConnectionRefusedError | socket.gaierror)


def _of_read(error: BaseException) -> tuple[FailureKind, float | None]:
    """A failed read's kind, and when to try again. An error that says nothing by itself is as its cause."""
    current: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if current is None:
            break
        status = status_of(current)
        if status is not None:
            told = _from_status(status, current, writes=False)
            return told.kind, told.retry_after
        kind = _own_kind(current)
        if kind is not None:
            return kind, None
        current = current.__cause__
    return "permanent", None


def _own_kind(error: BaseException) -> FailureKind | None:
    names = _names(error)
    if isinstance(error, TimeoutError | httpx.TimeoutException) or _TIMEOUTS & names:
        return "timeout"
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return "validation"
    if _nothing_was_sent(error):
        return "transient"
    if isinstance(error, httpx.TransportError | ConnectionError | EOFError) or _TRANSIENT & names:
        return "transient"
    if isinstance(error, OSError):
        return _os_kind(error)
    return "validation" if isinstance(error, pydantic.ValidationError | ValueError) else None


def _os_kind(error: OSError) -> FailureKind:
    if isinstance(error, PermissionError):
        return "authorization"
    return "transient" if error.errno in _NETWORK_ERRNOS else "permanent"


def _names(error: BaseException) -> frozenset[str]:
    return frozenset(cls.__name__ for cls in type(error).__mro__)


# --- messages ----------------------------------------------------------------------------------------------


def _message(error: BaseException) -> str:
    if isinstance(error, pydantic.ValidationError):
        places = ", ".join(".".join(map(str, problem["loc"])) or "value" for problem in error.errors()[:5])
        return _bounded(f"data of the wrong shape ({error.title}: {places})")
    return _bounded(_text(error))


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _bounded(text: str) -> str:
    """At most 500 characters, clean, without a traceback that came along in the text."""
    text = clean_text(text[: 4 * _MAX_MESSAGE].split("Traceback (most recent call last)")[0]).strip()
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"
