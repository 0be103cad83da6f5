"""A desk at which alice leaves a mark in every place there is, and bob another beside each of hers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langgraph.graph import START, StateGraph
from tests.retrieval.conftest import HashEmbeddings
from tests.retrieval.test_sealing import Notes, note

from pilotman.agents import Specialist, Tool, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Decision, Principal
from pilotman.guardrails.digest import canonical
from pilotman.memory import Memory
from pilotman.retrieval import Corpus
from pilotman.supervisor import Plan, Run, Supervisor, Task

PLACES = (
    *("request", "goal", "argument", "result", "host", "comment", "edited", "answer", "error", "reason"),
    *("key", "attribute", "document", "title", "fact", "why", "about", "retraction", "item", "kept", "name"),
    *("space", "state", "note", "shared", "file", "uri", "query"),
)
olga = Principal(tenant="acme", user="olga", roles=frozenset({"approver", "operator"}))


def who(user: str) -> Principal:
    return Principal(tenant="acme", user=user, attributes={"mail": mark(user, "attribute")})


def mark(user: str, place: str) -> str:
    return f"xyzzy{user}{place}"


def marks(user: str) -> list[str]:
    return [mark(user, place) for place in PLACES]


def texts(user: str) -> list[str]:
    return [f"The {mark(user, 'document')} of {user} number {n} lies in the {n}th drawer" for n in range(3)]


def name(user: str, number: int) -> str:
    """What a source calls the user's document."""
    return f"{mark(user, 'file')} of {user}/{number}.md"


def uri(user: str, number: int) -> str:
    return f"notes://{mark(user, 'uri')}/{number}"


def guesses(user: str) -> list[str | bytes]:
    """How plain digests would stand somewhere of what is easily guessed: their first bytes and digits."""
    said = mark(user, "argument")
    request = f"Please {mark(user, 'request')} in the drawer"
    args = {"host": mark(user, "host"), "why": said}
    guessed: list[Any] = [*marks(user), *texts(user), request, mark(user, "query"), {"what": said}, args]
    guessed += [f"{user} likes {mark(user, 'fact')} {n}" for n in range(3)]
    guessed += [one(user, n) for one in (name, uri) for n in range(3)]
    guessed += [{"tool": "look", "args": {"what": said}}, {"tool": "restart", "args": args}]
    guessed += [{"tool": "restart", "args": {**args, "why": mark(user, "edited")}}]
    guessed += [[named] for named in marks(user)]
    raw = [canonical(one) for one in guessed] + [one.encode() for one in guessed if isinstance(one, str)]
    raw += [one.casefold().encode() for one in guessed if isinstance(one, str)]
    digests = [sha256(one).digest() for one in raw]
    return [*(one.hex()[:12] for one in digests), *(one[:12] for one in digests)]


def vectors(corpus: Corpus, user: str) -> list[bytes]:
    """The float32 bytes of the user's vectors, as they are stored."""
    index = corpus._holdings.index()  # pyright: ignore[reportPrivateUsage]
    assert index is not None
    raw = [np.array(HashEmbeddings().embed_query(text), dtype=np.float32) for text in texts(user)]
    nearest = index.search(np.stack([one / np.linalg.norm(one) for one in raw]), 1)[0][:, 0]
    return [index.vectors([row]).tobytes() for row in nearest]


def documents() -> Corpus:
    def of(user: str, number: int) -> Document:
        title = mark(user, "title")
        return note(texts(user)[number], f"user:acme/{user}", title=title, source=uri(user, number))

    owned = {name(user, n): of(user, n) for user in ("alice", "bob") for n in range(3)}
    return Notes(**owned)  # type: ignore[return-value]


def corpus_at(folder: Path) -> Corpus:
    return Corpus([documents()], path=folder / "corpus", embedding=HashEmbeddings(), objective=None)  # type: ignore[list-item]


def tools(user: str) -> list[Tool[..., Any]]:
    @tool(effect="read")
    async def look(what: str) -> dict[str, str]:
        """Look."""
        return {"found": mark(user, "result") * 40}

    @tool(effect="read")
    async def broken(what: str) -> str:
        """Fail."""
        raise ToolFailure(mark(user, "error"))

    @tool(effect="write", idempotency_key="{host}")
    async def restart(host: str, why: str) -> str:
        """Restart."""
        return f"restarted {host} {why} {mark(user, 'result')}"

    return [look, broken, restart]


def desk(memory: Memory, user: str, corpus: Corpus | None = None, name: str = "desk") -> Supervisor:
    """A team that does what one user's marks say."""
    said = mark(user, "argument")
    turns: list[str | AIMessage] = [
        *([call("search_corpus", query=mark(user, "query"))] if corpus else []),
        call("look", what=said),
        call("broken", what=said),
        call("restart", host=mark(user, "host"), why=said),
        f"Done {mark(user, 'answer')}.",
    ]

    def ask(asked: Any) -> Decision:
        if asked.effect == "read":
            return Decision.allow()
        return Decision.escalate(f"why {mark(user, 'reason')}")

    operator = Specialist("operator", "Sees to it.", tools=tools(user))
    model = ScriptedChatModel(turns * 2)
    return Supervisor(name, [operator], models=model, policy=ask, memory=memory, corpus=corpus)


