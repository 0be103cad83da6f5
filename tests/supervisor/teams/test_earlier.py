"""Earlier runs: the same alert is recognised by what it is, in one's own tenant only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pilotman.guardrails import Principal
from pilotman.supervisor.teams.earlier import EarlierRuns, earlier_tools, related
from pilotman.supervisor.teams.incident import incident_team
from pilotman.supervisor.teams.samples import sample_alert

ALICE = Principal(tenant="acme", user="alice")


@pytest.mark.parametrize(
    ("own", "other", "relation"),
    [
        ({"fingerprints": ["a", "b"]}, {"fingerprints": ["b"]}, "same alert"),
        ({"group_key": "g", "group_labels": {"x": "1"}}, {"group_key": "g"}, "same group"),
        ({"group_key": "{}:{}"}, {"group_key": "{}:{}"}, None),
        ({"group_key": "g", "group_labels": {"x": "1"}}, {"group_key": "h"}, None),
        ({"fingerprints": []}, {"fingerprints": []}, None),
        ({}, {}, None),
    ],
)
def test_runs_are_related_by_fingerprint_or_group(
    own: dict[str, object], other: dict[str, object], relation: str | None
) -> None:
    assert related(own, other) == relation


@pytest.mark.anyio
async def test_the_same_alert_is_found_again_and_no_other() -> None:
    def alert(host: str, day: int) -> dict[str, object]:
        body = sample_alert(host=host, started_at=datetime(2026, 11, day, tzinfo=UTC))
        labels = body["alerts"][0]["labels"]
        body["alerts"][0]["fingerprint"] = f"of {labels['host']}"
        body["groupKey"] = f"of {labels['host']}"
        return body

    team = incident_team()
    async with team:
        first = await team.run(alert("web-1", 1), principal=ALICE)
        await team.run(alert("web-2", 1), principal=ALICE)
        await team.run(alert("web-1", 1), principal=Principal(tenant="other", user="alice"))
        again = await team.run(alert("web-1", 2), principal=ALICE)
        earlier = EarlierRuns()
        earlier.team = team
        found = await earlier.find(again.run_id, ALICE)
    assert [(run["run_id"], run["relation"]) for run in found] == [(first.run_id, "same alert")]
    assert found[0]["state"] == first.state
    assert "earlier_runs" in again.tools_called


@pytest.mark.anyio
async def test_without_a_team_nothing_is_known() -> None:
    assert await EarlierRuns().find("run_1", ALICE) == []
    (tool,) = earlier_tools(EarlierRuns())
    assert tool.effect == "read"
