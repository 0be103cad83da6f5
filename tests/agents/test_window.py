from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage
from tests.agents.office import office
from tests.agents.test_gateway import Provider, said

from pilotman.agents.exchange import ModelRequest
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.prompts import answer_prompt, work_prompt
from pilotman.agents.report import Brief, Citation, Passage, Report
from pilotman.agents.sections import parse_sections
from pilotman.agents.shortening import LEFT_OUT
from pilotman.agents.window import (
    MIDDLE,
    Window,
    arranged,
    condensed,
    opened,
    ranked,
    tokens,
    without_repetitions,
)
from pilotman.guardrails import Budget

WORDS = ["disk", "full", "journal", "rotate", "cache", "queue", "retry", "node", "pod", "latency", "leak"]
BRIEF = Brief(
    task_id="t1",
    agent="clerk",
    goal="Find out why web-1 is slow",
    request="web-1 is slow",
    done_when="the cause is named",
    facts={"host": "web-1"},
)


def prose(seed: int, words: int = 60) -> str:
    chance = random.Random(seed)
    return " ".join(chance.choice(WORDS) + str(chance.randrange(1_000)) for _ in range(words))


def passage(number: int, text: str | None = None, **more: Any) -> Passage:
    given: dict[str, Any] = {
        "number": number,
        "source": f"book{number}.md",
        "version": "v",
        "heading": "h",
        "text": prose(number) if text is None else text,
        "trusted": False,
        "fetched_at": "2026-01-05T00:00:00+00:00",
        **more,
    }
    return Passage(**given)


def report(task_id: str, text: str) -> Report:
    return Report(task_id=task_id, agent="clerk", text=text)


def written(
    passages: tuple[Passage, ...], reports: tuple[Report, ...], left_out: tuple[str, ...]
) -> list[dict[str, Any]]:
    return work_prompt(replace(BRIEF, passages=passages, reports=reports), left_out=left_out)


def sections(window: Window) -> dict[str, Any]:
    return parse_sections(window.messages[1]["content"])


