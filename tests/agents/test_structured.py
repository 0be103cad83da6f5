"""What must not break: a structure is found where models put it, and checked strictly."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from pilotman.agents.structured import ModelGarbage, schema_tool, structured


class Leave(BaseModel):
    """A leave."""

    model_config = ConfigDict(strict=True, extra="forbid")
    day: date
    names: tuple[str, ...]


WANTED = Leave(day=date(2026, 5, 3), names=("a", "b"))
JSON = '{"day": "2026-05-03", "names": ["a", "b"]}'


def said(content: Any, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


@pytest.mark.parametrize(
    "message",
    [
        said("", {"name": "Leave", "args": {"day": "2026-05-03", "names": ["a", "b"]}}),
        said(JSON),
        said(f"Here it is:\n```json\n{JSON}\n```\nDone {{}}."),
        said(f"Sure! {JSON} That is all."),
        said([{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": JSON}]),
        said(JSON, {"name": "other", "args": {}}),
        said(
            "",
            {"name": "Leave", "args": {}},
            {"name": "Leave", "args": {"day": "2026-05-03", "names": ["a", "b"]}},
        ),
    ],
)
def test_where_models_put_it(message: dict[str, Any]) -> None:
    assert structured(message, Leave) == WANTED


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (said("no idea"), "no JSON"),
        (said("\x00\ufffd} {"), "no JSON"),
        (said('{"day": "soon", "names": []}'), "day"),
        (said('{"day": "2026-05-03", "names": [], "sure": true}'), "sure"),
        (said("", {"name": "Leave", "args": {"day": "2026-05-03"}}), "names"),
        (said("[1, 2]"), "not a valid Leave"),
    ],
)
def test_everything_else_is_garbage_and_says_why(message: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelGarbage, match=why):
        structured(message, Leave)


def test_many_problems_are_summed_up() -> None:
    class Wide(BaseModel):
        a: int
        b: int
        c: int
        d: int
        e: int
        f: int
        g: int

    with pytest.raises(ModelGarbage, match="and 2 more"):
        structured(said("{}"), Wide)


def test_the_tool_is_named_and_described_after_the_schema() -> None:
    tool = schema_tool(Leave)
    assert (tool["name"], tool["description"]) == ("Leave", "A leave.")
    assert set(tool["parameters"]["required"]) == {"day", "names"}
