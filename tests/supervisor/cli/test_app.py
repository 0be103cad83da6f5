"""The command line as a newcomer uses it: what it prints, what it leaves behind, how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PROCESS_PATIENCE

from pilotman.supervisor.cli import main
from pilotman.supervisor.cli.home import Home
from pilotman.supervisor.teams.samples import sample_alert, sample_runbooks

RUN = [sys.executable, "-m", "pilotman"]
# for processes that are interrupted while they load, or may not write: coverage would write, too
UNTRACED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}

AS_NOBODY = [
    sys.executable,
    "-c",
    # root may read everything: what is needed is imported, then its rights are given up
    "import os\nfrom pilotman.supervisor.cli import main\nif os.getuid() == 0: os.seteuid(65534)\nmain()",
]


class Terminal:
    """Runs commands in this process, in one home."""

    def __init__(
        self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.home = home
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *args: str, home: bool = True) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of one command."""
        words = ["pilotman", *args, *(("--home", str(self.home)) if home else ())]
        self._monkeypatch.setattr(sys, "argv", words)
        code: Any = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = self._capsys.readouterr()
        return int(code), out, err

    def json(self, *args: str) -> tuple[int, Any]:
        code, out, err = self(*args, "--json")
        assert out, err
        return code, json.loads(out)


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def test_the_main_job_opens_a_ticket_and_a_risky_action_waits_for_a_person(pilotman: Terminal) -> None:
    code, run = pilotman.json("triage")
    assert code == 3
    assert run["state"] == "ESCALATED"
    assert set(run) == {
        "run_id",
        "state",
        "answer",
        "citations",
        "retrieved",
        "actions",
        "usage",
        "caveats",
        "covered",
    }
    assert run["covered"] is True
    assert set(run["usage"]) == {"steps", "tool_calls", "input_tokens", "output_tokens", "cost_usd"}
    assert all(set(c) == {"source", "version", "quote"} for c in run["citations"])
    assert run["citations"]
    by_tool = {action["tool"]: action for action in run["actions"]}
    assert by_tool["open_ticket"]["status"] == "applied"
    assert by_tool["restart_service"]["status"] == "waiting"
    _, tickets = pilotman.json("tickets")
    assert [ticket["run_id"] for ticket in tickets] == [run["run_id"]]
    _, asked = pilotman.json("approvals")
    assert [a["approval_id"] for a in asked] == [by_tool["restart_service"]["approval_id"]]
    code, ended = pilotman.json(
        "approve", asked[0]["approval_id"], "--by", "bob", "--digest", asked[0]["digest"]
    )
    assert (code, ended["state"]) == (0, "COMPLETED")
    assert {a["tool"]: a["status"] for a in ended["actions"]} == {
        "open_ticket": "applied",
        "restart_service": "applied",
    }
    code, _, err = pilotman("approve", asked[0]["approval_id"])
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_a_rejected_action_ends_with_the_rejection_in_the_answer(pilotman: Terminal) -> None:
    _, run = pilotman.json("triage")
    _, [asked] = pilotman.json("approvals")
    code, ended = pilotman.json(
        "reject", asked["approval_id"], "--by", "bob", "--comment", "not during business hours"
    )
    assert (code, ended["run_id"]) == (0, run["run_id"])
    assert "not during business hours" in ended["answer"]
    assert {a["tool"]: a["status"] for a in ended["actions"]}["restart_service"] == "denied"


def test_the_same_alert_sent_twice_joins_the_first_run(pilotman: Terminal, tmp_path: Path) -> None:
    alert = tmp_path / "alert.json"
    alert.write_text(json.dumps(sample_alert(host=socket.gethostname())))
    _, first = pilotman.json("triage", str(alert))
    _, again = pilotman.json("triage", str(alert))
    _, tickets = pilotman.json("tickets")
    assert first["run_id"] == again["run_id"]
    assert len(tickets) == 1


