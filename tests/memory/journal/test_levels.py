"""Levels in the journal: a switch stops writes in every process, and nothing of it is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.memory.conftest import START, Clock
from tests.memory.test_processes import finish, start

from pilotman.guardrails.errors import InvalidRequest, PermissionDenied, PilotmanError, Unavailable
from pilotman.guardrails.level import EVERY_TENANT, Scope, Setting
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import Levels, Switched

pytestmark = pytest.mark.anyio
ALICE = Principal(tenant="acme", user="alice")
EVE = Principal(tenant="globex", user="eve")
OPS = Principal(tenant="ops", user="olga", roles=frozenset({"operator"}))


@pytest.fixture
async def permitted(owned: Journal, make: Any) -> Journal:
    """A journal with a permit for ``run_1``."""
    await owned.issue_permit(make.permit(), owner="me")
    return owned


async def switch(
    journal: Journal, level: Any, by: Principal = ALICE, tenant: str = "acme", **scope: Any
) -> Levels:
    return await journal.set_level(Scope(tenant=tenant, **scope), level, principal=by, reason="because")


def told(settings: Sequence[Setting]) -> list[str]:
    return [str(setting) for setting in settings]


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"tool": "create_ticket"},
        {"effect": "write"},
        {"agent": "operator"},
        {"agent": "desk"},
        {"agent": "desk", "tool": "create_ticket", "effect": "write"},
    ],
)
@pytest.mark.parametrize("level", ["off", "read_only", "constrained"])
async def test_a_write_that_the_level_forbids_is_not_even_intended(
    permitted: Journal, make: Any, level: str, scope: Any
) -> None:
    await switch(permitted, level, **scope)
    with pytest.raises(Switched, match="nothing was written") as caught:
        await permitted.intend(make.effect(), owner="me", events=[make.event("i")])
    assert caught.value.level == level
    assert await permitted.effects("run_1", tenant="acme") == []
    assert len(await permitted.events("run_1", tenant="acme")) == 1
    with pytest.raises(Switched):
        await permitted.check_level(make.effect())
    await switch(permitted, "full", **scope)
    assert (await permitted.intend(make.effect(), owner="me"))[1]
    assert await permitted.check_level(make.effect()) > 0


@pytest.mark.parametrize(
    "scope",
    [
        {"tool": "other"},
        {"effect": "irreversible"},
        {"agent": "other"},
        {"tool": "create_ticket", "agent": "x"},
    ],
)
async def test_other_scopes_are_none_of_its_business(permitted: Journal, make: Any, scope: Any) -> None:
    await switch(permitted, "off", **scope)
    assert (await permitted.intend(make.effect(), owner="me"))[1]


async def test_another_tenants_switch_is_none_of_its_business_and_everybodys_is(
    permitted: Journal, make: Any
) -> None:
    await switch(permitted, "off", EVE, "globex")
    await permitted.check_level(make.effect())
    await switch(permitted, "off", OPS, EVERY_TENANT)
    with pytest.raises(Switched):
        await permitted.check_level(make.effect())


async def test_a_person_s_yes_lifts_a_write_over_constrained_and_no_higher(owned: Journal, make: Any) -> None:
    await owned.issue_permit(make.permit(approval_id="apr_1"), owner="me")
    await switch(owned, "constrained")
    assert (await owned.intend(make.effect(), owner="me"))[1]
    await switch(owned, "read_only")
    with pytest.raises(Switched):
        await owned.check_level(make.effect())


async def test_a_write_without_any_permit_in_the_journal_is_stopped_too(owned: Journal, make: Any) -> None:
    await switch(owned, "constrained")
    with pytest.raises(Switched):
        await owned.intend(make.effect(), owner="me")


async def test_the_last_setting_of_a_scope_counts_and_all_are_kept(journal: Journal, clock: Clock) -> None:
    await switch(journal, "off")
    clock.forward(seconds=1)
    await switch(journal, "constrained", tool="pay")
    await switch(journal, "read_only")
    assert told((await journal.levels("acme")).settings) == [
        "alice set tool pay in tenant acme to constrained: because",
        "alice set everything in tenant acme to read_only: because",
    ]
    kept = (await journal.levels("acme", history=True)).settings
    assert [setting.number for setting in kept] == [1, 2, 3]
    assert [setting.level for setting in kept] == ["off", "constrained", "read_only"]
    assert (kept[1].at - kept[0].at).total_seconds() == 1
    assert kept[0].at == START


async def test_a_setting_comes_back_as_it_was_made(journal: Journal) -> None:
    scope = {"agent": "ops", "tool": "pay", "effect": "irreversible"}
    done = await switch(journal, "off", OPS, "acme", **scope)
    assert done.in_flight == ()
    assert (await journal.levels("acme")).settings == done.settings
    [stored] = done.settings
    assert (stored.by, stored.as_operator, stored.number) == ("olga", True, 1)


async def test_a_tenant_sees_its_own_and_everybodys_settings(journal: Journal) -> None:
    await switch(journal, "off", EVE, "globex")
    await switch(journal, "constrained", OPS, EVERY_TENANT)
    await switch(journal, "read_only")
    assert [s.level for s in (await journal.levels("acme")).settings] == ["constrained", "read_only"]
    assert len((await journal.levels(None)).settings) == 3


async def test_who_may_not_changes_nothing(journal: Journal) -> None:
    for tenant in ("globex", EVERY_TENANT):
        with pytest.raises(PermissionDenied, match="acme only"):
            await switch(journal, "off", ALICE, tenant)
    await switch(journal, "constrained", OPS, "acme")
    await switch(journal, "off")
    with pytest.raises(PermissionDenied, match="constrained by an operator"):
        await switch(journal, "full")
    await switch(journal, "constrained")
    await switch(journal, "full", OPS, "acme")
    await switch(journal, "full")
    with pytest.raises(InvalidRequest, match="reason"):
        await journal.set_level(Scope(tenant="acme"), "off", principal=ALICE, reason="")
    kept = (await journal.levels(None, history=True)).settings
    assert [s.level for s in kept] == ["constrained", "off", "constrained", "full", "full"]


async def test_writes_in_flight_that_a_switch_would_have_stopped_are_listed(
    permitted: Journal, make: Any
) -> None:
    await permitted.intend(make.effect(), owner="me")
    await permitted.issue_permit(make.permit("pmt_2", approval_id="apr_1", tool="pay"), owner="me")
    yes = make.effect("eff_2", permit_id="pmt_2", tool="pay", key="k2", effect="irreversible")
    await permitted.intend(yes, owner="me")
    for level, stopped in [
        ("off", ["create_ticket", "pay"]),
        ("read_only", ["create_ticket", "pay"]),
        ("constrained", ["create_ticket"]),
        ("full", []),
    ]:
        done = await switch(permitted, level)
        assert [write.tool for write in done.in_flight] == stopped, level
    assert [w.tool for w in (await switch(permitted, "off", tool="pay")).in_flight] == ["pay"]
    assert [w.tool for w in (await switch(permitted, "off", agent="nobody")).in_flight] == []
    assert (await switch(permitted, "off", EVE, "globex")).in_flight == ()
    assert len((await switch(permitted, "off", OPS, EVERY_TENANT)).in_flight) == 2
    write = (await permitted.levels("acme")).in_flight[0]
    assert (write.run_id, write.owner, write.since, write.chain) == (
        "run_1",
        "me",
        START,
        ("desk", "operator"),
    )
    await permitted.settle("eff_1", state="applied")
    await permitted.settle("eff_2", state="unknown")
    assert (await permitted.levels("acme")).in_flight == ()


async def test_of_switches_and_intents_at_once_no_intent_comes_after_the_switch(
    owned: Journal, make: Any
) -> None:
    """In the order in which the database took them: intents before the switch, and none behind it."""
    for number in range(40):
        await owned.issue_permit(make.permit(f"pmt_{number}"), owner="me")
    done: list[str] = []

    async def intend(number: int) -> None:
        try:
            await owned.intend(
                make.effect(f"eff_{number}", permit_id=f"pmt_{number}", key=f"k{number}"), owner="me"
            )
            done.append("intent")
        except Switched:
            done.append("refused")

    async def off() -> None:
        await switch(owned, "off")
        done.append("switch")

    await asyncio.gather(*(intend(n) for n in range(20)), off(), *(intend(n) for n in range(20, 40)))
    at = done.index("switch")
    assert "refused" not in done[:at]
    assert "intent" not in done[at:]


async def test_a_copy_is_read_again_when_it_is_too_old_and_after_a_switch_of_its_own(
    journal: Journal,
) -> None:
    assert list(await journal.settings(age=60)) == []
    await switch(journal, "off")
    assert len(await journal.settings(age=60)) == 1


async def test_two_journals_see_each_other_s_switches(shared_url: str, make: Any) -> None:
    one, other = Journal(shared_url), Journal(shared_url)
    await one.start()
    await other.start()
    await one.create_run(make.run(owner="me"), events=[])
    await one.issue_permit(make.permit(), owner="me")
    assert list(await one.settings(age=60)) == []
    await switch(other, "off")
    assert list(await one.settings(age=60)) == [], "a copy may be as old as it was asked for"
    assert len(await one.settings(age=0)) == 1
    with pytest.raises(Switched):
        await one.intend(make.effect(), owner="me")
    await one.aclose()
    await other.aclose()


async def test_processes_that_switch_at_once_lose_nothing(shared_url: str) -> None:
    body = """