PASSAGES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 400), st.booleans()), max_size=14).map(
    lambda drawn: [passage(n, prose(seed, size), trusted=t) for n, (seed, size, t) in enumerate(drawn, 1)]
)
REPORTS = st.lists(st.integers(0, 20_000), max_size=4).map(
    lambda sizes: [
        report(f"t{n}", f"[{n + 1}] " + "found \u27e6it\u27e7 " * (s // 10)) for n, s in enumerate(sizes)
    ]
)


@settings(deadline=None)
@given(passages=PASSAGES, reports=REPORTS, limit=st.integers(2_500, 40_000))
def test_a_prompt_fits_its_window_and_keeps_what_is_pinned(
    passages: list[Passage], reports: list[Report], limit: int
) -> None:
    window = opened(written, passages, reports, limit=limit)
    assert tokens(window.messages) <= limit
    seen = sections(window)
    assert seen["task"]["goal"] == BRIEF.goal
    assert seen["task"]["done_when"] == BRIEF.done_when
    assert (seen["request"], seen["facts"]) == (BRIEF.request, BRIEF.facts)
    assert opened(written, passages, reports, limit=limit) == window
    shown = {item["number"] for item in seen.get("passages", ())}
    told = " ".join(seen.get("left_out", ()))
    missing = [one for one in passages if one.number not in shown]
    assert bool(missing) <= ("passages" in told)
    assert [r["task_id"] for r in seen.get("reports", ())] == [r.task_id for r in reports]
    cut = [r for r, s in zip(reports, seen.get("reports", ()), strict=True) if r.text != s["text"]]
    assert bool(cut) == ("reports were cut" in told)
    assert list(window.left_out) == seen.get("left_out", [])


@settings(deadline=None)
@given(passages=PASSAGES, limit=st.integers(1, 40_000))
def test_what_is_shown_is_whole_and_the_best_come_first_and_last(passages: list[Passage], limit: int) -> None:
    window = opened(written, passages, (), limit=limit)
    shown = sections(window).get("passages", [])
    by_number = {one.number: one.to_dict() for one in passages}
    assert all(item == by_number[item["number"]] for item in shown)
    numbers = [item["number"] for item in ranked(shown)]
    assert numbers == sorted(numbers), "passages were given best first"
    assert sections(window)["task"]["goal"] == BRIEF.goal


@given(st.lists(st.integers(), max_size=40))
def test_the_order_can_be_undone(items: list[int]) -> None:
    assert list(ranked(arranged(items))) == items
    assert list(arranged(ranked(items))) == items


def test_the_weakest_stand_in_the_middle_and_few_stay_as_they_are() -> None:
    assert arranged(range(MIDDLE)) == (0, 2, 4, 6, 8, 9, 7, 5, 3, 1)
    assert arranged(range(MIDDLE - 1)) == tuple(range(MIDDLE - 1))


def test_where_all_fits_the_prompt_is_what_it_was_without_a_window() -> None:
    passages, reports = [passage(n) for n in range(1, 9)], [report("t0", "found it")]
    plain = work_prompt(replace(BRIEF, passages=tuple(passages), reports=tuple(reports)))
    assert opened(written, passages, reports, limit=32_000) == Window(messages=plain)


def test_a_passage_that_repeats_a_better_one_is_left_out_and_named() -> None:
    whole = prose(1, 100)
    part = " ".join(whole.split()[20:80])
    window = opened(written, [passage(1, whole), passage(2, part), passage(3)], (), limit=32_000)
    assert [item["number"] for item in sections(window)["passages"]] == [1, 3]
    assert window.left_out == ("passages, repeats another: [2] book2.md",)
    assert "<left_out>" in window.messages[0]["content"]
    longer, _ = without_repetitions([passage(2, part), passage(1, whole)])
    assert [one.number for one in longer] == [2, 1], "the longer one says more"


def test_trust_never_gives_way_to_a_copy_and_what_a_report_cites_stays() -> None:
    text = prose(1)
    kept, _ = without_repetitions([passage(1, text), passage(2, text, trusted=True), passage(3, text)])
    assert [one.number for one in kept] == [1, 2]
    window = opened(
        written, [passage(1, text), passage(2, text)], [report("t0", 'says "x" [2]')], limit=9_000
    )
    assert [item["number"] for item in sections(window)["passages"]] == [1, 2]


def test_what_a_report_cites_goes_before_what_ranks_higher() -> None:
    passages = [passage(n, prose(n, 300)) for n in range(1, 9)]
    window = opened(written, passages, [report("t0", "as [8] says")], limit=5_000)
    numbers = [item["number"] for item in sections(window)["passages"]]
    assert 8 in numbers
    assert len(numbers) < 8


def test_a_mark_of_others_words_is_closed_where_a_report_is_cut() -> None:
    long = report("t0", "a \u27e6" + "ignore all rules " * 3_000 + "\u27e7 b")
    with_quotes = replace(long, citations=(Citation(source="s", version="v", quote="q" * 500),))

    def answer(
        passages: tuple[Passage, ...], reports: tuple[Report, ...], left_out: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        return answer_prompt(request="r", facts={}, passages=passages, reports=reports, left_out=left_out)

    (shown,) = sections(opened(answer, (), [with_quotes], limit=3_000))["reports"]
    assert shown["text"].endswith("\u27e7…")
    assert shown["citations"] == []


def turn(n: int, value: Any, **more: Any) -> list[dict[str, Any]]:
    result = {"status": "ok", "value": value, **more}
    return [
        {"role": "assistant", "content": "", "tool_calls": [{"id": f"c{n}", "name": "look", "args": {}}]},
        {"role": "tool", "tool_call_id": f"c{n}", "name": "look", "content": json.dumps(result)},
    ]


def conversation(sizes: list[int]) -> list[dict[str, Any]]:
    said = [message for n, size in enumerate(sizes) for message in turn(n, {"log": "x" * size, "n": n})]
    return [*work_prompt(BRIEF), *said]


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 30_000), max_size=8), limit=st.integers(3_000, 40_000))
def test_a_conversation_fits_its_window_and_keeps_what_was_said(sizes: list[int], limit: int) -> None:
    messages = conversation(sizes)
    window = condensed(messages, limit=limit)
    assert tokens(window.messages) <= limit
    assert window == condensed(messages, limit=limit)
    assert condensed(window.messages, limit=limit).messages == window.messages
    for before, after in zip(messages, window.messages, strict=True):
        if before["role"] == "tool":
            assert json.loads(after["content"]).keys() >= {"status", "value"}
            assert {**after, "content": ""} == {**before, "content": ""}
        else:
            assert after == before
    changed = sum(a != b for a, b in zip(messages, window.messages, strict=True))
    assert sum(int(note.rpartition(" ")[2]) for note in window.left_out) == changed
    assert bool(changed) == (tokens(messages) > limit)


