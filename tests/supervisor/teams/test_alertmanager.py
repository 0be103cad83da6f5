"""Silences, against a server that keeps them as Alertmanager does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from pilotman.agents import Tool, ToolContext
from pilotman.agents.blocking import Threads
from pilotman.supervisor.teams.alertmanager import Alertmanager
from pilotman.supervisor.teams.operation import silence_tools

Serve = Callable[[Callable[[Any], Any]], Any]


def did(tool: Tool[..., Any], **args: Any) -> Any:
    """What the tool's function returns."""
    return tool.fn(**args)


NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


class Silences:
    """What Alertmanager keeps: by its identifier, ended ones too. It can lose a reply."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.lose_reply = False

    def __call__(self, seen: Any) -> Any:
        if seen.method == "POST" and seen.path == "/api/v2/silences":
            identifier = f"silence-{len(self.kept) + 1}"
            self.kept[identifier] = {**seen.body, "id": identifier, "status": {"state": "active"}}
            return None if self.lose_reply else (200, {"silenceID": identifier})
        if seen.method == "GET" and seen.path == "/api/v2/silences":
            return 200, list(self.kept.values())
        identifier = seen.path.removeprefix("/api/v2/silence/")
        if seen.method == "DELETE" and identifier in self.kept:
            self.kept[identifier]["status"] = {"state": "expired"}
            return 200, b""
        return 404, {"code": 404}


def silence(manager: Alertmanager, key: str = "k") -> Any:
    labels = {"service": "orders-api", "host": "web-1"}
    return manager.silence(labels, minutes=30, comment="being mended", created_by="alice", key=key)


def test_a_silence_matches_exactly_the_labels_and_ends(serve: Serve) -> None:
    server = Silences()
    made = silence(Alertmanager(serve(server).url, clock=lambda: NOON))
    kept = server.kept[made.silence_id]
    assert [(m["name"], m["value"], m["isRegex"], m["isEqual"]) for m in kept["matchers"]] == [
        ("host", "web-1", False, True),
        ("service", "orders-api", False, True),
    ]
    assert (kept["startsAt"], kept["endsAt"]) == ("2026-11-18T12:00:00+00:00", "2026-11-18T12:30:00+00:00")
    assert kept["createdBy"] == "alice"


def test_a_silence_whose_reply_was_lost_is_found_by_its_key(serve: Serve) -> None:
    server = Silences()
    server.lose_reply = True
    manager = Alertmanager(serve(server).url)
    with pytest.raises(httpx.RemoteProtocolError):
        silence(manager, key="run:1:a")
    assert manager.find("run:1:a") is not None
    assert manager.find("run:1") is None
    assert manager.find("run:1:ab") is None


def test_an_ended_silence_is_still_found(serve: Serve) -> None:
    server = Silences()
    manager = Alertmanager(serve(server).url)
    made = silence(manager)
    manager.expire(made.silence_id)
    assert server.kept[made.silence_id]["status"] == {"state": "expired"}
    assert manager.find("k") == made


def test_no_labels_silence_nothing(serve: Serve) -> None:
    served = serve(Silences())
    with pytest.raises(ValueError, match="every alert"):
        Alertmanager(served.url).silence({}, minutes=5, comment="", created_by="a", key="k")
    assert served.requests == []


class TestTool:
    def test_it_is_made_found_and_ended_again(self, serve: Serve, ctx: ToolContext) -> None:
        server = Silences()
        (tool,) = silence_tools(Alertmanager(serve(server).url))
        made = did(tool, labels={"a": "b"}, reason="planned work", ctx=ctx, minutes=10)
        assert "planned work" in server.kept["silence-1"]["comment"]
        assert ctx.idempotency_key in server.kept["silence-1"]["comment"]
        assert made["silence_id"] == "silence-1"

    @pytest.mark.anyio
    async def test_it_is_looked_up_and_taken_back(self, serve: Serve, ctx: ToolContext) -> None:
        server = Silences()
        (tool,) = silence_tools(Alertmanager(serve(server).url))
        args = {"labels": {"a": "b"}, "reason": "planned work"}
        assert await tool.find(args, ctx, timeout=5.0, threads=Threads()) is None
        made = did(tool, **args, ctx=ctx)
        found = await tool.find({**args, "reason": "in other words"}, ctx, timeout=5.0, threads=Threads())
        assert found is not None
        assert found.value == made
        undo = tool.undoing("eff_1", made)
        assert (await undo.call(args, ctx, timeout=5.0, threads=Threads())).status == "ok"
        assert server.kept["silence-1"]["status"] == {"state": "expired"}

    @pytest.mark.parametrize("args", [{"minutes": 100_000}, {"minutes": 0}, {"labels": {}}, {"reason": ""}])
    def test_it_is_bounded(self, args: dict[str, Any]) -> None:
        (tool,) = silence_tools(Alertmanager("http://127.0.0.1:1"))
        good = {"labels": {"a": "b"}, "reason": "planned work", "minutes": 10}
        assert tool.validate(good)
        with pytest.raises(ValueError, match=next(iter(args))):
            tool.validate({**good, **args})

    def test_its_identity_is_what_it_silences_not_why(self) -> None:
        (tool,) = silence_tools(Alertmanager("http://127.0.0.1:1"))
        where = {"run_id": "r", "thread_id": "t", "tenant": "acme"}

        def key(labels: dict[str, str], reason: str) -> str:
            return tool.key(tool.validate({"labels": labels, "reason": reason}), **where)

        assert key({"a": "b", "c": "d"}, "one") == key({"c": "d", "a": "b"}, "two")
        assert key({"a": "b"}, "one") != key({"a": "c"}, "one")