def plan(user: str) -> Plan:
    return Plan((Task(task_id="t", agent="operator", goal=f"see to it {mark(user, 'goal')}"),))


async def asks(team: Supervisor, user: str, **more: Any) -> Run:
    """A run that waits for a person."""
    text = f"Please {mark(user, 'request')} in the drawer"
    run = await team.run(text, principal=who(user), plan=plan(user), **more)
    assert run.state == "ESCALATED", run.answer
    return run


class State(TypedDict):
    said: str
    made: list[str]


async def graph(memory: Memory, user: str) -> Any:
    """A graph of the user's own, after a turn."""

    async def answer(state: State) -> Mapping[str, Any]:
        return {"made": [mark(user, "state") * 30, state["said"]]}

    built = StateGraph(State)
    built.add_node("answer", answer)
    built.add_edge(START, "answer")
    compiled = built.compile(checkpointer=memory.as_checkpointer())
    await compiled.ainvoke({"said": mark(user, "state"), "made": []}, own(user))
    return compiled


def own(user: str) -> Any:
    return {"configurable": {"thread_id": f"own-{user}", "principal": who(user)}}


async def remembers(memory: Memory, user: str) -> list[str]:
    """Facts, one of them retracted, and items of a conversation and for good; the facts' ids."""
    principal = who(user)
    ids: list[str] = []
    for n in range(3):
        fact = await memory.remember(
            f"{user} likes {mark(user, 'fact')} {n}",
            principal=principal,
            source="user",
            reason=f"said so {mark(user, 'why')}",
            about=f"{mark(user, 'about')} {n}",
        )
        ids.append(fact.fact_id)
    await memory.retract(ids[0], principal=principal, reason=mark(user, "retraction"))
    store = memory.as_store(principal=principal, thread_id=f"talk-{user}")
    for space, value in (("session", "item"), ("durable", "kept")):
        await store.aput((space, mark(user, "space")), mark(user, "name"), {"said": mark(user, value)})
    return ids


async def leaves(memory: Memory, corpus: Corpus, user: str) -> tuple[Run, Run]:
    """All that there is of a user: one run that is over, one that waits for a person."""
    principal = who(user)
    team = desk(memory, user, corpus)
    thread = f"talk-{user}"
    first = await asks(team, user, thread_id=thread, idempotency_key=mark(user, "key"))
    (question,) = first.approvals
    args = {"host": mark(user, "host"), "why": mark(user, "edited")}
    await team.approve(question.approval_id, principal=olga, comment=mark(user, "comment"), args=args)
    first = await team.resume(first.run_id, principal=principal)
    assert first.state == "COMPLETED", first.answer
    await remembers(memory, user)
    await graph(memory, user)
    snapshot = await corpus.search("in which drawer does it lie", principal=principal)
    assert mark(user, "document") in str(snapshot.documents)
    return first, await asks(team, user, thread_id=thread)


_HEAD = 8
"""Bytes by which a value is looked for first; all that are looked for have more."""


def left(folders: Iterable[Path], secrets: Iterable[str | bytes]) -> list[tuple[str, str]]:
    """Which secrets stand in which files, in UTF-8 or UTF-16."""
    looked = {form: str(one) for one in secrets for form in _forms(one)}
    assert all(len(form) >= _HEAD for form in looked)
    heads = np.array([int.from_bytes(form[:_HEAD], "little") for form in looked], dtype="<u8")
    found: list[tuple[str, str]] = []
    for file in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        try:
            body = file.read_bytes()
        except FileNotFoundError:
            continue  # a server tidies up
        if _may_hold(body, heads):
            found += [(str(file), one) for form, one in looked.items() if form in body]
    return found


def _may_hold(body: bytes, heads: Any) -> bool:
    """Whether one of many values may begin anywhere in it: to seek each by itself takes a quarter of an
    hour in the folders of servers."""
    known = np.zeros(1 << 16, dtype=bool)
    known[heads & 0xFFFF] = True
    for shift in range(min(_HEAD, max(0, len(body) - _HEAD + 1))):
        words = np.frombuffer(body, "<u8", count=(len(body) - shift) // _HEAD, offset=shift)
        if np.isin(words[known[words & 0xFFFF]], heads).any():
            return True
    return False


def _forms(secret: str | bytes) -> list[bytes]:
    return [secret] if isinstance(secret, bytes) else [secret.encode(), secret.encode("utf-16-le")]
