"""``pilotman level`` as an operator uses it in an incident: at once, from another terminal, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.supervisor.cli.test_app import Terminal


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def test_where_nothing_was_set_policies_decide(pilotman: Terminal) -> None:
    code, out, _ = pilotman("level")
    assert (code, out) == (0, "full  no level was ever set: policies decide\n")
    assert pilotman.json("level") == (0, {"settings": [], "in_flight": []})


def test_a_read_only_home_drafts_and_prints_what_it_would_have_written(pilotman: Terminal) -> None:
    code, out, _ = pilotman("level", "read_only", "--reason", "incident 42", "--user", "olga")
    assert code == 0
    assert "read_only  everything in tenant default" in out
    assert "incident 42 (olga, " in out
    code, run = pilotman.json("triage")
    assert (code, run["state"]) == (0, "COMPLETED")
    drafts = {action["tool"]: action for action in run["actions"]}
    assert {action["status"] for action in drafts.values()} == {"drafted"}
    assert "orders-api" in drafts["open_ticket"]["args"]["body"]
    assert any("olga set everything in tenant default to read_only" in c for c in run["caveats"])
    assert pilotman.json("tickets") == (0, [])
    code, out, _ = pilotman("show", run["run_id"])
    assert (code, "drafted" in out, "orders-api" in out) == (0, True, True)
    pilotman("level", "full", "--reason", "it is over")
    code, run = pilotman.json("triage")
    assert (code, [a["status"] for a in run["actions"]]) == (3, ["applied", "waiting"])


def test_a_switch_for_one_tool_leaves_the_others_alone(pilotman: Terminal) -> None:
    assert pilotman("level", "off", "--tool", "restart_service", "--reason", "x")[0] == 0
    code, run = pilotman.json("triage")
    found = {action["tool"]: action["status"] for action in run["actions"]}
    assert (code, found) == (0, {"open_ticket": "applied", "restart_service": "denied"})


def test_the_history_names_who_set_what_and_why(pilotman: Terminal) -> None:
    for level in ("off", "constrained", "full"):
        pilotman("level", level, "--agent", "operator", "--reason", f"because of {level}", "--user", "olga")
    _, now = pilotman.json("level")
    _, ever = pilotman.json("level", "--history")
    assert [s["level"] for s in now["settings"]] == ["full"]
    assert [(s["number"], s["level"], s["by"], s["reason"], s["agent"]) for s in ever["settings"]] == [
        (1, "off", "olga", "because of off", "operator"),
        (2, "constrained", "olga", "because of constrained", "operator"),
        (3, "full", "olga", "because of full", "operator"),
    ]


def test_every_tenant_can_be_stopped_and_tenants_see_it(pilotman: Terminal) -> None:
    pilotman("level", "read_only", "--tenant", "*", "--reason", "x")
    pilotman("level", "off", "--tenant", "globex", "--reason", "x")
    _, found = pilotman.json("level", "--tenant", "acme")
    assert [s["tenant"] for s in found["settings"]] == ["*"]
    _, found = pilotman.json("level", "--tenant", "*")
    assert [s["tenant"] for s in found["settings"]] == ["*", "globex"]
    _, run = pilotman.json("triage", "--tenant", "acme")
    assert {action["status"] for action in run["actions"]} == {"drafted"}


def test_a_name_that_nobody_has_is_said_and_set_all_the_same(pilotman: Terminal) -> None:
    """Another program's team may share the home: a switch must not be refused."""
    code, out, err = pilotman("level", "off", "--tool", "restart_servce", "--reason", "x")
    assert code == 0
    assert "off  tool restart_servce" in out
    assert "restart_servce: is it spelt right?" in err
    assert pilotman("level", "off", "--tool", "restart_service", "--reason", "x")[2] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["offf", "--reason", "x"], "one of off, read_only, constrained, full"),
        (["off"], "the reason for a level"),
        (["off", "--reason", "x", "--effect", "wipe"], "one of read, egress, write, irreversible"),
        (["--tool", "restart_service", "--reason", "x"], "name a level"),
        (["off", "--reason", "x", "--tenant", ""], "tenant"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    pilotman: Terminal, words: list[str], said: str
) -> None:
    code, out, err = pilotman("level", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert pilotman.json("level")[1]["settings"] == []


def test_hostile_words_move_no_cursor(pilotman: Terminal) -> None:
    pilotman("level", "off", "--reason", "\x1b[2J\u202egone", "--tool", "[red]x\x1b[0m")
    _, out, _ = pilotman("level")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[red]x" in out
