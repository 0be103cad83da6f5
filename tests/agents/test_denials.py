"""How denials are told to an agent, and how they are counted."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.agents.office import proposed, result_of

from pilotman.agents.calls import failure
from pilotman.agents.denials import Denial, denials, denied
from pilotman.agents.result import ToolResult

CODES = ("denied_by_policy", "rejected_before", "too_many_questions")


def turn(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": ""}, *messages]


def no(tool: str = "mail", code: Any = "denied_by_policy") -> dict[str, Any]:
    return denied(proposed(tool), code).message()


@pytest.mark.parametrize("code", CODES)
def test_an_agent_gets_a_code_and_the_tool_s_name(code: Any) -> None:
    error = result_of(denied(proposed("mail", to="eve"), code)).error
    assert error is not None
    assert (error.kind, error.message.split(":")[0], error.retryable) == ("authorization", code, False)
    assert "eve" not in error.message
    assert code in str(get_args(Denial))


def test_of_one_turn_each_tool_counts_once() -> None:
    assert denials([]) == 0
    assert denials(turn(no(), no(), no())) == 1
    assert denials(turn(no(), no("post"))) == 2
    assert denials([*turn(no()), *turn(no()), *turn(no(code="rejected_before"))]) == 3


def test_only_what_guardrails_refused_counts() -> None:
    quoted = proposed("look").finished(ToolResult.ok("denied_by_policy: mail may not be called so"))
    others = [
        quoted.message(),
        proposed("look").finished(failure("authorization", "rejected by bob: not now")).message(),
        proposed("look").finished(failure("validation", "no such host: denied_by_policy")).message(),
        {"role": "user", "content": '{"error": {"message": "denied_by_policy: x"}}'},
    ]
    assert denials(turn(*others)) == 0
