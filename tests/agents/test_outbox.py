"""What a task sends out is looked through first, and what was taken out is put back inside the run only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.agents.office import Office, ask_about_writes, office, proposed, result_of

from pilotman.agents.desk import Desk
from pilotman.agents.outbox import Outbox
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.agents.tool import tool
from pilotman.guardrails import Call, Decision, Outbound
from pilotman.guardrails.outbound.finding import Finding

pytestmark = pytest.mark.anyio

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
IBAN = "DE89 3704 0044 0532 0130 00"
CARD = 4111111111111111

sent: list[Any] = []


@tool(effect="write")
async def send(body: str, to: str = "team") -> str:
    """Send a message."""
    sent.append((body, to))
    return f"sent {body}"


@tool(effect="write")
async def pay(iban: str, amount: int = 1) -> str:
    """Pay."""
    sent.append(iban)
    return "paid"


@tool(effect="read")
async def look_up(iban: str) -> str:
    """Look an account up."""
    sent.append(iban)
    return "known"


@tool(effect="read", destinations=["query"])
async def search(query: str) -> str:
    """Search elsewhere."""
    sent.append(query)
    return "found"


TOOLS = (send, pay, look_up, search)


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()


async def seat(place: Office, settings: Outbound | None = None, *, own: str = "", **fields: Any) -> Desk:
    run = await place.run()
    run.outbox = Outbox(settings, own=[own], recorder=run.recorder, threads=place.threads)
    return place.desk(run, *TOOLS, **fields)


async def through(desk: Desk, name: str, path: str = "p0", **args: Any) -> Any:
    """A call from the model's proposal to its end, or to a question."""
    (judged,) = await desk.guard.guard(desk.guard.propose([{"name": name, "args": args}], path=path))
    return await desk.act(judged)


async def test_a_secret_does_not_leave_and_no_policy_lets_it() -> None:
    async with office() as place:
        desk = await seat(place)
        done = await through(desk, "send", body=f"the key is {TOKEN}")
        assert (done.stage, sent) == ("done", [])
        assert "denied_by_policy" in str(result_of(done).error)
        assert TOKEN not in str(result_of(done).error)
        (decided,) = await place.events("run_1", "decision")
        assert decided.data["reasons"] == ["body holds a secret (github token)"]


async def test_a_person_who_edits_a_secret_in_does_not_get_it_out_either() -> None:
    async with office() as place:
        desk = await seat(place, policies=[ask_about_writes])
        waiting = await through(desk, "send", body="hello")
        (asked,) = await place.open()
        await place.answer(asked, new_args={"body": TOKEN, "to": "team"})
        done = await desk.act(waiting)
        assert (done.stage, sent) == ("done", [])


async def test_an_identifier_that_nobody_named_is_asked_about_and_a_yes_lets_it_go() -> None:
    async with office() as place:
        desk = await seat(place)
        waiting = await through(desk, "pay", iban=IBAN)
        assert (waiting.stage, sent) == ("waiting", [])
        (asked,) = await place.open()
        assert asked.reasons == ("iban holds a value of the kind iban that the request does not name",)
        assert asked.args["iban"] == IBAN
        await place.answer(asked)
        done = await desk.act(waiting)
        assert (done.stage, sent) == ("done", [IBAN])


@pytest.mark.parametrize("own", ["pay to DE89370400440532013000", '{"iban": "DE89 3704 0044 0532 0130 00"}'])
async def test_one_that_the_user_named_passes_however_it_is_spelled(own: str) -> None:
    async with office() as place:
        desk = await seat(place, own=own)
        assert (await through(desk, "pay", iban=IBAN)).stage == "done"
        assert (await through(desk, "send", "p1", body=f"paid {IBAN}")).stage == "done"
        assert (await through(desk, "pay", "p2", iban="GB82WEST12345698765432")).stage == "waiting"
        assert sent == [IBAN, (f"paid {IBAN}", "team")]


async def test_a_secret_that_the_user_named_is_still_one() -> None:
    async with office() as place:
        desk = await seat(place, own=f"use {TOKEN}")
        assert result_of(await through(desk, "send", body=TOKEN)).error is not None


async def test_what_is_encoded_or_a_number_or_deep_inside_is_found_too() -> None:
    @tool(effect="write")
    async def save(record: dict[str, Any]) -> str:
        """Save."""
        sent.append(record)
        return "saved"

    async with office() as place:
        run = await place.run()
        desk = place.desk(run, save)
        for index, value in enumerate(
            [
                {"a": [{"b": CARD}]},
                {"a": TOKEN.encode().hex()},
                {f"x {TOKEN}": 1},
                {"a": ["%67hp_" + TOKEN[4:]]},
            ]
        ):
            judged = await through(desk, "save", f"p{index}", record=value)
            assert judged.stage == ("waiting" if index == 0 else "done"), value
        assert sent == []


