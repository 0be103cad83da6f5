"""The record of a run says what its journal says, no more and no less."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.supervisor.journal_rows import ALICE, BEGAN, Journal, approval, effect, row, transition

from pilotman.agents.report import Citation
from pilotman.memory.journal.records import EffectRow
from pilotman.supervisor.fold import fold
from pilotman.supervisor.run import Retrieved, Run, Usage

STEP = "task:t1/turn:0/call:0"


def status_of(run: Run) -> list[tuple[str, str, str | None]]:
    return [(a.tool, a.status, a.approval_id) for a in run.actions]


def decided(journal: Journal, verdict: str, **changes: Any) -> Journal:
    facts: dict[str, Any] = {
        "path": STEP,
        "tool": "open_ticket",
        "digest": "d1",
        "effect": "write",
        "stage": "guard",
        "reasons": ["a rule said so"],
    }
    return journal.add("decision", verdict=verdict, **{**facts, **changes})


def test_a_run_of_which_nothing_happened_yet_has_a_record() -> None:
    run = fold(row("RECEIVED", deadline_at=None), [])
    assert (run.state, run.answer, run.actions, run.plan, run.covered) == ("RECEIVED", None, (), None, None)
    assert run.principal == ALICE
    assert run.request == "web-1 is out of disk"
    assert run.usage == Usage()
    assert run.deadline_at == BEGAN + timedelta(seconds=600)


def test_usage_counts_every_attempt_and_adds_up_exactly() -> None:
    journal = Journal()
    for _ in range(3):
        journal.add(
            "model_call_completed", path="a", input_tokens=100, output_tokens=7, cost_nusd=100_000_001
        )
    journal.add("model_call_failed", path="a", model="m", failure="timeout", message="")
    journal.add("tool_call_started", path=STEP, tool="look", effect="read")
    journal.add("tool_call_failed", path=STEP, tool="look", failure="timeout", message="too slow", attempt=1)
    journal.add("tool_call_completed", path=STEP, tool="look")
    run = fold(row(), journal.events)
    assert run.usage == Usage(steps=4, tool_calls=2, input_tokens=300, output_tokens=21, cost_usd=0.300000003)
    assert (run.step, run.max_steps, run.tools_called) == (4, 40, ("look",))


def test_one_unknown_price_makes_the_cost_unknown() -> None:
    journal = Journal()
    journal.add("model_call_completed", path="a", input_tokens=1, output_tokens=1, cost_nusd=5)
    journal.add("model_call_completed", path="b", input_tokens=1, output_tokens=1, cost_nusd=None)
    assert fold(row(), journal.events).usage.cost_usd is None


def test_a_call_that_was_refused_before_it_began_is_no_call() -> None:
    journal = Journal().add(
        "tool_call_failed", path=STEP, tool="x", failure="validation", message="no such field"
    )
    run = fold(row(), journal.events)
    assert run.usage.tool_calls == 0
    assert run.last_error == "tool x: no such field"


def test_the_last_plan_counts_and_that_of_a_nested_supervisor_does_not() -> None:
    first = {"task_id": "a", "agent": "x", "goal": "g"}
    second = {"task_id": "b", "agent": "x", "goal": "g"}
    nested = {"task_id": "c", "agent": "x", "goal": "g"}
    journal = Journal().add("plan_made", path="plan:0", tasks=[first])
    journal.add("plan_amended", path="plan:1", tasks=[first, second])
    journal.add("plan_made", path="task:net/plan:0", tasks=[nested])
    plan = fold(row(), journal.events).plan
    assert plan is not None
    assert [t.task_id for t in plan.tasks] == ["a", "b"]


def test_the_last_validated_answer_counts_and_that_of_a_nested_supervisor_does_not() -> None:
    quote = {"source": "a.md", "version": "1", "quote": "free space"}
    journal = Journal().add("answer_validated", answer="draft", citations=[], interim=True, covered=None)
    journal.add("answer_validated", answer="done", citations=[quote], confidence=0.8, covered=True)
    journal.add("answer_validated", path="task:net/validate:0", answer="inner", citations=[], covered=False)
    run = fold(row("COMPLETED"), journal.events)
    assert (run.answer, run.covered, run.confidence, run.interim) == ("done", True, 0.8, False)
    assert run.citations == (Citation(source="a.md", version="1", quote="free space"),)
    assert fold(row("ESCALATED"), journal.events).interim


def test_an_answer_that_a_person_gave_carries_no_citations_of_the_agents() -> None:
    quote = {"source": "a.md", "version": "1", "quote": "free space"}
    journal = Journal().add("answer_validated", answer="draft", citations=[quote], covered=True)
    journal.add("run_completed", state="COMPLETED", outcome="answered by a person", answer="reboot it")
    run = fold(row("COMPLETED"), journal.events, transitions=[transition(1, "ESCALATED", "COMPLETED")])
    assert (run.answer, run.citations, run.outcome) == ("reboot it", (), "answered by a person")


def found(journal: Journal, path: str, *documents: tuple[str, float], covered: bool | None = True) -> Journal:
    listed = [{"source": source, "version": "1", "score": score} for source, score in documents]
    facts: dict[str, Any] = {"snapshot_id": f"s:{path}", "query": "q", "epoch": 1, "mode": "lexical"}
    return journal.add("retrieval_completed", path=path, documents=listed, covered=covered, **facts)


def test_documents_are_listed_once_best_first_and_the_runs_own_search_leads() -> None:
    journal = found(Journal(), "recall:0", ("b.md", 0.5), ("a.md", 0.9), ("b.md", 0.7))
    found(journal, "task:t1/turn:0", ("c.md", 9.0), ("a.md", 8.0), covered=False)
    run = fold(row(), journal.events)
    assert [(d.source, d.score) for d in run.retrieved] == [("a.md", 0.9), ("b.md", 0.7), ("c.md", 9.0)]
    assert [s.snapshot_id for s in run.snapshots] == ["s:recall:0", "s:task:t1/turn:0"]
    assert run.snapshots[0].documents[0] == Retrieved(source="b.md", version="1", score=0.5)
    assert run.covered is True


def test_what_the_answer_says_about_cover_wins_over_the_search() -> None:
    journal = found(Journal(), "recall:0", covered=True)
    journal.add("answer_validated", answer="none of them fits", citations=[], covered=False)
    assert fold(row(), journal.events).covered is False


@pytest.mark.parametrize(
    ("state", "status"),
    [("intended", "unknown"), ("applied", "applied"), ("not_applied", "not_applied"), ("unknown", "unknown")],
)
def test_an_effect_is_an_action_with_the_approval_of_its_step(state: str, status: str) -> None:
    run = fold(row(), [], [approval("approved")], [effect(state)])
    assert status_of(run) == [("open_ticket", status, "apr_1")]


def test_an_approver_who_changed_the_arguments_still_owns_the_effect() -> None:
    run = fold(row(), [], [approval("approved")], [effect(digest="of other arguments")])
    assert status_of(run) == [("open_ticket", "applied", "apr_1")]


@pytest.mark.parametrize(
    ("answer", "state", "status"),
    [
        ("pending", "ESCALATED", "waiting"),
        ("approved", "ESCALATED", "waiting"),
        ("rejected", "COMPLETED", "denied"),
        ("expired", "COMPLETED", "denied"),
        ("pending", "CANCELLED", "not_applied"),
        ("approved", "FAILED", "not_applied"),
    ],
)
def test_a_question_without_an_effect_is_an_action(answer: str, state: str, status: str) -> None:
    journal = decided(Journal(), "escalate", effect="irreversible")
    run = fold(row(state), journal.events, [approval(answer)])
    assert status_of(run) == [("open_ticket", status, "apr_1")]
    assert run.actions[0].effect == "irreversible"


def test_a_write_that_was_approved_and_then_denied_is_denied() -> None:
    journal = decided(decided(Journal(), "escalate"), "deny", stage="write", reasons=["facts changed"])
    run = fold(row(), journal.events, [approval("approved")])
    assert status_of(run) == [("open_ticket", "denied", "apr_1")]
    assert run.actions[0].message == "facts changed"


def test_a_denied_write_is_listed_once_and_a_denied_read_not_at_all() -> None:
    journal = decided(decided(Journal(), "deny"), "deny", path="task:t1/turn:1/call:0")
    decided(journal, "deny", tool="peek", digest="d2", effect="read", path="task:t1/turn:2/call:0")
    assert status_of(fold(row(), journal.events)) == [("open_ticket", "denied", None)]


def test_a_denial_elsewhere_does_not_touch_a_question_that_waits() -> None:
    journal = decided(decided(Journal(), "escalate"), "deny", path="task:t2/turn:0/call:0")
    run = fold(row("ESCALATED"), journal.events, [approval()])
    assert status_of(run) == [("open_ticket", "waiting", "apr_1"), ("open_ticket", "denied", None)]


def test_questions_that_are_no_writes_are_approvals_but_no_actions() -> None:
    journal = Journal().add("tool_call_started", path=STEP, tool="peek", effect="read")
    asked = [
        approval(kind="repeat", tool="peek"),
        replace(approval(), approval_id="apr_2", kind="answer", step="validate:0"),
    ]
    run = fold(row("ESCALATED"), journal.events, asked)
    assert run.actions == ()
    assert len(run.pending) == 2


def test_a_write_that_an_earlier_run_made_is_said_to_be_applied() -> None:
    journal = decided(Journal(), "allow", effect="irreversible")
    journal.add("effect_joined", path=STEP, tool="open_ticket", effect_id="eff_0", key="k")
    run = fold(row(), journal.events)
    assert status_of(run) == [("open_ticket", "applied", None)]
    assert run.actions[0].effect == "irreversible"


@pytest.mark.parametrize("status", ["applied", "not_applied", "unknown"])
def test_a_write_that_an_earlier_run_began_is_settled_here(status: str) -> None:
    journal = decided(Journal(), "allow").add(
        f"effect_{status}", path=STEP, tool="open_ticket", effect_id="eff_0", message=""
    )
    asked = [approval("approved", step=STEP)]
    assert status_of(fold(row(), journal.events, asked)) == [("open_ticket", status, asked[0].approval_id)]
    own = effect("applied", effect_id="eff_0")
    assert status_of(fold(row(), journal.events, effects=[own])) == [("open_ticket", "applied", None)]


@pytest.mark.parametrize(
    "rows", [[effect("applied"), effect("unknown", effect_id="eff_2", step="task:t2/turn:0/call:0")]]
)
def test_two_effects_of_one_tool_are_two_actions(rows: list[EffectRow]) -> None:
    assert [a.status for a in fold(row(), [], effects=rows).actions] == ["applied", "unknown"]


def test_caveats_are_said_once_in_order_and_errors_are_remembered() -> None:
    journal = Journal().add("caveat", text="b").add("caveat", text="a").add("caveat", text="b")
    journal.add("plan_refused", errors=["no tasks"], round=0).add(
        "answer_rejected", errors=["no such source"]
    )
    run = fold(row(), journal.events)
    assert run.caveats == ("b", "a")
    assert run.last_error == "no such source"
    journal.add("budget_exceeded", path="a", limit="timeout", message="")
    assert fold(row(), journal.events).last_error == "the budget's timeout is used up"
    journal.add("run_completed", state="FAILED", outcome="failed", last_error="disk full")
    assert fold(row("FAILED"), journal.events).last_error == "disk full"


def test_events_of_a_later_version_are_passed_over() -> None:
    journal = Journal().add("something_new", what=1)
    assert fold(row(), journal.events).state == "EXECUTING"
