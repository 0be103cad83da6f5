"""Proposed calls: what they are bound to, and what a model sees of their result."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.result import ToolResult
from pilotman.guardrails.policy import Call

CALL = ProposedCall(
    call_id="c1", tool="open_ticket", args={"title": "x", "n": 1}, path="task:t1/turn:0/call:0"
)


def test_the_digest_is_that_of_the_policy_s_call() -> None:
    assert CALL.digest == Call(tool="open_ticket", args={"n": 1, "title": "x"}).digest
    assert replace(CALL, path="elsewhere", call_id="c2").digest == CALL.digest
    assert replace(CALL, args={"title": "x", "n": 2}).digest != CALL.digest
    assert replace(CALL, tool="close_ticket").digest != CALL.digest


def test_it_survives_json() -> None:
    done = CALL.finished(ToolResult.partial({"a": [1]}, "cut"))
    assert ProposedCall.from_dict(json.loads(json.dumps(done.to_dict()))) == done


def test_the_model_sees_the_result_without_what_is_empty() -> None:
    message = CALL.finished(ToolResult.ok({"id": "OPS-1"})).message()
    assert message["role"] == "tool"
    assert (message["tool_call_id"], message["name"]) == ("c1", "open_ticket")
    assert json.loads(message["content"]) == {"status": "ok", "value": {"id": "OPS-1"}}
    zero = CALL.finished(ToolResult.ok(0)).message()
    assert json.loads(zero["content"])["value"] == 0, "nothing is not the same as no result"
    refused = CALL.finished(failure("authorization", "no")).message()
    assert json.loads(refused["content"])["error"]["message"] == "no"


def test_a_call_without_a_result_has_no_message() -> None:
    with pytest.raises(ValueError, match="no result yet"):
        CALL.message()


def test_our_refusals_are_not_to_be_tried_again() -> None:
    error = failure("transient", "given a rest").error
    assert error is not None
    assert not error.retryable
