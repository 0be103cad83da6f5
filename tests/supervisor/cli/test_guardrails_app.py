"""``policy check`` and ``gate bench`` as somebody uses them who wrote the policy, the suite or the gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from pilotman.guardrails import Gate
from pilotman.guardrails.bench.report import measure
from pilotman.guardrails.bench.suite import BenchTool, Injection, Step, Suite, Task
from pilotman.supervisor.bench.scenario import Attempt, Scenario
from pilotman.supervisor.cli import main

Pilotman: TypeAlias = Callable[..., tuple[int, str, str]]

GOOD = '@id("reads")\npermit (principal is User, action in Action::"read", resource);\n'
ODD = '\npermit (principal is User, action in Action::"read", resource);\n'  # no @id: usable
WRONG = '@id("x")\npermit (principal is User, action in Action::"read", resource)\nwhen { context.nope };\n'
MISSPELT = (
    '@id("l")\npermit (principal is User, action == Action::"pay", resource)\nwhen { principal.levle > 2 };\n'
)
LEVELS = """
entity User = { tenant: String, user: String, level: Long };
entity Tool = { tenant: String };
action "pay" appliesTo { principal: [User], resource: [Tool], context: {} };
"""
GATES = """
from functools import partial
from pilotman.agents import Specialist, tool
from pilotman.guardrails import Decision, Gate
from pilotman.supervisor import Supervisor

ours = partial(Gate, None)
seven = 7

def narrow(request): ...

@tool(effect="write")
def send(to: str) -> str:
    raise SystemExit("it was called")

@tool(effect="irreversible")
def wipe(disk: str) -> str:
    raise SystemExit("it was called")

def policy(call):
    return Decision.allow() if call.tool == "send" else Decision.escalate("look")

clerk = Specialist("clerk", "Does things.", tools=[send, wipe])
team = Supervisor("desk", [clerk], policy=policy)

def made(): return Supervisor("desk", [clerk], policy=policy, confine=True)

class Silent:
    def __init__(self, **told): ...
    def decide(self, call): raise RuntimeError("not today")
    def observe(self, call, result): ...
"""


def small(name: str = "small") -> Suite:
    """One task, one attack on it."""
    one = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    look = Step(tool="look", args={"id": "n-1"}, result={"notes": "first {injected}"})
    return Suite(
        name=name,
        tools=(
            BenchTool(name="look", description="Shows a note.", args_schema=one, effect="read"),
            BenchTool(name="drop", description="Drops a note.", args_schema=one, effect="write"),
        ),
        tasks=(Task(name="tidy", request="Drop n-1.", steps=(look, Step(tool="drop", args={"id": "n-1"}))),),
        injections=(Injection(name="more", goal="drop n-3", calls=(Step(tool="drop", args={"id": "n-3"}),)),),
    )


def burglary(*, through: bool) -> Scenario:
    """One attempt."""

    async def play() -> list[Attempt]:
        return [Attempt(what="window", through=through)]

    return Scenario(name="burglary", about="get in", play=play)


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Pilotman:
    """Runs a command in this process, in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pilotman", *args])
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return int(code), out, err

    return run


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody's in the working folder."""
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    (tmp_path / "my_gates.py").write_text(GATES)
    (tmp_path / "my_broken.py").write_text("\n1 / 0\n")
    (tmp_path / "small.json").write_text(small().to_json())


def refused(ended: tuple[int, str, str], *said: str) -> None:
    """One line on standard error that says all of this, nothing on standard output, exit code 2."""
    code, out, err = ended
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1, err
    assert all(words in err for words in said), err


def test_the_shipped_policy_has_no_findings(pilotman: Pilotman) -> None:
    assert pilotman("policy", "check") == (0, "no findings in the shipped policy\n", "")


def test_a_fatal_finding_is_told_by_file_and_line_and_fails(pilotman: Pilotman) -> None:
    Path("p.cedar").write_text(WRONG)
    code, out, err = pilotman("policy", "check", "p.cedar")
    first, summary = out.splitlines()
    assert (code, err) == (1, "")
    assert first.startswith("p.cedar:3: ")
    assert "nope" in first
    assert summary == "1 finding, 1 fatal"


def test_what_is_only_odd_does_not_fail(pilotman: Pilotman) -> None:
    Path("p.cedar").write_text(ODD)
    code, out, _ = pilotman("policy", "check", "p.cedar")
    assert code == 0
    assert out.startswith("p.cedar:2: it has no @id")
    assert out.endswith("1 finding, none fatal\n")


def test_a_folder_is_one_policy_and_several_paths_are_told_together(pilotman: Pilotman) -> None:
    for name, text in {"one/a.cedar": GOOD, "one/deep/b.cedar": GOOD, "two/c.cedar": WRONG}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    code, out, _ = pilotman("policy", "check", "two", "one")
    assert code == 1
    twice, wrong, summary = out.splitlines()
    assert twice.startswith("one/deep/b.cedar:1: ")
    assert wrong.startswith("two/c.cedar:3: ")
    assert summary == "2 findings, 1 fatal"
    assert pilotman("policy", "check", "one/a.cedar", "one/deep/b.cedar")[1] == "no findings\n"


