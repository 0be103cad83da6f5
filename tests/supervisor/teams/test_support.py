"""The support team: one's own account without a person, somebody else's never, other tenants' not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pilotman.agents import Tool, ToolContext
from pilotman.agents.blocking import Threads
from pilotman.guardrails import Call, Label, Principal
from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.policy import decide
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor.teams import support_team
from pilotman.supervisor.teams.clerk import Clerk
from pilotman.supervisor.teams.samples import support_policies
from pilotman.supervisor.teams.shop import SQLiteShop, add_samples
from pilotman.supervisor.teams.support import classify, intake, support_policy

ALICE = Principal(tenant="acme", user="alice")
STAFF = Principal(tenant="acme", user="sam", roles=frozenset({"support"}))


def did(tool: Tool[..., Any], **args: Any) -> Any:
    """What the tool's function returns."""
    return tool.fn(**args)


@pytest.fixture
def shop(tmp_path: Path) -> SQLiteShop:
    shop = SQLiteShop(tmp_path / "shop.db")
    add_samples(shop, tenant="acme", customer="alice", today=date(2026, 11, 18))
    return shop


def email(shop: SQLiteShop, customer: str = "alice") -> str:
    account = shop.account(tenant="acme", customer=customer)
    assert account is not None
    return account.email


@pytest.mark.anyio
async def test_a_refund_is_told_and_an_account_updated_under_a_permit(shop: SQLiteShop) -> None:
    ours = Label(author="user", trusted=True, tenant="acme")
    corpus = Corpus([FolderSource(support_policies(), label=ours)], embedding=None)
    async with support_team(shop=shop, corpus=corpus) as team:
        text = "Where is my refund for order A-1001? And please change my email to alice@new.example."
        run = await team.run(text, principal=ALICE)
        kinds = [event.kind async for event in team.events(run.run_id, principal=ALICE)]
    assert run.state == "COMPLETED"
    assert run.answer is not None
    assert "EUR 89.00" in run.answer
    assert "approved" in run.answer
    assert email(shop) == "alice@new.example"
    assert [(action.tool, action.status) for action in run.actions] == [("update_account", "applied")]
    assert kinds.index("permit_issued") < kinds.index("effect_intended") < kinds.index("effect_applied")
    assert run.citations
    assert run.task_type == "support"


@pytest.mark.anyio
async def test_every_order_of_a_message_is_looked_up_and_what_is_too_much_is_said(shop: SQLiteShop) -> None:
    async with support_team(shop=shop) as team:
        two = await team.run("Where are my refunds for A-1001 and A-1002?", principal=ALICE)
        many = await team.run(
            f"Refunds for {', '.join(f'A-{n}' for n in range(1001, 1007))}?", principal=ALICE
        )
    assert two.answer is not None
    assert "EUR 89.00" in two.answer
    assert "EUR 129.50" in two.answer
    assert many.answer is not None
    assert "not looked up: A-1005, A-1006" in many.answer


@pytest.mark.anyio
async def test_somebody_elses_account_waits_for_a_person(shop: SQLiteShop) -> None:
    async with support_team(shop=shop) as team:
        run = await team.run("please update robin's email to robin@new.example", principal=ALICE)
        assert run.state == "ESCALATED"
        assert "not that of alice" in run.pending[0].reasons[0]
        assert (email(shop), email(shop, "robin")) == ("alice@example.com", "robin@example.com")
        await team.approve(run.pending[0].approval_id, principal=STAFF)
        run = await team.resume(run.run_id, principal=ALICE)
        assert run.state == "COMPLETED"
    assert (email(shop), email(shop, "robin")) == ("alice@example.com", "robin@new.example")


@pytest.mark.anyio
async def test_a_name_in_the_request_is_never_overlooked(shop: SQLiteShop) -> None:
    async with support_team(shop=shop) as team:
        run = await team.run("Change the email of robin to eve@new.example", principal=ALICE)
    assert run.state == "ESCALATED"
    assert run.pending[0].args["customer"] == "robin"
    assert email(shop) == "alice@example.com"


