"""Reports, citations and cards survive JSON."""

from __future__ import annotations

import json

from pilotman.agents.report import AgentCard, Citation, Report, ToolCard


def test_a_report_survives_json() -> None:
    report = Report(
        task_id="t1",
        agent="a",
        text="x",
        status="partial",
        citations=(Citation(source="s", version="v", quote="q"),),
        caveats=("c",),
        confidence=0.5,
    )
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_an_agent_s_card_is_plain_data() -> None:
    card = AgentCard(
        name="a", description="d", tools=(ToolCard(name="t", description="d", effect="read", args=("x",)),)
    )
    assert json.loads(json.dumps(card.to_dict()))["tools"][0] == {
        "name": "t",
        "description": "d",
        "effect": "read",
        "args": ["x"],
    }