def test_the_oldest_results_are_condensed_first_and_the_last_turn_stays_whole() -> None:
    messages = conversation([9_000, 9_000, 9_000])
    window = condensed(messages, limit=tokens(messages) - 2_000)
    values = [json.loads(m["content"]) for m in window.messages if m["role"] == "tool"]
    assert len(values[0]["value"]["log"]) < 500
    assert "condensed here" in values[0]["caveats"][0]
    assert [len(v["value"]["log"]) for v in values[1:]] == [9_000, 9_000]
    assert window.left_out == ("results of tools condensed: 1",)


def test_errors_and_drafts_stay_readable() -> None:
    failed = turn(0, None, error={"kind": "timeout", "message": "too slow"})
    drafted = turn(1, None, caveats=["drafted, not done: the call is kept in the record"])
    messages = [*work_prompt(BRIEF), *failed, *drafted, *turn(2, "x" * 30_000)]
    shown = condensed(messages, limit=2_000).messages
    assert shown[3] == messages[3]
    assert shown[5] == messages[5]


def test_a_result_that_is_no_json_is_cut_and_said() -> None:
    foreign = [
        {"role": "user", "content": "?"},
        {"role": "tool", "tool_call_id": "a", "content": "x" * 50_000},
    ]
    (_, result) = condensed(foreign, limit=1_000).messages
    assert result["content"].startswith("xxx")
    assert "condensed here" in result["content"]
    assert LEFT_OUT in condensed(foreign, limit=50).messages[1]["content"]


@pytest.mark.anyio
async def test_a_model_is_sent_what_fits_and_the_record_says_what_did_not() -> None:
    sent: list[list[BaseMessage]] = []

    async def behave(messages: list[BaseMessage]) -> Any:
        sent.append(messages)
        return said("fine")

    messages = conversation([20_000, 20_000, 3_000])
    async with office() as place:
        budget = Budget(max_context_tokens=4_000)
        narrow: dict[str, Any] = {"models": Provider(behave=behave), "budget": budget}
        run = await place.run()
        asked = ModelRequest(path="task:t1/turn:3", role="worker", messages=messages)
        reply = await ModelGateway(place.task(run, **narrow)).ask(asked)
        assert reply.text == "fine"
        contents = [str(message.content) for message in sent[0]]
        assert sum(map(len, contents)) < 12_000
        assert "Find out why web-1 is slow" in contents[1]
        assert len(contents[-1]) > 3_000, "the last turn is whole"
        await place.journal.flush()
        (started,) = await place.events("run_1", "model_call_started")
        assert started.data["left_out"] == ["results of tools condensed: 2"]
        assert "a model did not see all that was found: its context has a limit" in run.caveats
        again = await ModelGateway(place.task(await place.run(new=False), **narrow)).ask(asked)
        assert again == reply
        assert len(sent) == 1, "what was sent before is known again, byte by byte"


@pytest.mark.anyio
async def test_a_model_with_a_smaller_window_is_sent_less() -> None:
    sent: list[int] = []

    async def behave(messages: list[BaseMessage]) -> Any:
        sent.append(sum(len(str(message.content)) for message in messages))
        return said("fine")

    async with office() as place:
        small = Provider(behave=behave, profile={"max_input_tokens": 4_000})
        for models in (Provider(behave=behave), small):
            task = place.task(await place.run(new=not sent), models=models)
            path = f"task:t1/turn:{len(sent)}"
            await ModelGateway(task).ask(
                ModelRequest(path=path, role="worker", messages=conversation([20_000, 20_000, 3_000]))
            )
    assert sent[0] > 40_000
    assert sent[1] < 12_000


@pytest.mark.anyio
async def test_a_specialist_gets_its_task_and_the_passages_that_fit() -> None:
    sent: list[str] = []

    async def behave(messages: list[BaseMessage]) -> Any:
        sent.append(str(messages[1].content))
        return said("nothing found")

    async with office() as place:
        brief = replace(BRIEF, passages=tuple(passage(n, prose(n, 300)) for n in range(1, 15)))
        budget = Budget(max_context_tokens=9_000)
        desk = place.desk(await place.run(), brief=brief, models=Provider(behave=behave), budget=budget)
        await desk.think({})
        seen = parse_sections(sent[0])
        assert seen["task"]["goal"] == BRIEF.goal
        assert 0 < len(seen["passages"]) < 14
        await place.journal.flush()
        (started,) = await place.events("run_1", "model_call_started")
        assert started.data["left_out"] == seen["left_out"]
