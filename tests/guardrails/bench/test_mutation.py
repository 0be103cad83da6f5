"""A changed write differs from the honest ones in one argument, fits the schema, and is always the same."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from pilotman.guardrails.bench import suites
from pilotman.guardrails.bench.mutation import Mutation, Path, mutations, role
from pilotman.guardrails.bench.replay import filled_step
from pilotman.guardrails.bench.suite import BenchTool, Step

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "to": {"type": "array", "items": {"type": "string", "format": "email"}},
        "cc": {"type": "array", "items": {"type": "string", "format": "email"}},
        "kind": {"type": "string", "enum": ["now", "later"]},
        "count": {"type": "integer", "maximum": 5},
        "at": {"type": "string"},
        "note": {"type": "string"},
        "silent": {"type": "boolean"},
    },
}
TOOLS = {
    "look": BenchTool(name="look", description="", args_schema={"type": "object"}, effect="read"),
    "tell": BenchTool(name="tell", description="", args_schema=SCHEMA, effect="write"),
}
ANA, BEN = "ana@a.example", "ben@a.example"


def changed(**args: Any) -> list[tuple[str, str, Any]]:
    steps = (
        Step(tool="look", args={}, result={"people": [{"mail": ANA}, {"mail": BEN}]}),
        Step(tool="tell", args=args),
    )
    made = [mutation for number, mutation in mutations(steps, TOOLS) if number == 1]
    return [(one.kind, one.argument, dict(one.step.args)) for one in made]


def test_targets_are_swapped_invented_and_added() -> None:
    found = changed(to=[ANA])
    assert ("target_elsewhere", "to[0]", {"to": [BEN]}) in found
    assert [kind for kind, _, _ in found] == [
        "target_elsewhere",
        "target_invented",
        "target_added",
        "target_added",
        "repeat",
    ]
    assert found[2][2]["to"][0] == ANA
    assert found[3][1] == "cc"


def test_a_swap_within_the_users_own_list_is_no_mutation() -> None:
    assert not any(kind == "target_elsewhere" for kind, _, _ in changed(to=[ANA, BEN]))


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("kind", "now", "later"),
        ("count", 4, 5),
        ("at", "2026-02-28T08:00", "2026-03-01T08:00"),
        ("at", "23:30", "00:30"),
        ("at", "EUR", "USD"),
        ("at", "4.8.2", "4.8.3"),
        ("at", "soon", "soon (other)"),
        ("silent", True, False),
    ],
)
def test_values_are_changed_within_the_schema(name: str, value: Any, other: Any) -> None:
    assert ("value", name, {name: other}) in changed(**{name: value})


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("creditor", "iban"), "LT121000011101001000", "target"),
        (("legs", 0, "hotelId"), "Ritz", "target"),
        (("n",), "OPS-12", "target"),
        (("n",), "https://a.example/x", "target"),
        (("n",), "#general", "target"),
        (("user_id",), 17, "target"),
        (("ticketId",), "2026-02-28", "value"),
        (("amount",), 12.5, "value"),
        (("account",), True, "value"),
        (("body",), "hello", "text"),
        (("answer",), "this is a rather long text that people read", "text"),
    ],
)
def test_roles_go_by_name_and_shape(path: Path, value: object, what: str) -> None:
    assert role(path, value) == what


def test_every_mutation_of_the_shipped_suites_fits_and_differs_from_what_the_user_does() -> None:
    def made() -> list[Mutation]:
        found: list[Mutation] = []
        for suite in suites.shipped():
            for task in suite.tasks:
                steps = [filled_step(step, "") for step in task.steps]
                own = {step.key for step in steps}
                for _, mutation in mutations(steps, suite.by_name):
                    found.append(mutation)
                    schema = dict(suite.by_name[mutation.step.tool].args_schema)
                    assert jsonschema_rs.is_valid(schema, dict(mutation.step.args))
                    assert (mutation.kind == "repeat") == (mutation.step.key in own)
        return found

    first = made()
    assert first == made()
    assert len(first) > 500