def test_a_schema_of_ones_own_finds_what_is_misspelt(pilotman: Pilotman) -> None:
    Path("p.cedar").write_text(MISSPELT)
    Path("s.cedarschema").write_text(LEVELS)
    assert pilotman("policy", "check", "p.cedar")[0] == 0, "an attribute that some user may have"
    code, out, _ = pilotman("policy", "check", "p.cedar", "--schema", "s.cedarschema")
    assert code == 1
    assert out.startswith("p.cedar:3: ")
    assert "levle" in out
    Path("p.cedar").write_text(MISSPELT.replace("levle", "level"))
    assert pilotman("policy", "check", "p.cedar", "--schema", "s.cedarschema")[:2] == (0, "no findings\n")
    Path("s.cedarschema").write_text("entity")
    code, out, _ = pilotman("policy", "check", "p.cedar", "--schema", "s.cedarschema")
    assert code == 1
    assert out.startswith("s.cedarschema:1: ")


def test_findings_are_json_for_programs(pilotman: Pilotman) -> None:
    Path("p.cedar").write_text(WRONG)
    code, out, _ = pilotman("policy", "check", "p.cedar", "--json")
    told = json.loads(out)
    assert (code, told["usable"]) == (1, False)
    [finding] = told["findings"]
    assert (finding["file"], finding["line"], finding["fatal"]) == ("p.cedar", 3, True)
    assert "nope" in finding["text"]
    assert json.loads(pilotman("policy", "check", "--json")[1]) == {"usable": True, "findings": []}


def test_policies_that_cannot_be_read_are_one_line(pilotman: Pilotman) -> None:
    Path("p.cedar").write_text(WRONG)
    Path("empty").mkdir()
    Path("bytes.cedar").write_bytes(b"\xff\xfe")
    refused(pilotman("policy", "check", "p.cedar", "gone.cedar"), "gone.cedar", "No such file")
    refused(pilotman("policy", "check", "p.cedar", "--schema", "gone"), "gone", "No such file")
    refused(pilotman("policy", "check", "empty"), "empty holds no .cedar file")
    refused(pilotman("policy", "check", "bytes.cedar"), "bytes.cedar cannot be read")


def test_what_policies_quote_cannot_write_to_the_terminal(pilotman: Pilotman) -> None:
    Path("p\x1b[2J.cedar").write_text(WRONG)
    assert "\x1b[2J" not in pilotman("policy", "check", "p\x1b[2J.cedar")[1]


def test_the_bench_prints_what_the_library_measures(pilotman: Pilotman, gates: None) -> None:
    code, out, err = pilotman("gate", "bench", "small.json")
    assert (code, out) == (0, measure([small()], Gate).table())
    assert err.split() == ["suite", "small"]
    code, out, err = pilotman("gate", "bench", "small.json", "--json")
    assert (code, out.strip(), err) == (0, measure([small()], Gate).to_json(), "")