@pytest.mark.anyio
async def test_why_nothing_was_changed_is_said_in_words(shop: SQLiteShop) -> None:
    async with support_team(shop=shop) as team:
        run = await team.run("Please update my account", principal=ALICE)
    assert run.answer is not None
    assert "no new value was given" in run.answer
    assert "Error" not in run.answer


@pytest.mark.anyio
async def test_a_question_changes_nothing(shop: SQLiteShop) -> None:
    async with support_team(shop=shop) as team:
        run = await team.run("Was order A-1003 delivered?", principal=ALICE)
    assert run.state == "COMPLETED"
    assert run.actions == ()
    assert run.answer is not None
    assert "delivered" in run.answer


def clerks_tool(shop: SQLiteShop, name: str) -> Tool[..., Any]:
    return next(tool for tool in Clerk(shop).tools() if tool.name == name)


class TestReading:
    def tool(self, shop: SQLiteShop, name: str) -> Tool[..., Any]:
        return clerks_tool(shop, name)

    @pytest.mark.parametrize("name", ["refund_status", "order_status"])
    @pytest.mark.parametrize("order_id", ["B-2001", "A-9999"])
    def test_a_strangers_order_is_as_one_that_does_not_exist(
        self, shop: SQLiteShop, make_ctx: Callable[..., ToolContext], name: str, order_id: str
    ) -> None:
        told = did(self.tool(shop, name), order_ids=[order_id], ctx=make_ctx()).value
        nothing = f"there is no order {order_id} of this customer."
        assert told == {"summary": nothing, "orders": [{"summary": nothing, "found": False}]}

    def test_another_tenants_data_does_not_exist(
        self, shop: SQLiteShop, make_ctx: Callable[..., ToolContext]
    ) -> None:
        ctx = make_ctx(tenant="other")
        order = did(self.tool(shop, "order_status"), order_ids=["A-1001"], ctx=ctx).value
        assert order["summary"] == "there is no order A-1001 of this customer."
        assert not did(self.tool(shop, "account_details"), ctx=ctx)["found"]

    def test_a_refund_is_told_with_its_state_and_dates(self, shop: SQLiteShop, ctx: ToolContext) -> None:
        refund = self.tool(shop, "refund_status")
        assert "paid on 2026-10-25" in did(refund, order_ids=["A-1002"], ctx=ctx).value["summary"]
        assert "no refund was asked for" in did(refund, order_ids=["A-1003"], ctx=ctx).value["summary"]

    def test_an_account_is_shown_to_its_owner_only(
        self, shop: SQLiteShop, make_ctx: Callable[..., ToolContext]
    ) -> None:
        account = self.tool(shop, "account_details")
        assert did(account, ctx=make_ctx())["email_on_file"] == "alice@example.com"
        for who in ("robin", "nobody"):
            assert did(account, ctx=make_ctx(), customer=who) == {
                "summary": f"no account of {who} can be shown.",
                "found": False,
            }


