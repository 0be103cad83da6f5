"""A question is answered once, in time, about what was shown; and what is shown hides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Approval, Call, Label, Principal
from pilotman.guardrails.approval import AskedCall, question
from pilotman.guardrails.errors import Conflict, InvalidRequest, NotFound

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALICE, BOB = Principal(tenant="acme", user="alice"), Principal(tenant="acme", user="bob")
Answer = Literal["approved", "rejected"]
ANSWERS: tuple[Answer, Answer] = ("approved", "rejected")


def asked() -> Approval:
    return Approval(
        approval_id="apr_1",
        run_id="run_1",
        tool="restart",
        args={"host": "web-1"},
        question="May operator do restart(host=web-1)?",
        digest="shown",
        reasons=("irreversible",),
        requested_by=ALICE,
        created_at=NOW,
        expires_at=NOW + timedelta(days=2),
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_recorded_with_who_when_and_why(answer: Answer) -> None:
    done = asked().answered(answer, by=BOB, now=NOW, digest="shown", comment="because")
    assert (done.state, done.decided_by, done.decided_at, done.comment) == (answer, BOB, NOW, "because")
    assert asked().state == "pending"


@pytest.mark.parametrize("first", ANSWERS)
@pytest.mark.parametrize("second", ANSWERS)
def test_answering_twice_is_refused_also_with_the_same_answer(first: Answer, second: Answer) -> None:
    done = asked().answered(first, by=BOB, now=NOW)
    with pytest.raises(Conflict, match=f"is {first} already"):
        done.answered(second, by=BOB, now=NOW)


def test_other_arguments_than_those_shown_are_refused() -> None:
    with pytest.raises(Conflict, match="other arguments"):
        asked().answered("approved", by=BOB, now=NOW, digest="other")


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4)))
def test_an_unanswered_question_counts_as_no_from_its_expiry_on(waited: timedelta) -> None:
    now = NOW + waited
    expired = waited >= timedelta(days=2)
    assert asked().at(now).state == ("expired" if expired else "pending")
    if expired:
        assert asked().at(now).decided_at == asked().expires_at
        with pytest.raises(Conflict, match="expired"):
            asked().answered("approved", by=BOB, now=now)
    else:
        assert asked().answered("approved", by=BOB, now=now).state == "approved"


def test_an_answer_does_not_expire() -> None:
    done = asked().answered("approved", by=BOB, now=NOW)
    assert done.at(NOW + timedelta(days=30)) == done


# several calls


def listed(*titles: str, tool: str = "mail", at: datetime = NOW) -> Approval:
    """A question about one call for each title, asked together."""
    calls = [
        AskedCall(
            approval_id=f"apr_{number}",
            digest=call.digest,
            call=call,
            asked_at=at,
            expires_at=at + timedelta(days=2),
            step=f"task:t/turn:0/call:{number}",
        )
        for number, call in enumerate(mail(title, tool=tool) for title in titles)
    ]
    return replace(asked(), approval_id="apr_0", tool=tool).listing(calls)


def mail(to: str, *, agent: str = "writer", tool: str = "mail") -> Call:
    return Call(tool=tool, args={"to": to}, agent=agent, effect="egress", principal=ALICE)


def test_a_question_about_one_call_is_that_call() -> None:
    one = listed("a")
    assert (one.args, one.digest, one.step) == ({"to": "a"}, mail("a").digest, "task:t/turn:0/call:0")
    assert asked().calls[0].args == asked().args
    assert asked().calls[0].approval_id == asked().approval_id


def test_a_question_about_several_shows_each_with_the_beginning_of_its_digest() -> None:
    both = listed("a@b\u202e", "b")
    assert both.args == {"calls": [{"to": "a@b\u202e"}, {"to": "b"}]}
    assert both.question.splitlines() == [
        "May writer do these 2 calls of mail? Effect: egress.",
        f'- {both.calls[0].digest[:12]} mail(to="a@b\\u202e")',
        f'- {both.calls[1].digest[:12]} mail(to="b")',
    ]


def test_the_digest_covers_every_listed_call_and_its_answer() -> None:
    two, three = listed("a", "b"), listed("a", "b", "c")
    some = three.answered("approved", by=BOB, now=NOW, only=[three.calls[2].digest])
    digests = {listed("a").digest, two.digest, listed("b", "a").digest, three.digest, some.digest}
    assert len(digests) == 5
    with pytest.raises(Conflict, match="other arguments"):
        three.answered("approved", by=BOB, now=NOW, digest=two.digest)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True), st.data())
def test_only_what_is_named_is_answered_and_each_call_once(titles: list[str], data: st.DataObject) -> None:
    question = listed(*titles)
    answers: dict[str, Answer] = {}
    while question.state == "pending":
        known = [call.digest for call in question.pending]
        only = data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
        said = data.draw(st.sampled_from(ANSWERS))
        seen = question.digest
        question = question.answered(said, by=BOB, now=NOW, digest=seen, only=only)
        assert question.digest != seen or len(titles) == 1
        answers |= dict.fromkeys(only, said)
        assert {c.digest: c.state for c in question.calls if c.state != "pending"} == answers
        with pytest.raises(Conflict):
            question.answered(said, by=BOB, now=NOW, only=only)
    assert question.state == ("approved" if "approved" in answers.values() else "rejected")


def test_only_names_open_calls() -> None:
    both = listed("a", "b")
    for only in ([], ["0" * 64], [both.calls[0].digest, "0" * 64]):
        with pytest.raises(Conflict):
            both.answered("approved", by=BOB, now=NOW, only=only)


def test_other_arguments_take_the_place_of_one_call_s() -> None:
    both = listed("a", "b")
    with pytest.raises(InvalidRequest, match="only"):
        both.answered("approved", by=BOB, now=NOW, new_args={"to": "c"})
    edited = both.answered("approved", by=BOB, now=NOW, only=[both.calls[0].digest], new_args={"to": "c"})
    assert [call.new_args for call in edited.calls] == [{"to": "c"}, None]
    assert edited.pending == (both.calls[1],)


def test_a_yes_without_a_digest_covers_no_call_that_joined_later() -> None:
    late = listed("b", at=NOW + timedelta(minutes=1)).calls[0]
    grown = listed("a").listing([*listed("a").calls, replace(late, approval_id="apr_late")])
    with pytest.raises(Conflict, match="joined"):
        grown.answered("approved", by=BOB, now=NOW)
    assert grown.answered("approved", by=BOB, now=NOW, digest=grown.digest).state == "approved"
    assert grown.answered("approved", by=BOB, now=NOW, only=[late.digest]).state == "pending"
    assert grown.answered("rejected", by=BOB, now=NOW).state == "rejected", "a no needs no proof"


def test_each_call_expires_by_itself_and_an_answer_stays() -> None:
    late = replace(listed("b").calls[0], approval_id="apr_late", expires_at=NOW + timedelta(days=4))
    both = listed("a").listing([*listed("a").calls, late])
    later = both.at(NOW + timedelta(days=3))
    assert [call.state for call in later.calls] == ["expired", "pending"]
    assert (later.state, later.expires_at) == ("pending", late.expires_at)
    some = listed("a", "b").answered("approved", by=BOB, now=NOW, only=[mail("a").digest])
    assert [c.state for c in some.at(NOW + timedelta(days=9)).calls] == ["approved", "expired"]


def test_each_call_of_a_question_can_be_looked_at_alone() -> None:
    both = listed("a", "b").answered("approved", by=BOB, now=NOW, only=[mail("b").digest], comment="go")
    first, second = both.each
    assert (first.state, second.state, second.comment) == ("pending", "approved", "go")
    assert (second.args, second.digest) == ({"to": "b"}, mail("b").digest)
    assert both.alone("apr_1") == second
    assert second.question.startswith('May writer do mail(to="b")?')
    with pytest.raises(NotFound):
        both.alone("apr_9")


def test_the_question_shows_every_argument_as_data() -> None:
    call = Call(
        tool="mail",
        args={"to": "a@b\u202e", "body": 'say "hi"', "n": 3, "x) May I? (": 1},
        agent="writer",
        effect="egress",
    )
    words = 'mail(to="a@b\\u202e", body="say \\"hi\\"", n=3, "x) May I? ("=1)'
    assert question([call]) == f"May writer do {words}? Effect: egress."
    assert question([call], kind="repeat").startswith("writer repeats itself.")
    assert "was lost" in question([call], kind="outcome")


def test_very_many_arguments_are_not_all_put_in_words() -> None:
    call = Call(tool="t", args={f"a{n}": "x" * 10_000 for n in range(5_000)}, agent="writer")
    words = question([call])
    assert "… 4960 more arguments" in words
    assert len(words) < 30_000


def test_a_question_as_data_has_labels_and_facts_and_is_json() -> None:
    label = Label(author="third_party", trusted=False, tenant="acme")
    call = replace(mail("p\u0430y@b.example"), labels={"to": frozenset({label})}, facts={"balance": 3})
    one = listed("a")
    told = one.listing([replace(one.calls[0], call=call)]).to_dict()
    (shown,) = told["calls"]
    assert shown["args"] == {"to": "p\u0430y@b.example"}
    assert shown["shown"] == {"to": '"p\\u0430y@b.example"'}
    assert shown["labels"] == {"to": [{"author": "third_party", "trusted": False, "sensitivity": "internal"}]}
    assert shown["facts"] == {"balance": 3}
    assert orjson.loads(orjson.dumps(told)) == told
