"""What a planner model may answer: a trust boundary, hence pydantic, strict, nothing extra.

A draft says nothing yet about whether its agents and tools exist: the supervisor checks that.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
_Text = Annotated[str, StringConstraints(max_length=2_000)]


class TaskDraft(BaseModel):
    """One task for one agent. Tasks form a graph by ``depends_on``."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    task_id: _Name = Field(description="short and unique in this plan")
    agent: _Name = Field(description="the name of one agent of the team")
    goal: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] = Field(
        description="what this agent is to find out or do, with the names and values it needs"
    )
    depends_on: list[_Name] = Field(
        default_factory=list, description="task_ids whose reports this task needs"
    )
    tools: list[_Name] | None = Field(
        default=None, description="the tools that this task needs, no others; null: all tools of the agent"
    )
    targets: list[_Text] = Field(
        default_factory=list, description="the things it is about: hosts, orders, people"
    )
    done_when: _Text = Field(default="", description="how to tell that the task is done")
    optional: bool = Field(default=False, description="true: the answer can do without it")


class PlanDraft(BaseModel):
    """The tasks that answer the request."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    tasks: list[TaskDraft] = Field(min_length=1, max_length=100)
