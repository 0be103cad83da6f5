"""Failures are told apart: what may be tried again, and what may have happened."""

from __future__ import annotations

import errno
import socket
import urllib.error
from email.message import Message
from types import SimpleNamespace
from typing import Any

import httpx
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.blocking import ThreadsExhausted
from pilotman.agents.failure import InvalidArguments, ToolFailure, classify, retry_after_of, status_of
from pilotman.guardrails.policy import Effect

REQUEST = httpx.Request("POST", "https://user:pw@pay.example/refunds?api_key=hunter2")


def answered(status: int, body: str = "", **headers: str) -> httpx.HTTPStatusError:
    response = httpx.Response(status, text=body, headers=headers, request=REQUEST)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        response.raise_for_status()
    return caught.value


class ProviderError(Exception):
    """Shaped like the errors of model providers' clients."""

    def __init__(self, status_code: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"Error code: {status_code}")
        self.status_code = status_code
        self.response = SimpleNamespace(status_code=status_code, headers=httpx.Headers(headers))


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (302, "permanent", "permanent"),
        (400, "validation", "validation"),
        (401, "authorization", "authorization"),
        (403, "authorization", "authorization"),
        (404, "permanent", "permanent"),
        (409, "conflict", "conflict"),
        (412, "conflict", "conflict"),
        (422, "validation", "validation"),
        (429, "rate_limit", "rate_limit"),
        (500, "transient", "unknown_outcome"),
        (501, "permanent", "unknown_outcome"),
        (503, "transient", "unknown_outcome"),
        (529, "transient", "unknown_outcome"),
    ],
)
def test_an_answer_says_what_happened(status: int, read: str, write: str) -> None:
    for error in (answered(status), ProviderError(status)):
        assert classify(error, effect="read").kind == read
        assert classify(error, effect="write").kind == write
        assert classify(error, effect="irreversible").kind == write
        assert classify(error, effect="egress").kind == write


UNSENT: list[Exception] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("full"),
    ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    socket.gaierror(-2, "Name or service not known"),
    urllib.error.URLError(ConnectionRefusedError()),
    type("NewConnectionError", (Exception,), {})("refused"),
    ThreadsExhausted("full"),
]


@pytest.mark.parametrize("error", UNSENT, ids=repr)
def test_a_failed_connection_sent_nothing(error: Exception) -> None:
    for result in (classify(error, effect="read"), classify(error, effect="write")):
        assert (result.kind, result.retryable) == ("transient", True)


LOST: list[tuple[Exception, str]] = [
    (TimeoutError("slow"), "timeout"),
    (httpx.ReadTimeout("slow"), "timeout"),
    (httpx.WriteTimeout("slow"), "timeout"),
    (type("APITimeoutError", (Exception,), {})("slow"), "timeout"),
    (httpx.ReadError("reset"), "transient"),
    (httpx.RemoteProtocolError("gone"), "transient"),
    (ConnectionResetError(errno.ECONNRESET, "reset"), "transient"),
    (BrokenPipeError(), "transient"),
    (EOFError(), "transient"),
    (type("APIConnectionError", (Exception,), {})("gone"), "transient"),
    (OSError(errno.EHOSTUNREACH, "no route"), "transient"),
    (OSError(errno.ENOENT, "no such file"), "permanent"),
    (PermissionError(errno.EACCES, "no"), "authorization"),
    (ValueError("no such host"), "validation"),
    (httpx.UnsupportedProtocol("ftp"), "validation"),
    (KeyError("x"), "permanent"),
    (ZeroDivisionError(), "permanent"),
]


@pytest.mark.parametrize(("error", "read"), LOST, ids=repr)
def test_anything_else_leaves_a_write_unknown(error: Exception, read: str) -> None:
    assert classify(error, effect="read").kind == read
    result = classify(error, effect="write")
    assert (result.kind, result.retryable) == ("unknown_outcome", False)
    assert "not known" in result.message


def test_an_author_says_what_failed() -> None:
    error = classify(ToolFailure("the account is closed", kind="conflict", retry_after=3.0), effect="write")
    assert (error.kind, error.message, error.retry_after) == ("conflict", "the account is closed", 3.0)
    assert classify(ToolFailure("no"), effect="write").kind == "permanent"


def test_arguments_that_do_not_fit_ran_nothing() -> None:
    assert classify(InvalidArguments("title: is missing"), effect="write").kind == "validation"