def test_a_resolved_alert_is_answered_and_opens_nothing(
    pilotman: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = sample_alert()
    alert["status"] = "resolved"
    for one in alert["alerts"]:
        one["status"] = "resolved"
        one["endsAt"] = "2026-11-20T10:00:00Z"
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(alert).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, run = pilotman.json("triage", "-")
    _, tickets = pilotman.json("tickets")
    assert (code, run["state"], run["actions"], tickets) == (0, "COMPLETED", [], [])
    assert run["answer"].startswith("Resolved")


def test_people_see_progress_the_run_and_what_to_do_next(pilotman: Terminal) -> None:
    code, out, err = pilotman("triage")
    assert code == 3
    assert "plan diagnostician, librarian → operator" in err, "what runs at once stands side by side"
    for answer in ("approve", "reject"):
        assert re.search(rf"pilotman {answer} apr_\w+ --home {pilotman.home}\n", out), "to be copied as it is"
    code, out, _ = pilotman("runs")
    assert "ESCALATED" in out
    _, [listed] = pilotman.json("runs")
    code, out, _ = pilotman("show", listed["run_id"])
    assert code == 0
    assert "open_ticket" in out
    code, out, _ = pilotman("approvals")
    assert "restart_service" in out
    assert f"--home {pilotman.home}\n" in out
    assert "T-1" in pilotman("tickets")[1]
    code, run = pilotman.json("cancel", listed["run_id"], "--reason", "drill")
    assert (code, run["state"]) == (1, "CANCELLED")
    code, run = pilotman.json("resume", listed["run_id"])
    assert (code, run["state"]) == (1, "CANCELLED")


def test_progress_begins_where_the_answer_was_given(pilotman: Terminal) -> None:
    pilotman("triage")
    _, [asked] = pilotman.json("approvals")
    code, _, err = pilotman("approve", asked["approval_id"])
    assert code == 0
    assert "restart_service applied" in err
    assert "open_ticket" not in err


def test_a_run_goes_on_with_what_it_began_with(pilotman: Terminal, tmp_path: Path) -> None:
    alert = tmp_path / "alert.json"
    alert.write_text(json.dumps(sample_alert(host="web-1")))
    _, run = pilotman.json("triage", str(alert), "--tickets-url", "http://127.0.0.1:9")
    pilotman.json("triage")
    home = Home(pilotman.home)
    assert home.settings("incident", run["run_id"]).tickets_url == "http://127.0.0.1:9"
    assert home.settings("incident").tickets_url is None
    (pilotman.home / "settings" / f"{run['run_id']}.json").write_text("{")
    assert home.settings("incident", run["run_id"]) == home.settings("incident"), "damaged: the last ones"


def test_an_alert_that_is_sent_again_with_other_flags_goes_on_as_it_was_accepted(
    pilotman: Terminal, tmp_path: Path
) -> None:
    alert = tmp_path / "alert.json"
    alert.write_text(json.dumps(sample_alert(host="web-1")))
    with subprocess.Popen(
        [*RUN, "triage", str(alert), "--home", str(pilotman.home)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as driving:
        while not any((pilotman.home / "settings").glob("run_*.json")):
            time.sleep(0.01)
        driving.kill()
    _, run = pilotman.json("triage", str(alert), "--tickets-url", "http://127.0.0.1:9")
    assert {a["tool"]: a["status"] for a in run["actions"]}["open_ticket"] == "applied"
    assert [ticket["run_id"] for ticket in pilotman.json("tickets")[1]] == [run["run_id"]]


def test_runs_can_be_looked_at_and_ended_when_their_documents_are_gone(
    pilotman: Terminal, tmp_path: Path
) -> None:
    books = tmp_path / "books"
    shutil.copytree(sample_runbooks(), books)
    _, run = pilotman.json("triage", "--runbooks", str(books))
    shutil.rmtree(books)
    assert [listed["run_id"] for listed in pilotman.json("runs")[1]] == [run["run_id"]]
    assert pilotman("show", run["run_id"])[0] == 0
    _, [asked] = pilotman.json("approvals")
    code, ended = pilotman.json("reject", asked["approval_id"])
    assert (code, ended["state"]) == (0, "COMPLETED")
    assert pilotman("triage", "--runbooks", str(books))[0] == 2


def test_support_answers_from_policy_and_updates_the_account(pilotman: Terminal) -> None:
    code, run = pilotman.json(
        "support",
        "Where is my refund for order A-1001? Please change my email to ann@new.example",
        "--user",
        "ann",
    )
    assert code == 0
    assert "A-1001" in run["answer"]
    assert "ann@new.example" in run["answer"]
    assert [a["status"] for a in run["actions"] if a["tool"] == "update_account"] == ["applied"]


def test_the_graph_draws_itself(pilotman: Terminal, tmp_path: Path) -> None:
    code, out, _ = pilotman("graph")
    assert code == 0
    assert "supervise" in out
    picture = tmp_path / "graph.svg"
    assert pilotman("graph", "--svg", str(picture))[0] == 0
    assert picture.read_text().lstrip().startswith("<svg")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("triage", "nowhere.json"), 2, "nowhere.json"),
        (("triage", "--runbooks", "/nowhere/at/all"), 2, "/nowhere/at/all"),
        (("triage", "--model", "nobody:knows-this"), 2, "nobody"),
        (("triage", "--model", "nonsense"), 2, "provider:name"),
        (("show", "run_nothing"), 2, "run_nothing"),
        (("resume", "run_nothing"), 2, "run_nothing"),
        (("approve", "apr_nothing"), 2, "apr_nothing"),
        (("runs", "--state", "DREAMING"), 2, "DREAMING"),
        (("support", " "), 2, "empty"),
    ],
)
def test_bad_usage_is_one_clear_line_and_exit_code_2(
    pilotman: Terminal, args: tuple[str, ...], code: int, words: str
) -> None:
    got, out, err = pilotman(*args)
    assert got == code
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[1]",
        '"x"',
        '{"version": "3"}',
        '{"version": "4", "status": "firing", "alerts": []}',
        "nan",
    ],
)
def test_a_malformed_webhook_is_one_clear_line(pilotman: Terminal, tmp_path: Path, text: str) -> None:
    alert = tmp_path / "alert.json"
    alert.write_text(text)
    code, out, err = pilotman("triage", str(alert))
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize("secret", ["", "a.md"], ids=["folder", "file"])
def test_a_folder_of_which_nothing_can_be_read_is_one_clear_line(tmp_path: Path, secret: str) -> None:
    books = tmp_path / "books"
    books.mkdir()
    (books / "a.md").write_text("# A")
    (books / secret).chmod(0)
    ended = subprocess.run(
        [*AS_NOBODY, "triage", "--runbooks", str(books), "--home", str(tmp_path / "home")],
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
        env=UNTRACED,
    )
    books.chmod(0o700)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "cannot be read" in ended.stderr