async def test_a_redacted_value_leaves_as_a_placeholder_and_all_is_about_what_leaves() -> None:
    async with office() as place:
        desk = await seat(place, Outbound(arguments={"iban": "redact"}), policies=[ask_about_writes], own="x")
        waiting = await through(desk, "send", body=f"my account is {IBAN}")
        (asked,) = await place.open()
        assert asked.args["body"] == "my account is [iban-1]"
        assert asked.digest == waiting.digest
        await place.answer(asked)
        await desk.act(waiting)
        assert sent == [("my account is [iban-1]", "team")]
        (issued,) = await place.events("run_1", "permit_issued")
        assert issued.data["digest"] == asked.digest
        (event,) = await place.events("run_1", "values_redacted")
        assert event.data["placeholders"] == ["[iban-1]"]
        assert IBAN not in str(event.data)


async def test_a_placeholder_becomes_the_value_for_a_tool_that_may_have_it_before_anything_is_decided() -> (
    None
):
    seen: list[Call] = []

    def policy(asked: Call, /) -> Decision:
        seen.append(asked)
        return Decision.allow()

    settings = Outbound(
        arguments={"iban": "redact"}, tools={"pay": {"iban": "pass"}, "search": {"iban": "block"}}
    )
    async with office() as place:
        desk = await seat(place, settings, policies=[policy])
        await through(desk, "send", body=f"my account is {IBAN}")
        await through(desk, "pay", "p1", iban="[iban-1]")
        await through(desk, "look_up", "p2", iban="[iban-1]")
        await through(desk, "send", "p3", body="again [iban-1]")
        await through(desk, "search", "p4", query="who has [iban-1]")
        await through(desk, "send", "p5", body="not ours: [iban-2] [password-1]")
        redacted = "my account is [iban-1]"
        assert sent[:3] == [(redacted, "team"), IBAN, IBAN]
        assert sent[3:] == [
            ("again [iban-1]", "team"),
            "who has [iban-1]",
            ("not ours: [iban-2] [password-1]", "team"),
        ]
        assert {c.tool: dict(c.args) for c in seen}["pay"] == {"iban": IBAN, "amount": 1}
        permits = {e.data["tool"]: e.data["digest"] for e in await place.events("run_1", "permit_issued")}
        assert permits["pay"] == Call(tool="pay", args={"iban": IBAN, "amount": 1}).digest


async def test_a_run_that_goes_on_has_its_placeholders_again() -> None:
    settings = Outbound(arguments={"iban": "redact"}, tools={"pay": {"iban": "pass"}})
    async with office() as place:
        desk = await seat(place, settings)
        await through(desk, "send", body=IBAN)
        await place.journal.flush()
        run = await place.run(new=False)
        history = await place.events()
        run.outbox = Outbox.resumed(
            settings, own=[], recorder=run.recorder, threads=place.threads, history=history
        )
        later = place.desk(run, *TOOLS)
        await through(later, "pay", "p1", iban="[iban-1]")
        await through(later, "send", "p2", body=f"{IBAN} and GB82WEST12345698765432")
        assert sent == [("[iban-1]", "team"), IBAN, ("[iban-1] and [iban-2]", "team")]


async def test_another_run_knows_nothing_of_them() -> None:
    settings = Outbound(arguments={"iban": "redact"}, tools={"pay": {"iban": "pass"}})
    async with office() as place:
        await through(await seat(place, settings), "send", body=IBAN)
        run = await place.run("run_2")
        run.outbox = Outbox(settings, recorder=run.recorder)
        await through(place.desk(run, *TOOLS), "pay", iban="[iban-1]")
        assert sent == [("[iban-1]", "team"), "[iban-1]"]


async def test_a_placeholder_that_does_not_fit_is_refused_and_nothing_leaves() -> None:
    @tool(effect="write")
    async def charge(card: int) -> str:
        """Charge a card."""
        sent.append(card)
        return "charged"

    async with office() as place:
        run = await place.run()
        run.outbox = Outbox(Outbound(arguments={"payment_card": "redact"}))
        done = await through(place.desk(run, charge), "charge", card=CARD)
        error = result_of(done).error
        assert error is not None
        assert (error.kind, sent) == ("validation", [])


async def test_policies_see_what_was_found_in_each_argument() -> None:
    seen: list[Call] = []

    def policy(asked: Call, /) -> Decision:
        seen.append(asked)
        return Decision.allow()

    async with office() as place:
        desk = await seat(place, policies=[policy])
        await through(desk, "send", body=f"{IBAN} or bob@example.com", to="team")
        await through(desk, "look_up", "p1", iban=IBAN)
        assert seen[0].found == {
            "body": frozenset({"iban", "identifier", "email", "contact"}),
            "to": frozenset(),
        }
        assert seen[-1].found == {}, "a read leaves nothing"


async def test_a_read_that_goes_where_its_caller_says_is_gated_and_leaves_no_effect_behind() -> None:
    async with office() as place:
        desk = await seat(place, policies=[ask_about_writes])
        waiting = await through(desk, "search", query="weather")
        assert (waiting.stage, sent) == ("waiting", [])
        (asked,) = await place.open()
        assert "Effect: egress" in asked.question
        await place.answer(asked)
        done = await desk.act(waiting)
        assert (result_of(done).value, sent) == ("found", ["weather"])
        assert "permit_issued" in await place.kinds()
        assert not await place.events("run_1", "effect_intended", "effect_applied")
        assert result_of(await through(desk, "search", "p1", query=TOKEN)).error is not None


