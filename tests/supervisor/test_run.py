"""A record is plain data: it survives pickle and JSON, and says so when something else is read."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.supervisor.journal_rows import Journal, approval, effect, row, transition

from pilotman.guardrails.errors import Conflict, InvalidRequest
from pilotman.supervisor.fold import fold
from pilotman.supervisor.run import Run


class Verdict(BaseModel):
    cause: str
    sure: bool


def full() -> Run:
    quote = {"source": "a.md", "version": "1", "quote": "free space"}
    task = {"task_id": "t1", "agent": "operator", "goal": "open a ticket", "tools": ["open_ticket"]}
    document = {"source": "a.md", "version": "1", "score": 0.5}
    journal = Journal().add("plan_made", path="plan:0", tasks=[task])
    journal.add("retrieval_completed", path="recall:0", snapshot_id="s", documents=[document], covered=True)
    journal.add("answer_validated", answer="done", citations=[quote], confidence=0.8, covered=True)
    journal.add("caveat", text="retrieval is lexical")
    journal.add("model_call_completed", path="a", input_tokens=1, output_tokens=1, cost_nusd=5)
    moves = [transition(1, "RECEIVED", "PLANNED"), transition(2, "PLANNED", "EXECUTING")]
    return fold(row(), journal.events, [approval(decided_by=None)], [effect()], moves)


def test_json_both_ways() -> None:
    run = full()
    again = Run.from_json(run.to_json())
    assert again == run
    assert again.to_json() == run.to_json()
    assert again.principal.roles == frozenset({"sre"})
    assert run.to_dict()["actions"][0]["status"] == "applied"


def test_pickle_and_copy() -> None:
    run = full()
    assert pickle.loads(pickle.dumps(run)) == run
    assert copy.deepcopy(run) == run


@given(st.text(max_size=200))
def test_any_answer_survives_json(answer: str) -> None:
    run = replace(full(), answer=answer)
    assert Run.from_json(run.to_json()).answer is not None
    if "\x00" not in answer:
        assert Run.from_json(run.to_json()).answer == answer


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"run_id": 1}', "\x00"])
def test_what_is_no_record_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no run's record"):
        Run.from_json(text)


def test_a_state_that_does_not_exist_is_refused() -> None:
    data = orjson.loads(full().to_json())
    with pytest.raises(InvalidRequest):
        Run.from_json(orjson.dumps({**data, "state": "DONE"}))


def test_the_answer_as_a_schema() -> None:
    run = replace(full(), answer='{"cause": "logs", "sure": true}')
    assert run.answer_as(Verdict) == Verdict(cause="logs", sure=True)
    with pytest.raises(Conflict, match="no Verdict"):
        replace(run, answer="it was the logs").answer_as(Verdict)
    with pytest.raises(Conflict, match="has no answer"):
        replace(run, answer=None).answer_as(Verdict)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        full().state = "COMPLETED"  # type: ignore[misc]
