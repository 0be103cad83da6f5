"""What must not break: a planner's answer is checked strictly at the boundary."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pilotman.agents.drafts import PlanDraft

TASK: dict[str, Any] = {"task_id": "t", "agent": "a", "goal": "g"}


def test_the_least_a_task_says() -> None:
    task = PlanDraft.model_validate({"tasks": [TASK]}).tasks[0]
    assert (task.depends_on, task.tools, task.targets, task.optional) == ([], None, [], False)


@pytest.mark.parametrize(
    "plan",
    [
        {"tasks": []},
        {"tasks": [TASK], "comment": "x"},
        {"tasks": [{**TASK, "confidence": 1}]},
        {"tasks": [{**TASK, "optional": "yes"}]},
        {"tasks": [{**TASK, "task_id": ""}]},
        {"tasks": [{**TASK, "goal": "g" * 2_001}]},
        {"tasks": [{**TASK, "tools": "open_ticket"}]},
    ],
)
def test_anything_else_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PlanDraft.model_validate(plan)