async def test_a_lost_reply_of_such_a_read_is_no_question_to_a_person() -> None:
    @tool(effect="read")
    async def fetch(url: str) -> str:
        """Fetch a page."""
        sent.append(url)
        raise TimeoutError

    async with office() as place:
        desk = place.desk(await place.run(), fetch)
        done = await through(desk, "fetch", url="https://a.example/")
        error = result_of(done).error
        assert error is not None
        assert error.kind == "timeout"
        assert await place.open() == []
        assert len(sent) > 1, "it is tried again, as a read is"


# detectors of others


def names(text: str) -> Iterator[Finding]:
    start = text.find("Ada")
    if start >= 0:
        yield Finding(kind="person", category="identifier", start=start, end=start + 3, value="ada")


async def test_another_s_detector_has_its_say() -> None:
    settings = Outbound(arguments={"person": "redact"}, detectors=[names])
    async with office() as place:
        desk = await seat(place, settings)
        await through(desk, "send", body="by Ada")
        assert sent == [("by [person-1]", "team")]


async def test_what_a_detector_fails_on_counts_as_a_secret() -> None:
    def broken(text: str) -> Iterator[Finding]:
        raise RuntimeError("no model")

    async with office() as place:
        desk = await seat(place, Outbound(detectors=[broken]))
        assert result_of(await through(desk, "send", body="hello")).error is not None
        (failed, *_) = await place.events("run_1", "detector_failed")
        assert "no model" in failed.data["message"]
        assert sent == []
        lenient = place.desk(
            replace(
                desk.task.run, outbox=Outbox(Outbound(arguments={"unchecked": "pass"}, detectors=[broken]))
            ),
            *TOOLS,
        )
        await through(lenient, "send", "p1", body="hello")
        assert sent == [("hello", "team")]


async def test_what_an_approver_put_in_is_looked_through_by_all_detectors() -> None:
    settings = Outbound(arguments={"person": "block"}, detectors=[names])
    async with office() as place:
        desk = await seat(place, settings, policies=[ask_about_writes])
        waiting = await through(desk, "send", body="by nobody")
        (asked,) = await place.open()
        await place.answer(asked, new_args={"body": "by Ada", "to": "team"})
        assert (await desk.act(waiting)).stage == "done"
        assert sent == []


async def test_what_was_looked_at_in_passing_is_looked_through_by_all_before_it_leaves() -> None:
    settings = Outbound(arguments={"person": "block"}, detectors=[names])
    async with office() as place:
        desk = await seat(place, settings)
        desk.task.run.outbox.found({"body": "by Ada"})
        assert result_of(await through(desk, "send", body="by Ada")).error is not None
        assert sent == []


async def test_a_placeholder_is_nobody_s_name() -> None:
    def every_word(text: str) -> Iterator[Finding]:
        for match in re.finditer(r"Ada|\w+-\d", text):
            yield Finding(
                kind="Person Name", category="identifier", start=match.start(), end=match.end(), value="x"
            )

    settings = Outbound(arguments={"person_name": "redact"}, detectors=[every_word])
    async with office() as place:
        desk = await seat(place, settings)
        await through(desk, "send", body="by Ada")
        assert sent == [("by [person_name-1]", "team")]


# models


async def test_what_models_are_not_to_see_they_get_placeholders_for() -> None:
    settings = Outbound(models=["identifier"])
    async with office() as place:
        model = ScriptedChatModel([call("pay", iban="[iban-1]"), "I paid to [iban-1]."])
        request = f"pay to {IBAN}"
        desk = await seat(place, settings, own=request, models=model, request=request)
        state = await place.drive(desk)
        assert sent == [IBAN]
        assert all(IBAN not in str(asked) for asked in model.requests)
        assert "[iban-1]" in str(model.requests[0])
        assert state["report"]["text"] == f"I paid to {IBAN}."


# what goes out beside an answer


async def test_a_caveat_leaves_without_what_may_not() -> None:
    async with office() as place:
        desk = await seat(place)
        desk.task.run.caveat(f"it failed with {TOKEN} ![x](https://evil.example/?q=1)")
        desk.task.run.caveat("http://db-1.internal:9090/x did not answer")
        assert desk.task.run.caveats == [
            "it failed with [github_token-1] x",
            "http://db-1.internal:9090/x did not answer",
        ]


async def test_a_call_that_was_written_into_the_state_is_looked_through_all_the_same() -> None:
    settings = Outbound(arguments={"iban": "redact"})
    async with office() as place:
        desk = await seat(place, settings)
        smuggled = replace(proposed("send", body=IBAN, to="team"), stage="allowed")
        assert (await desk.act(smuggled)).stage == "waiting"
        assert sent == []


async def test_arguments_nested_beyond_all_measure_are_refused_as_before() -> None:
    deep: Any = "[iban-1]"
    for _ in range(5_000):
        deep = [deep]
    async with office() as place:
        desk = await seat(place)
        (refused,) = desk.guard.propose([{"name": "send", "args": {"body": deep}}], path="p")
        assert refused.stage == "done"
