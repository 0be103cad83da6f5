"""A web app that embeds a team: submit, follow the events, approve."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import StreamingResponse
from tests.patience import until

from pilotman.agents import Specialist, tool
from pilotman.guardrails import Approval, Principal
from pilotman.memory import Memory
from pilotman.supervisor import Run, Supervisor

alice = Principal(tenant="acme", user="alice")


async def who(request: Request) -> Principal:
    return Principal(tenant="acme", user=request.headers["x-user"])


Who = Annotated[Principal, Depends(who)]


@pytest.mark.anyio
async def test_a_web_app_submits_streams_and_approves(tmp_path: Path) -> None:
    @tool(effect="write")
    async def note(text: str) -> str:
        """Write a note."""
        return "noted"

    desk = Supervisor(
        "desk",
        [Specialist("helper", "Writes notes.", tools=[note])],
        memory=Memory(f"sqlite:///{tmp_path}/desk.db"),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with desk:
            yield

    app = FastAPI(lifespan=lifespan)

    async def start(
        body: dict[str, str], who: Who, idempotency_key: Annotated[str | None, Header()] = None
    ) -> Run:
        thread_id = body.get("thread_id")
        return await desk.submit(body, principal=who, idempotency_key=idempotency_key, thread_id=thread_id)

    async def events(run_id: str, who: Who, last_event_id: Annotated[int, Header()] = 0) -> StreamingResponse:
        async def sse() -> AsyncIterator[str]:
            async for e in desk.events(run_id, principal=who, after=last_event_id):
                yield f"id: {e.seq}\nevent: {e.kind}\ndata: {e.to_json()}\n\n"

        return StreamingResponse(sse(), media_type="text/event-stream")

    async def approvals(who: Who) -> list[Approval]:
        return await desk.approvals(principal=who)

    async def decide(approval_id: str, ok: bool, who: Who) -> Approval:
        return await (desk.approve if ok else desk.reject)(approval_id, principal=who)

    app.post("/runs", status_code=202)(start)
    app.get("/runs/{run_id}/events")(events)
    app.get("/approvals")(approvals)
    app.post("/approvals/{approval_id}")(decide)
    transport = httpx.ASGITransport(app=app)
    headers = {"x-user": "alice"}
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://app") as web:
        body = {"text": "write a note that says hello", "thread_id": "c"}
        first = await web.post("/runs", json=body, headers={**headers, "idempotency-key": "k"})
        again = await web.post("/runs", json=body, headers={**headers, "idempotency-key": "k"})
        assert first.status_code == 202, first.text
        run_id = first.json()["run_id"]
        assert again.json()["run_id"] == run_id
        stream = (await web.get(f"/runs/{run_id}/events", headers=headers)).text
        assert "approval_requested" in stream
        [asked] = (await web.get("/approvals", headers=headers)).json()
        await web.post(f"/approvals/{asked['approval_id']}", params={"ok": True}, headers=headers)
        last = stream.rsplit("id: ", 1)[1].split("\n")[0]

        async def completed() -> bool:
            rest = await web.get(f"/runs/{run_id}/events", headers={**headers, "last-event-id": last})
            return "run_completed" in rest.text

        await until(completed)
        done = await desk.get(run_id, principal=alice)
        assert (done.state, done.thread_id) == ("COMPLETED", "c")
        second = (await web.post("/runs", json=body, headers=headers)).json()["run_id"]
        assert "approval_requested" in (await web.get(f"/runs/{second}/events", headers=headers)).text
        [asked] = (await web.get("/approvals", headers=headers)).json()
        decided = await web.post(f"/approvals/{asked['approval_id']}", params={"ok": False}, headers=headers)
        assert decided.json()["state"] == "rejected"
        assert "rejected" in str((await desk.resume(second, principal=alice)).answer)