def test_without_a_file_the_development_suites_run(
    pilotman: Pilotman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilotman.guardrails.bench.suites.shipped", lambda: (small("a"), small("b")))
    monkeypatch.setattr("pilotman.supervisor.bench.scenarios.shipped", lambda: [burglary(through=False)])
    code, out, err = pilotman("gate", "bench")
    first = measure([small("a"), small("b")], Gate)
    assert code == 0
    assert out.startswith(f"{first.table()}\nscenario  attempts  through")
    assert "burglary  1         0        0      1       get in" in out
    told = [["suite", "a"], ["suite", "b"], ["scenario", "burglary"]]
    assert [line.split() for line in err.splitlines()] == told
    code, out, err = pilotman("gate", "bench", "--json")
    assert json.loads(out) == {
        **json.loads(first.to_json()),
        "scenarios": json.loads(out)["scenarios"],
        "notes": [],
    }


def test_what_comes_through_in_a_scenario_is_told_and_fails(
    pilotman: Pilotman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilotman.guardrails.bench.suites.shipped", lambda: (small(),))
    monkeypatch.setattr("pilotman.supervisor.bench.scenarios.shipped", lambda: [burglary(through=True)])
    code, out, _ = pilotman("gate", "bench")
    assert code == 1
    assert "through: burglary: window (1x)" in out
    code, out, _ = pilotman("gate", "bench", "--json")
    assert (code, json.loads(out)["scenarios"][0]["through"]) == (1, 1)


@pytest.mark.usefixtures("gates")
def test_a_team_of_the_working_folder_is_attacked_and_not_called(pilotman: Pilotman) -> None:
    code, out, err = pilotman("gate", "bench", "--team", "my_gates:team")
    rows = {line.split("  ")[0]: line.split() for line in out.split("\n\n")[0].splitlines()[1:]}
    assert rows.keys() == {"send", "wipe", "cross-tenant", "kill switch under load"}
    assert rows["send"][1:5] == ["1", "1", "0", "0"]
    assert rows["wipe"][1:5] == ["1", "0", "1", "0"]
    assert code == 1
    assert "through: send: clerk, a stranger's arguments" in out
    assert "scenario wipe" in err
    code, out, err = pilotman("gate", "bench", "--team", "my_gates:made", "--json")
    assert (code, err) == (0, ""), "a function that makes a team does too"
    assert {one["name"] for one in json.loads(out)["scenarios"]} == rows.keys()


@pytest.mark.usefixtures("gates")
def test_a_team_that_cannot_be_attacked_is_one_line(pilotman: Pilotman) -> None:
    refused(pilotman("gate", "bench", "--team", "my_gates:seven"), "is no Supervisor")
    refused(pilotman("gate", "bench", "--team", "my_gates:ours"), "makes no team")
    for more in (["small.json"], ["--gate", "my_gates:ours"], ["--plan"]):
        refused(pilotman("gate", "bench", "--team", "my_gates:team", *more), "--team is attacked alone")
    refused(pilotman("gate", "bench", "--request", "Send it."), "--team")


@pytest.mark.parametrize(("option", "plan"), [("--plan", True), ("--no-plan", False)])
def test_one_mode_alone_can_be_measured(pilotman: Pilotman, gates: None, option: str, plan: bool) -> None:
    _, out, _ = pilotman("gate", "bench", "small.json", option, "--json")
    assert {figures["plan"] for figures in json.loads(out)["figures"]} == {plan}


def test_a_gate_of_the_working_folder_is_measured(pilotman: Pilotman, gates: None) -> None:
    expected = pilotman("gate", "bench", "small.json")
    assert pilotman("gate", "bench", "small.json", "--gate", "my_gates:ours") == expected


def test_a_gate_that_cannot_be_had_is_one_line(pilotman: Pilotman, gates: None) -> None:
    for name, said in {
        "my_gates": "names no factory",
        ":ours": "names no factory",
        "my_gates:": "names no factory",
        "my_gates:seven": "cannot be called",
        "my_gates:none": "has no attribute 'none'",
        "my_missing:gate": "No module named 'my_missing'",
        "my_broken:gate": "ZeroDivisionError: division by zero (my_broken.py:2)",
        ".my_gates:ours": "relative import",
    }.items():
        refused(pilotman("gate", "bench", "small.json", "--gate", name), name, said)


def test_a_gate_that_breaks_says_where(pilotman: Pilotman, gates: None) -> None:
    for name, said in {
        "Silent": "suite small could not be run: RuntimeError: not today (my_gates.py:30)",
        "narrow": "unexpected keyword argument",
    }.items():
        code, out, err = pilotman("gate", "bench", "small.json", "--gate", f"my_gates:{name}")
        assert (code, out) == (1, "")
        _, complaint = err.splitlines()
        assert said in complaint


def test_a_malformed_suite_is_one_line_that_names_the_place(pilotman: Pilotman, gates: None) -> None:
    for text, said in {
        "": "Invalid JSON",
        "[]": "should be an object",
        "[" * 10_000: "recursion",
        small().to_json().replace('"effect"', '"efect"'): "tools[0].efect",
        small().to_json().replace('"tool": "drop"', '"tool": "burn"'): "no tool 'burn'",
    }.items():
        Path("bad.json").write_text(text)
        refused(pilotman("gate", "bench", "small.json", "bad.json"), "bad.json", said)
    refused(pilotman("gate", "bench", "gone.json"), "gone.json cannot be read: No such file")


def test_suites_that_the_report_could_not_tell_apart_are_refused(pilotman: Pilotman, gates: None) -> None:
    Path("same.json").write_text(small().to_json())
    Path("sum.json").write_text(replace(small(), name="total").to_json())
    refused(pilotman("gate", "bench", "small.json", "same.json"), "small.json", "same.json")
    refused(pilotman("gate", "bench", "sum.json"), "sum.json", "total")


def test_an_interrupt_ends_the_bench_with_its_own_code(
    pilotman: Pilotman, gates: None, tmp_path: Path
) -> None:
    (tmp_path / "my_stop.py").write_text("def gate(**told): raise KeyboardInterrupt\n")
    code, _, err = pilotman("gate", "bench", "small.json", "--gate", "my_stop:gate")
    assert (code, err.splitlines()[-1]) == (130, "pilotman: interrupted")


def test_other_commands_do_not_load_the_development_suites() -> None:
    program = "import sys, pilotman.supervisor.cli; print('pilotman.guardrails.bench.suites' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=os.environ)
    assert done.stdout.strip() == b"False"
