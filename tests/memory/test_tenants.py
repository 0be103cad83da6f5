"""Every method that takes an id is tried with another tenant's: it finds nothing at all."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import InvalidRequest, NotFound
from pilotman.guardrails.level import Scope
from pilotman.memory.journal.journal import Journal

pytestmark = pytest.mark.anyio
EVE = Principal(tenant="evil", user="eve")
Try: TypeAlias = Callable[[Journal, dict[str, str]], Awaitable[Any]]

BY_ID: dict[str, Try] = {
    "run": lambda j, i: j.run(i["run"], tenant=i["tenant"]),
    "story": lambda j, i: j.story(i["run"], tenant=i["tenant"]),
    "transitions": lambda j, i: j.transitions(i["run"], tenant=i["tenant"]),
    "request_cancel": lambda j, i: j.request_cancel(i["run"], tenant=i["tenant"], reason="x"),
    "events": lambda j, i: j.events(i["run"], tenant=i["tenant"]),
    "erase_run": lambda j, i: j.erase_run(i["run"], tenant=i["tenant"]),
    "erase_what_came": lambda j, i: j.erase_what_came(i["run"], tenant=i["tenant"], actor="x", answer=True),
    "payload": lambda j, i: j.payload(i["run"], i["payload"], tenant=i["tenant"]),
    "redact_payload": lambda j, i: j.redact_payload(i["run"], i["payload"], tenant=i["tenant"], reason="x"),
    "effects": lambda j, i: j.effects(i["run"], tenant=i["tenant"]),
    "actions": lambda j, i: j.actions(i["run"], tenant=i["tenant"]),
    "effect": lambda j, i: j.effect(i["effect"], tenant=i["tenant"]),
    "approval": lambda j, i: j.approval(i["approval"], tenant=i["tenant"]),
    "answer": lambda j, i: j.answer(i["approval"], tenant=i["tenant"], state="approved", by=EVE),
}
LISTS: dict[str, Try] = {
    "runs": lambda j, i: j.runs(tenant=i["tenant"], thread_id=i["thread"]),
    "approvals": lambda j, i: j.approvals(tenant=i["tenant"], run_id=i["run"]),
    "run_of": lambda j, i: j.run_of(i["request"], tenant=i["tenant"]),
    "effect_by_key": lambda j, i: j.effect_by_key(i["tenant"], i["key"]),
    "queue_length": lambda j, i: j.queue_length(i["tenant"]),
    "waiting": lambda j, i: j.waiting(supervisor="desk", tenant=i["tenant"]),
    "levels": lambda j, i: _settings(j, i["tenant"]),
}


async def _settings(journal: Journal, tenant: str) -> Any:
    return (await journal.levels(tenant)).settings


@pytest.fixture
async def full(owned: Journal, make: Any) -> tuple[Journal, dict[str, str]]:
    """A journal in which acme has one of everything, and the ids."""
    digest = owned.put_payload("run_1", b"{}")
    owned.append("run_1", [make.event("c", kind="tool_call_started", tool="t")])
    await owned.issue_permit(make.permit(), owner="me")
    await owned.intend(make.effect(), owner="me")
    await owned.request_approvals([make.approval()], owner="me")
    await owned.set_level(Scope(tenant="acme"), "full", principal=make.alice, reason="it is over")
    await owned.create_run(make.run("run_2", idempotency_key="req_2"), events=[], queued=True)
    ids = {"run": "run_1", "payload": digest, "effect": "eff_1", "approval": "apr_1"}
    return owned, ids | {"thread": "thread of run_1", "key": make.effect().key, "request": "req_2"}


def test_every_method_with_a_tenant_is_tried_here() -> None:
    methods = inspect.getmembers(Journal, inspect.isfunction)
    named = {name for name, method in methods if "tenant" in inspect.signature(method).parameters}
    assert {name for name in named if not name.startswith("_")} == BY_ID.keys() | LISTS.keys()


@pytest.mark.parametrize("name", BY_ID)
async def test_another_tenants_id_is_not_found(full: tuple[Journal, dict[str, str]], name: str) -> None:
    journal, ids = full
    missing = dict.fromkeys(ids, "nothing")
    with pytest.raises(NotFound) as foreign:
        await BY_ID[name](journal, {**ids, "tenant": "evil"})
    with pytest.raises(NotFound) as absent:
        await BY_ID[name](journal, {**missing, "tenant": "evil"})
    told = str(foreign.value)
    for thing in ids.values():
        told = told.replace(thing, "nothing")
    assert told == str(absent.value)
    await BY_ID[name](journal, {**ids, "tenant": "acme"})


@pytest.mark.parametrize("name", LISTS)
async def test_lists_hold_ones_own_alone(full: tuple[Journal, dict[str, str]], name: str) -> None:
    journal, ids = full
    assert not await LISTS[name](journal, {**ids, "tenant": "evil"})
    assert await LISTS[name](journal, {**ids, "tenant": "acme"})


async def test_nothing_foreign_was_changed(full: tuple[Journal, dict[str, str]]) -> None:
    journal, ids = full
    for call in BY_ID.values():
        with pytest.raises(NotFound):
            await call(journal, {**ids, "tenant": "evil"})
    assert (await journal.run("run_1", tenant="acme")).cancel_requested is None
    assert (await journal.approval("apr_1", tenant="acme")).state == "pending"
    assert await journal.payload("run_1", ids["payload"], tenant="acme") == b"{}"


@pytest.mark.parametrize("value", ["a\x00b", "\udcff", "run_1' OR '1'='1", "x" * 100_000])
async def test_ids_that_nobody_gave_find_nothing(full: tuple[Journal, dict[str, str]], value: str) -> None:
    journal, ids = full
    strange = dict.fromkeys(ids, value)
    for call in BY_ID.values():
        with pytest.raises((NotFound, InvalidRequest)):
            await call(journal, {**strange, "tenant": "acme"})
    for call in LISTS.values():
        try:
            assert not await call(journal, {**strange, "tenant": value})
        except InvalidRequest:
            continue
