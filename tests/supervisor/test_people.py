"""Who answers what: several calls in one question, several questions in one run, and who may say yes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.supervisor.scene import ONE, Desk, alice, bob, calls, history, planned, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, CedarPolicy, Decision, Principal
from pilotman.guardrails.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from pilotman.guardrails.policy import default_policy, four_eyes
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio
carol = Principal(tenant="acme", user="carol", roles=frozenset({"manager"}))


def tickets(*titles: str) -> AIMessage:
    return calls(*(call("open_ticket", title=title) for title in titles))


class Shop:
    """A team that refunds and writes to people; ``done`` is what it did."""

    def __init__(self, turns: list[Any], **settings: Any) -> None:
        self.done: list[str] = []

        @tool(effect="irreversible")
        async def refund(order_id: str, amount: int) -> str:
            """Refund an order."""
            self.done.append(f"refund {order_id} {amount}")
            return "refunded"

        @tool(effect="irreversible")
        async def send_mail(to: str) -> str:
            """Send a mail."""
            self.done.append(f"mail {to}")
            return "sent"

        clerk = Specialist("clerk", "Refunds and writes.", tools=[refund, send_mail])
        self.team = Supervisor("shop", [clerk], models=ScriptedChatModel(turns), **settings)


PLAN = Plan((Task(task_id="t", agent="clerk", goal="refund and tell them"),))
BOTH = calls(call("refund", order_id="A-1", amount=5), call("send_mail", to="a@x.example"))


# several


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_several_questions_of_one_run_are_answered_in_any_order(order: tuple[int, int]) -> None:
    shop = Shop([BOTH, "Done."])
    async with shop.team as team:
        run = await team.run("refund A-1 and tell them", principal=alice, plan=PLAN)
        assert sorted(question.tool for question in run.pending) == ["refund", "send_mail"]
        asked = run.pending
        for which in order:
            await team.approve(asked[which].approval_id, principal=bob, digest=asked[which].digest)
            run = await team.resume(run.run_id, principal=alice)
        assert run.state == "COMPLETED"
    assert sorted(shop.done) == ["mail a@x.example", "refund A-1 5"]


async def test_one_question_lists_all_calls_and_one_answer_lets_them_all_go() -> None:
    desk = Desk([tickets("a", "b", "c"), "They are open."])
    async with desk.team as team:
        run = await team.run("open a, b and c", principal=alice, plan=ONE)
        (asked,) = await team.approvals(principal=bob)
        assert [c.args["title"] for c in asked.calls] == ["a", "b", "c"]
        assert asked.question.splitlines()[0] == (
            "May operator do these 3 calls of open_ticket? Effect: write."
        )
        assert run.transitions[-1].reason == "1 question to a person"
        assert {action.approval_id for action in run.actions} == {asked.approval_id}
        with pytest.raises(NotFound, match=f"a call of the question {asked.approval_id}"):
            await team.approve(asked.calls[1].approval_id, principal=bob)
        await team.approve(asked.approval_id, principal=bob, digest=asked.digest)
        run = await team.resume(run.run_id, principal=alice)
    assert desk.opened == ["a", "b", "c"]
    assert [action.status for action in run.actions] == ["applied"] * 3
    assert Run.from_json(run.to_json()) == run
    assert pickle.loads(pickle.dumps(run)) == run


async def test_a_digest_of_fewer_calls_than_there_are_now_is_refused() -> None:
    plan = Plan(tuple(Task(task_id=n, agent="operator", goal=f"open {n}") for n in ("a", "b")))
    desk = Desk(
        [*(call("open_ticket", title=n) for n in ("a", "b")), "Done.", "Done.", "Done."],
        budget=Budget(max_parallel=1),
    )
    async with desk.team as team:
        run = await team.run("open a and b", principal=alice, plan=plan)
        (asked,) = run.pending
        seen = asked.calls[0].digest  # of the question as it was when it listed one call
        with pytest.raises(Conflict, match="other arguments"):
            await team.approve(asked.approval_id, principal=bob, digest=seen)
        with pytest.raises(Conflict, match="joined"):
            await team.approve(asked.approval_id, principal=bob)
        assert (await team.resume(run.run_id, principal=alice)).state == "ESCALATED"
        assert desk.opened == []
        await team.approve(asked.approval_id, principal=bob, digest=asked.digest)
        assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"
    assert sorted(desk.opened) == ["a", "b"]


async def test_some_calls_are_approved_one_is_edited_and_the_rest_rejected(tmp_path: Path) -> None:
    """Each answer by another process; the first one dies after it has asked."""
    url = f"sqlite:///{tmp_path}/j.db"
    first = Desk([tickets("a", "b", "c")], memory=Memory(url))
    async with first.team as team:
        run = await team.run("open a, b and c", principal=alice, plan=ONE)
    (asked,) = run.pending
    a, b, c = (one.digest for one in asked.calls)
    second = Desk([], memory=Memory(url))
    async with second.team as team:
        with pytest.raises(InvalidRequest, match="only"):
            await team.approve(asked.approval_id, principal=bob, args={"title": "x"})
        await team.approve(asked.approval_id, principal=bob, only=[a])
        await team.approve(asked.approval_id, principal=carol, only=[b], args={"title": "B, edited"})
    third = Desk(["Two are open."], memory=Memory(url))
    async with third.team as team:
        run = await team.resume(run.run_id, principal=alice)
        assert (run.state, third.opened) == ("ESCALATED", ["a", "B, edited"])
        (left,) = run.pending
        assert [one.args["title"] for one in left.pending] == ["c"]
        await team.reject(left.approval_id, principal=bob, comment="not c")
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, third.opened) == ("COMPLETED", ["a", "B, edited"])
    assert [action.status for action in run.actions] == ["applied", "applied", "denied"]
    assert "not c" in str(run.answer)
    said = {call.digest: call.decided_by and call.decided_by.user for call in run.approvals[0].calls}
    assert said == {a: "bob", b: "carol", c: "bob"}


# who may


async def test_with_four_eyes_nobody_approves_what_they_asked_for() -> None:
    desk = Desk([tickets("a"), "It is open."], policy=[default_policy, four_eyes])
    async with desk.team as team:
        run = await team.run("open a", principal=alice, plan=ONE)
        (asked,) = run.pending
        with pytest.raises(PermissionDenied, match="alice may not approve this: somebody else"):
            await team.approve(asked.approval_id, principal=alice)
        (event,) = [e for e in await history(team, run) if e.kind == "approval_refused"]
        assert (event.actor, event.data["by"]) == ("user:alice", "alice")
        assert (await team.resume(run.run_id, principal=alice)).pending == (asked,), "it stays open"
        await team.approve(asked.approval_id, principal=bob)
        assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"
    assert desk.opened == ["a"]


async def test_who_asked_may_take_it_back() -> None:
    desk = Desk([tickets("a"), "It is not open."], policy=[default_policy, four_eyes])
    async with desk.team as team:
        run = await team.run("open a", principal=alice, plan=ONE)
        await team.reject(run.pending[0].approval_id, principal=alice)
        assert (await team.resume(run.run_id, principal=alice)).actions[0].status == "denied"


MANAGERS = """
@id("managers") @description("a manager approves refunds above 100")
@approvable
permit (principal is User, action == Action::"refund", resource)
when {
  context.approved &&
  (context.leg != "approver" || context.args.amount <= 100 || principal in Role::"manager")
};
@id("mails") @approvable
permit (principal is User, action == Action::"send_mail", resource) when { context.approved };
"""


async def test_cedar_says_who_may_approve_which_call_of_a_question() -> None:
    both = calls(*(call("refund", order_id=f"A-{n}", amount=n) for n in (50, 500)))
    shop = Shop([both, "Done."], policy=CedarPolicy(MANAGERS))
    async with shop.team as team:
        run = await team.run("refund both", principal=alice, plan=PLAN)
        (asked,) = run.pending
        small, large = asked.calls
        assert "managers" in asked.reasons[0]
        for only in (None, [large.digest]):
            with pytest.raises(PermissionDenied, match="approver"):
                await team.approve(asked.approval_id, principal=bob, only=only)
        await team.approve(asked.approval_id, principal=bob, only=[small.digest])
        with pytest.raises(PermissionDenied):
            await team.approve(asked.approval_id, principal=bob)
        await team.approve(asked.approval_id, principal=carol)
        assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"
    assert shop.done == ["refund A-50 50", "refund A-500 500"]


async def test_an_edit_that_the_policies_refuse_is_refused_at_once_and_the_question_stays() -> None:
    shop = Shop([call("refund", order_id="A-1", amount=5), "Done."], policy=CedarPolicy(MANAGERS))
    async with shop.team as team:
        run = await team.run("refund it", principal=alice, plan=PLAN)
        (asked,) = run.pending
        with pytest.raises(PermissionDenied):
            await team.approve(asked.approval_id, principal=bob, args={"order_id": "A-1", "amount": 999})
        await team.approve(asked.approval_id, principal=bob, args={"order_id": "A-1", "amount": 99})
        assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"
    assert shop.done == ["refund A-1 99"]


async def test_every_team_above_a_call_has_a_say_in_who_approves_it() -> None:
    def no_bobs(proposed: Call, /) -> Decision | None:
        by = proposed.approved_by
        return Decision.deny("no bobs here") if by is not None and by.user == "bob" else None

    opener = Desk([])
    operator = Specialist("operator", "Opens tickets.", tools=[opener.tool()])
    inner = Supervisor("desk", [operator], policy=[default_policy, no_bobs])
    plan = Plan((Task(task_id="o", agent="desk", goal="open a"),))
    task = {"task_id": "t", "agent": "operator", "goal": "open a"}
    model = ScriptedChatModel([planned(task), tickets("a"), *["It is open."] * 3])
    async with Supervisor("outer", [inner], models=model) as team:
        run = await team.run("open a", principal=alice, plan=plan)
        (asked,) = run.pending
        with pytest.raises(PermissionDenied, match="no bobs here"):
            await team.approve(asked.approval_id, principal=bob)
        await team.approve(asked.approval_id, principal=carol)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, opener.opened) == ("COMPLETED", ["a"])


async def test_an_answer_that_waits_is_approved_by_who_may() -> None:
    def look_first(proposed: Call, /) -> Decision:
        if proposed.approved_by is not None and "manager" not in proposed.approved_by.roles:
            return Decision.deny("a manager has to look")
        return Decision.escalate("somebody is to look")

    desk = Desk(["The disk is full."], answer_policy=look_first)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        with pytest.raises(PermissionDenied, match="a manager has to look"):
            await team.approve(run.pending[0].approval_id, principal=bob)
        await team.approve(run.pending[0].approval_id, principal=carol)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, run.answer) == ("COMPLETED", "The disk is full.")


async def test_only_the_run_s_own_team_takes_a_yes_and_only_its_tenant_finds_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    desk = Desk([tickets("a")], memory=Memory(url), policy=[default_policy, four_eyes])
    lax = Shop([], memory=Memory(url), policy=yes)
    async with desk.team as team, lax.team as other:
        run = await team.run("open a", principal=alice, plan=ONE)
        (asked,) = run.pending
        with pytest.raises(Conflict, match="team desk"):
            await other.approve(asked.approval_id, principal=alice)
        with pytest.raises(NotFound):
            await team.approve(asked.approval_id, principal=Principal(tenant="other", user="bob"))
        assert (await team.get(run.run_id, principal=alice)).pending == (asked,)


# how much


async def test_a_run_that_may_not_ask_more_says_so() -> None:
    turns: list[Any] = [*(call("open_ticket", title=title) for title in "ab"), "One was opened."]

    def by_title(proposed: Call, /) -> Decision:
        return Decision.escalate(f"about {proposed.args['title']}")

    desk = Desk(turns, policy=by_title, budget=Budget(max_questions=1))
    async with desk.team as team:
        run = await team.run("open a and b", principal=alice, plan=ONE)
        await team.approve(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, desk.opened) == ("COMPLETED", ["a"])
    assert any("as often as it may" in caveat for caveat in run.caveats)
    assert [action.status for action in run.actions] == ["applied", "denied"]


async def test_an_agent_that_is_denied_all_the_time_is_suspended_and_the_run_says_so() -> None:
    def deny(_: Call, /) -> Decision:
        return Decision.deny("the secret reason")

    turns = [call("open_ticket", title=f"t{n}") for n in range(9)]
    desk = Desk(turns, policy=deny, budget=Budget(max_calls_per_tool=99))
    async with desk.team as team:
        run = await team.run("open them", principal=alice, plan=ONE)
        events = await history(team, run)
    assert (run.state, desk.opened) == ("COMPLETED", [])
    assert any("suspended" in caveat for caveat in run.caveats)
    assert [e.data["agent"] for e in events if e.kind == "task_suspended"] == ["operator"]
    assert all("the secret reason" not in str(request) for request in desk.model.requests)
    assert "the secret reason" in str(run.actions), "the record has it"
