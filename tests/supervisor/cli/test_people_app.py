"""Answering at the terminal: what is listed, and how one call of several is named."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.cli.test_app import Terminal

from pilotman.guardrails.approval import AskedCall
from pilotman.memory import Memory
from pilotman.supervisor.cli import output
from pilotman.supervisor.run import Run

_HOUR = timedelta(hours=1)


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(output.console, "width", 100)
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def ask_more(home: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Let a second call join a question of the home, as an agent that asks at the same time would."""

    async def join() -> dict[str, Any]:
        async with Memory(f"sqlite:///{home / 'pilotman.db'}") as memory:
            journal = memory.journal
            asked = await journal.approval(question["approval_id"], tenant="default")
            run = await journal.claim(asked.run_id, owner="me", lease=_HOUR, is_dead=lambda _: True)
            assert run is not None
            first = asked.calls[0]
            args = {**first.args, "host": "p\u0430ypal.example"}
            call = _with(first, args)
            await journal.request_approvals([asked.listing([call])], owner="me")
            await journal.release(asked.run_id, owner="me")
            return (await journal.approval(asked.approval_id, tenant="default")).to_dict()

    return asyncio.run(join())


def _with(first: AskedCall, args: dict[str, Any]) -> AskedCall:
    call = replace(first.call, args=args)
    return replace(
        first, approval_id="apr_joined", step=f"{first.step}0", call=call, digest=call.digest, target=()
    )


def test_calls_are_listed_and_named_by_the_beginning_of_their_digests(pilotman: Terminal) -> None:
    pilotman("triage")
    _, [question] = pilotman.json("approvals")
    both = ask_more(pilotman.home, question)
    _, out, _ = pilotman("approvals")
    first, second = (call["digest"][:12] for call in both["calls"])
    lines = out.splitlines()
    assert lines[0].startswith("? May operator do these 2 calls of restart_service?")
    assert any(line.startswith(f"    - {first} restart_service(") for line in lines)
    assert any(line.startswith(f"    - {second} restart_service(") for line in lines)
    assert 'host="xn--pypal-4ve.example"' in out
    approve = f"    pilotman approve {question['approval_id']} --digest {both['digest'][:12]} "
    assert any(line.startswith(approve) for line in lines), "to be copied as it is"
    code, _, err = pilotman("approve", question["approval_id"], "--digest", first)
    assert (code, "other arguments" in err) == (2, True)
    code, _, err = pilotman("approve", question["approval_id"], "--only", "0" * 12)
    assert (code, "no open call" in err) == (2, True)
    code, _, _ = pilotman("reject", question["approval_id"], "--only", second, "--by", "bob")
    assert code == 3, "the other call is open still"
    _, [left] = pilotman.json("approvals")
    assert [call["state"] for call in left["calls"]] == ["pending", "rejected"]
    code, _, _ = pilotman("approve", question["approval_id"], "--only", first, "--by", "bob")
    assert code == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [("nonsense", "no JSON"), ("[1]", "no JSON object"), ('{"x": 1}', "service: is missing")],
)
def test_arguments_that_are_none_are_refused(pilotman: Terminal, given: str, words: str) -> None:
    pilotman("triage")
    _, [question] = pilotman.json("approvals")
    code, _, err = pilotman("approve", question["approval_id"], "--args", given)
    assert (code, words in err) == (2, True)


def test_other_arguments_take_the_place_of_those_that_were_asked_about(pilotman: Terminal) -> None:
    pilotman("triage")
    _, [question] = pilotman.json("approvals")
    args = {**question["args"], "reason": "edited by bob"}
    given = ("--digest", question["digest"], "--args", json.dumps(args), "--by", "bob")
    code, out, _ = pilotman("approve", question["approval_id"], *given)
    assert code == 0
    assert "approved by bob with other arguments" in out
    _, [run] = pilotman.json("runs")
    _, shown = pilotman.json("show", run["run_id"])
    known = {k: v for k, v in shown.items() if k != "events"}
    (asked,) = Run.from_json(json.dumps(known)).approvals
    assert asked.new_args == args