def _interruptible() -> None:
    """Who runs the tests in the background may ignore interrupts, and children would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, pilotman: Terminal) -> None:
    kept = pilotman.home / "settings"
    with (
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(
            [*RUN, "triage", "--home", str(pilotman.home)],
            stdout=subprocess.DEVNULL,
            stderr=said,
            preexec_fn=_interruptible,
        ) as driving,
    ):
        while not any(kept.glob("run_*.json")):
            time.sleep(0.01)
        driving.send_signal(signal.SIGINT)
    assert driving.returncode == 130
    told = (tmp_path / "said").read_text()
    assert "pilotman resume" in told
    assert "Traceback" not in told
    _, [run] = pilotman.json("runs")
    assert pilotman.json("resume", run["run_id"])[1]["state"] == "ESCALATED"
    assert len(pilotman.json("tickets")[1]) == 1


@pytest.mark.parametrize("module", ["pilotman.guardrails.errors", "langgraph"])
def test_an_interrupt_while_it_is_being_loaded_is_one_line(tmp_path: Path, module: str) -> None:
    command = [sys.executable, "-X", "importtime", *RUN[1:], "triage", "--home", str(tmp_path / "home")]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=UNTRACED, preexec_fn=_interruptible
    ) as loading:
        assert loading.stderr is not None
        for line in loading.stderr:
            if line.endswith(f" {module}\n"):
                break
        loading.send_signal(signal.SIGINT)
        said = [line for line in loading.stderr if not line.startswith("import time:")]
    assert loading.returncode == 130
    assert said == ["pilotman: interrupted before it began\n"]


def test_a_corrupt_journal_is_left_as_it_is(pilotman: Terminal) -> None:
    pilotman.json("triage")
    journal = pilotman.home / "pilotman.db"
    for rest in pilotman.home.glob("pilotman.db-*"):
        rest.unlink()
    journal.write_bytes(b"this is not a database, it only looks like a file " * 200)
    before = journal.read_bytes()
    code, _, err = pilotman("runs")
    assert (code, len(err.strip().splitlines())) == (1, 1)
    assert journal.read_bytes() == before


def test_a_full_disk_is_one_clear_line_and_loses_nothing(pilotman: Terminal) -> None:
    _, run = pilotman.json("triage")

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    full = subprocess.run(
        [*RUN, "triage", "--tenant", "other", "--home", str(pilotman.home)],
        capture_output=True,
        text=True,
        preexec_fn=small,
        env=UNTRACED,
        timeout=PROCESS_PATIENCE,
    )
    assert full.returncode == 1, full.stderr
    assert "Traceback" not in full.stderr
    assert "pilotman: " in full.stderr.splitlines()[-1]
    assert "what was stored before is kept" in full.stderr
    assert "nothing was stored" not in full.stderr
    assert [r["run_id"] for r in pilotman.json("runs")[1]] == [run["run_id"]]


def test_tenants_do_not_see_each_other(pilotman: Terminal) -> None:
    _, run = pilotman.json("triage")
    _, [asked] = pilotman.json("approvals")
    for args in (
        ("show", run["run_id"]),
        ("resume", run["run_id"]),
        ("cancel", run["run_id"]),
        ("approve", asked["approval_id"]),
        ("reject", asked["approval_id"]),
    ):
        assert pilotman(*args, "--tenant", "other")[0] == 2
    for command in ("runs", "tickets", "approvals"):
        assert pilotman.json(command, "--tenant", "other")[1] == []