from pilotman.guardrails.level import Scope
for i in range(20):
    await journal.set_level(Scope(tenant="acme", tool=name), "off", principal=bob, reason=str(i))
"""
    await asyncio.to_thread(finish, [start(shared_url, name, body) for name in ("a", "b", "c")])
    journal = Journal(shared_url)
    await journal.start()
    kept = (await journal.levels("acme", history=True)).settings
    assert [setting.number for setting in kept] == list(range(1, 61))
    for name in ("a", "b", "c"):
        assert [s.reason for s in kept if s.scope.tool == name] == [str(i) for i in range(20)]
    assert [s.reason for s in (await journal.levels("acme")).settings] == ["19"] * 3
    await journal.aclose()


@pytest.fixture
async def locked(make: Any, tmp_path: Any) -> AsyncIterator[Journal]:
    """A journal with a permit, whose database another process holds."""
    journal = Journal(f"sqlite:///{tmp_path}/j.db", busy_timeout=0.1)
    await journal.start()
    await journal.create_run(make.run(owner="me"), events=[])
    await journal.issue_permit(make.permit(), owner="me")
    engine = create_engine(f"sqlite:///{tmp_path}/j.db")
    with engine.connect() as holder:
        holder.execute(text("BEGIN IMMEDIATE"))
        yield journal
        holder.rollback()
    engine.dispose()
    await journal.aclose()


async def test_where_the_store_cannot_be_reached_nothing_is_intended_or_switched(
    locked: Journal, make: Any
) -> None:
    with pytest.raises(Unavailable):
        await locked.intend(make.effect(), owner="me")
    with pytest.raises(Unavailable):
        await switch(locked, "off")


async def test_a_store_without_levels_lets_nothing_through(make: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    journal = Journal(url)
    await journal.start()
    await journal.create_run(make.run(owner="me"), events=[])
    await journal.issue_permit(make.permit(), owner="me")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE levels"))
    engine.dispose()
    for ask in (
        journal.intend(make.effect(), owner="me"),
        journal.check_level(make.effect()),
        journal.settings(age=0),
    ):
        with pytest.raises(PilotmanError):
            await ask
    assert await journal.effects("run_1", tenant="acme") == []
    await journal.aclose()
