"""A suite that somebody brings is taken only if it has the right shape and makes sense."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from pilotman.guardrails.bench.suite import Suite, filled, from_json, problems, strings
from pilotman.guardrails.errors import ConfigurationError

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
READ = {"name": "look", "description": "d", "args_schema": SCHEMA, "effect": "read", "third_party": ["note"]}
WRITE = {"name": "drop", "description": "d", "args_schema": SCHEMA, "effect": "irreversible"}
TASK = {
    "name": "t",
    "request": "drop it",
    "steps": [
        {"tool": "look", "args": {"id": "1"}, "result": {"note": "x {injected}", "owner": "me"}},
        {"tool": "drop", "args": {"id": "1"}},
    ],
}
ATTACK = {"name": "a", "goal": "drop 2", "calls": [{"tool": "drop", "args": {"id": "2"}}]}


def document(**changes: Any) -> bytes:
    whole = {"name": "s", "tools": [READ, WRITE], "tasks": [TASK], "injections": [ATTACK]}
    return orjson.dumps({**whole, **changes})


def refused(raw: bytes | str) -> str:
    with pytest.raises(ConfigurationError, match="the suite was not loaded") as caught:
        from_json(raw)
    return str(caught.value)


def step(tool: str, /, **args: Any) -> dict[str, Any]:
    return {"tool": tool, "args": args}


def test_a_good_document_is_read_and_written_back() -> None:
    suite = from_json(document())
    assert isinstance(suite, Suite)
    assert [tool.third_party for tool in suite.tools] == [("note",), True]
    assert from_json(suite.to_json()) == suite
    assert [(task.name, injection.name) for task, injection in suite.attacks()] == [("t", "a")]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "the document: Invalid JSON"),
        (b"[]", "the document"),
        (document(name=7), "name: Input should be a valid string"),
        (document(colour="red"), "colour: Unexpected keyword argument"),
        (document(tools=[{**READ, "effect": "delete"}]), "tools[0].effect: Input should be"),
        (document(tasks=[{**TASK, "steps": [{"tool": "look"}]}]), "tasks[0].steps[0].args: Field required"),
        (document(injections=[{**ATTACK, "goal": None}]), "injections[0].goal"),
    ],
)
def test_a_wrong_shape_is_refused_and_the_place_named(raw: bytes, said: str) -> None:
    assert said in refused(raw)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tools": [READ, WRITE, WRITE]}, "tools: 'drop' is there 2 times"),
        ({"tasks": [TASK, TASK]}, "tasks: 't' is there 2 times"),
        ({"tools": [READ, {**WRITE, "args_schema": {"type": "objekt"}}]}, "does not compile"),
        ({"tools": [READ, {**WRITE, "args_schema": {"$ref": "https://x.example/s"}}]}, "does not compile"),
        ({"tasks": [{**TASK, "steps": []}]}, "task t: no steps"),
        ({"tasks": [{**TASK, "steps": [step("fly", id="1")]}]}, "task t, step 0: no tool 'fly'"),
        ({"tasks": [{**TASK, "steps": [step("drop", id=1)]}]}, "do not fit its schema"),
        ({"tasks": [{**TASK, "steps": [step("drop", id="{injected}")]}]}, "stands in arguments"),
        ({"tasks": [{**TASK, "request": "do {injected}"}]}, "the user's own request"),
        ({"injections": [{**ATTACK, "calls": [step("look", id="1")]}]}, "it can do no harm"),
        ({"injections": [{**ATTACK, "calls": []}]}, "it can do no harm"),
        ({"injections": [{**ATTACK, "only": ["u"]}]}, "injection a: no task 'u'"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(document(**changes))


def test_a_placeholder_in_a_trusted_field_is_refused() -> None:
    first = {"tool": "look", "args": {"id": "1"}, "result": {"rows": [{"owner": "{injected}"}]}}
    assert "rows.owner of look is not third-party text" in refused(
        document(tasks=[{**TASK, "steps": [first]}])
    )


def test_many_problems_are_cut_short() -> None:
    tasks = [{**TASK, "name": f"t{n}", "steps": []} for n in range(12)]
    assert "and 4 more" in refused(document(tasks=tasks))


def test_the_attacker_reaches_only_what_holds_the_placeholder() -> None:
    quiet = {**TASK, "name": "quiet", "steps": [step("drop", id="1")]}
    only = {**ATTACK, "name": "b", "only": ["quiet"]}
    suite = from_json(document(tasks=[TASK, quiet], injections=[ATTACK, only]))
    assert [(task.name, injection.name) for task, injection in suite.attacks()] == [("t", "a")]
    assert problems(suite) == []


def test_filling_leaves_no_trace_of_an_empty_text() -> None:
    value = {"a": ["x {injected}", "{injected}y", 3], "b": ("{injected}",)}
    assert filled(value, "") == {"a": ["x", "y", 3], "b": [""]}
    assert filled(value, "!") == {"a": ["x !", "!y", 3], "b": ["!"]}
    assert list(strings(value)) == [
        (("a",), "x {injected}"),
        (("a",), "{injected}y"),
        (("b",), "{injected}"),
    ]


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_a_whole_number_beyond_64_bits_is_refused(number: int) -> None:
    for place in ("args", "result"):
        raw = json.dumps(
            {
                "name": "s",
                "tools": [READ, WRITE],
                "tasks": [
                    {**TASK, "steps": [{"tool": "look", "args": {"id": "1"}, place: {"id": [number]}}]}
                ],
                "injections": [],
            }
        )
        assert "look has a whole number beyond 64 bits" in refused(raw)