def test_a_wrapped_error_is_as_its_cause_but_never_for_a_write() -> None:
    wrapped = RuntimeError("the model failed")
    wrapped.__cause__ = answered(429)
    assert classify(wrapped, effect="read").kind == "rate_limit"
    wrapped.__cause__ = httpx.ConnectError("refused")
    assert classify(wrapped, effect="read").kind == "transient"
    assert classify(wrapped, effect="write").kind == "unknown_outcome"


def test_errors_that_cause_each_other_end() -> None:
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    assert classify(one, effect="read").kind == "permanent"


class Hostile(Exception):
    @property
    def status_code(self) -> int:
        raise RuntimeError("boom")


def test_an_error_that_cannot_be_looked_at_is_still_a_value() -> None:
    assert classify(Hostile(), effect="read").kind == "permanent"
    assert classify(Hostile(), effect="write").kind == "unknown_outcome"


def test_of_several_errors_the_worst_counts() -> None:
    group = ExceptionGroup("two", [httpx.ConnectError("refused"), ExceptionGroup("one", [TimeoutError()])])
    assert classify(group, effect="write").kind == "unknown_outcome"
    assert (
        classify(ExceptionGroup("x", [TimeoutError(), PermissionError()]), effect="read").kind
        == "authorization"
    )


class Model(pydantic.BaseModel):
    secret: int


def test_data_of_the_wrong_shape_is_named_not_shown() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Model.model_validate({"secret": "hunter2"})
    error = classify(caught.value, effect="read")
    assert error.kind == "validation"
    assert "secret" in error.message
    assert "hunter2" not in error.message


# --- messages -----


def test_a_message_names_the_service_and_its_words_but_no_secret() -> None:
    message = classify(answered(422, '{"error": "no such\x1b[31m account"}'), effect="read").message
    assert "HTTP 422 from POST https://pay.example/refunds" in message
    assert "no such account" in message
    assert "hunter2" not in message
    assert "pw" not in message
    assert "<html" not in classify(answered(502, "<html>" + "x" * 9_000), effect="read").message


def test_an_answer_that_was_not_read_is_classified_too() -> None:
    response = httpx.Response(409, stream=httpx.ByteStream(b""), request=REQUEST)
    error = httpx.HTTPStatusError("conflict", request=REQUEST, response=response)
    assert classify(error, effect="write").kind == "conflict"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("even this fails")


def test_messages_are_bounded_clean_and_without_traceback() -> None:
    assert classify(Unspeakable(), effect="read").message == "Unspeakable"
    long = classify(RuntimeError("x" * 1_000_000), effect="read").message
    assert len(long) <= 500
    nested = RuntimeError("worker died\nTraceback (most recent call last):\n  File secret.py")
    assert classify(nested, effect="read").message == "RuntimeError: worker died"
    assert "\x1b" not in classify(RuntimeError("\x1b[31mred"), effect="read").message


@given(st.text(), st.sampled_from(["read", "egress", "write", "irreversible"]))
def test_any_message_is_bounded(text: str, effect: Effect) -> None:
    assert len(classify(RuntimeError(text), effect=effect).message) <= 600


# --- Retry-After -----


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "99999999"}, 86_400.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"date": "Wed, 21 Oct 2015 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2015 07:29:30 GMT"}, 90.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:29:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_honoured(headers: dict[str, str], seconds: float | None) -> None:
    assert classify(ProviderError(429, headers), effect="write").retry_after == seconds
    assert classify(answered(429, **headers), effect="read").retry_after == seconds


def test_a_wrapped_answer_still_says_when_to_try_again() -> None:
    wrapped = RuntimeError("the client failed")
    wrapped.__cause__ = ProviderError(429, {"retry-after": "7"})
    error = classify(wrapped, effect="read")
    assert (error.kind, error.retry_after) == ("rate_limit", 7.0)


def test_other_clients_shapes_are_known() -> None:
    boto: Any = Exception("throttled")
    boto.response = {"ResponseMetadata": {"HTTPStatusCode": 429}}
    assert status_of(boto) == 429
    aio: Any = Exception("gone")
    aio.status, aio.headers = 503, {"Retry-After": "2"}
    assert status_of(aio) == 503
    assert retry_after_of(aio) == 2.0
    urllib_error = urllib.error.HTTPError("http://x", 404, "no", Message(), None)
    assert classify(urllib_error, effect="write").kind == "permanent"
    urllib_error.close()
    exit_code: Any = Exception("not HTTP")
    exit_code.code = 1
    assert status_of(exit_code) is None
