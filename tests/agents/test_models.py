"""What must not break: every role has a chain that ends in rules, and a wrong name fails at once, clearly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.fakes import ScriptedChatModel
from pilotman.agents.models import ModelTable, Role, model_name, role_for
from pilotman.agents.rules.model import ChatRules
from pilotman.guardrails.errors import ConfigurationError

ROLES: list[Role] = ["router", "planner", "worker", "critic", "writer"]


def scripted() -> ScriptedChatModel:
    return ScriptedChatModel(["x"])


def rules_of(table: ModelTable, role: Role) -> list[bool]:
    return [tier.model.fallback for tier in table.chain(role) if isinstance(tier.model, ChatRules)]


def test_rules_alone_may_write() -> None:
    table = ModelTable.resolve("pilotman:rules")
    for role in ROLES:
        assert [tier.name for tier in table.chain(role)] == ["pilotman:rules"]
        assert table.chain(role)[0].rules
        assert rules_of(table, role) == [False]


@pytest.mark.parametrize("named", [False, True])
def test_rules_behind_a_model_may_not_write(named: bool) -> None:
    model = scripted()
    table = ModelTable.resolve([model, "pilotman:rules"] if named else model)
    assert [tier.rules for tier in table.chain("worker")] == [False, True]
    assert rules_of(table, "worker") == [True]


def test_an_instance_of_rules_may_write_where_it_was_chosen() -> None:
    chosen = ChatRules()
    assert ModelTable.resolve(chosen).chain("worker")[0].model is chosen
    table = ModelTable.resolve([scripted(), chosen])
    assert rules_of(table, "worker") == [True]
    assert len(table.chain("worker")) == 2
    assert not chosen.fallback


def test_roles_stand_in_for_each_other() -> None:
    planner, worker = scripted(), scripted()
    table = ModelTable.resolve({"planner": planner, "worker": [worker]})
    first = {role: table.chain(role)[0].model for role in ROLES}
    assert first == {
        "planner": planner,
        "critic": planner,
        "worker": worker,
        "router": worker,
        "writer": worker,
    }
    assert (table.has("router"), table.has("worker")) == (False, True)


@given(st.sets(st.sampled_from(ROLES), min_size=1))
def test_every_role_has_a_chain_whatever_is_configured(configured: set[Role]) -> None:
    table = ModelTable.resolve(dict.fromkeys(configured, "pilotman:rules"))
    assert all(table.chain(role)[-1].rules for role in ROLES)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("gpt-5", "provider:name"),
        ("", "provider:name"),
        ("openai:", "provider:name"),
        ("pilotman:brain", "pilotman:rules"),
        ("nosuchprovider:x", "nosuchprovider"),
        ([], "empty"),
        ({}, "empty"),
        ({"boss": "pilotman:rules"}, "boss"),
        ({"worker": []}, "empty"),
        ([3], "is no model"),
    ],
)
def test_a_wrong_name_fails_at_once_in_one_line(models: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ModelTable.resolve(models)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_names() -> None:
    assert model_name(ChatRules()) == "pilotman:rules"
    assert model_name(scripted()) == "pilotman:scripted"
    assert ModelTable.resolve({"worker": scripted()}).names() == {
        "worker": ["pilotman:scripted", "pilotman:rules"]
    }


def test_small_reads_go_to_the_router_only_where_there_is_one() -> None:
    with_router = ModelTable.resolve({"router": "pilotman:rules", "worker": "pilotman:rules"})
    without = ModelTable.resolve({"worker": "pilotman:rules"})
    assert role_for("work", effects=["read"], small=True, table=with_router) == "router"
    assert role_for("work", effects=["read"], small=True, table=without) == "worker"
    assert role_for("work", effects=["read"], small=True) == "worker"
    assert role_for("work", effects=["read", "write"], small=True, table=with_router) == "worker"


def test_high_stakes_go_to_the_planner() -> None:
    assert role_for("work", effects=["irreversible"], small=True) == "planner"
    assert role_for("work", effects=["read"], replanned=True) == "planner"
    assert role_for("work", effects=["write"]) == "worker"


def test_each_other_step_has_its_role() -> None:
    assert [role_for(s) for s in ("plan", "validate", "answer")] == ["planner", "critic", "writer"]