class TestWriting:
    @pytest.mark.anyio
    async def test_it_is_done_once_found_and_taken_back(self, shop: SQLiteShop, ctx: ToolContext) -> None:
        tool, args, threads = clerks_tool(shop, "update_account"), {"email": "new@example.com"}, Threads()
        assert tool.idempotent
        assert await tool.find(args, ctx, timeout=5.0, threads=threads) is None
        done = did(tool, ctx=ctx, **args)
        assert did(tool, ctx=ctx, **args) == done
        found = await tool.find(args, ctx, timeout=5.0, threads=threads)
        assert found is not None
        assert found.value == done
        assert email(shop) == "new@example.com"
        undo = tool.undoing("eff_1", done)
        assert (await undo.call(args, ctx, timeout=5.0, threads=threads)).status == "ok"
        assert email(shop) == "alice@example.com"

    @pytest.mark.anyio
    async def test_what_cannot_be_changed_is_refused_before_anybody_is_asked(
        self, shop: SQLiteShop, ctx: ToolContext
    ) -> None:
        tool, threads = clerks_tool(shop, "update_account"), Threads()

        async def facts(**args: str) -> Any:
            return await tool.facts(args, ctx, timeout=5.0, threads=threads)

        assert await facts(email="new@example.com") == {"own": True}
        assert await facts(email="new@example.com", customer="robin") == {"own": False}
        for refused in (await facts(), await facts(email="new@example.com", customer="nobody")):
            assert "nothing was changed" in refused.error.message

    @pytest.mark.parametrize(
        "args", [{"email": "no address"}, {"phone": "call me"}, {"address": "x"}, {"name": "Mallory"}]
    )
    def test_its_arguments_are_narrow(self, shop: SQLiteShop, args: dict[str, str]) -> None:
        tool = clerks_tool(shop, "update_account")
        with pytest.raises(ValueError, match=next(iter(args))):
            tool.validate(args)


@pytest.mark.parametrize(
    ("args", "principal", "verdict"),
    [
        ({"email": "a@b.example"}, ALICE, "allow"),
        ({"email": "a@b.example", "customer": None}, ALICE, "allow"),
        ({"email": "a@b.example", "customer": "alice"}, ALICE, "allow"),
        ({"email": "a@b.example", "customer": "robin"}, ALICE, "escalate"),
        ({"email": "a@b.example", "customer": "robin"}, STAFF, "allow"),
    ],
)
def test_the_policy_knows_whose_account_it_is(
    args: dict[str, Any], principal: Principal, verdict: str
) -> None:
    asked = Call(tool="update_account", args=args, effect="write", principal=principal)
    assert decide([support_policy], asked).verdict == verdict
    other = Call(tool="pay_refund", args=args, effect="write", principal=principal)
    assert decide([support_policy], other).verdict == "deny"


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("Where is my refund?", ["refund status"]),
        ("Change my address, and when will my parcel arrive?", ["account update", "shipping"]),
        ("I am disappointed and want to cancel", ["cancellation", "complaint"]),
        ("Hello", ["other"]),
    ],
)
def test_intents_are_all_recognised(text: str, intents: list[str]) -> None:
    assert classify(text) == intents


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Refund for A-1001 and A-1002?", {"order_ids": ["A-1001", "A-1002"]}),
        ("Set my e-mail to a.b@c.example, please", {"email": "a.b@c.example"}),
        ("My new phone number is +44 20 7946 0001.", {"phone": "+44 20 7946 0001"}),
        ("change my address to 5 Harbour Lane, Seatown. Thanks", {"address": "5 Harbour Lane, Seatown"}),
        ("update my email address to a@b.example", {"email": "a@b.example"}),
        ("change Robin's phone to +44 20 7946 0999", {"customer": "robin", "phone": "+44 20 7946 0999"}),
        ("Change the e-mail of robin to eve@x.example", {"customer": "robin"}),
        (
            "Update the account for customer Robin.S: phone is +44 20 7946 0999",
            {"customer": "robin.s", "phone": "+44 20 7946 0999"},
        ),
        ("Is the address of my order A-1001 right?", {"order_ids": ["A-1001"]}),
        ("Which phone number for the delivery do you have?", {}),
        ("Why was I charged twice?", {}),
    ],
)
def test_what_a_request_gives_becomes_facts(text: str, facts: dict[str, Any]) -> None:
    found = dict(intake(text).facts)
    found.pop("intents")
    assert found == facts


def test_an_empty_or_endless_request_is_refused() -> None:
    for request in ("", "  ", {}, {"text": ""}, {"text": 3}, "x" * 30_000):
        with pytest.raises(InvalidRequest):
            intake(request)
    assert intake({"text": " hello "}).text == "hello"
    assert intake("I want to complain about this").severity > intake("hello").severity
