"""What users' type checkers see. Never run; mypy and pyright check it, and each ignore must be needed."""

from __future__ import annotations

from typing import Any, TypeVar, assert_type

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from pilotman.agents import Specialist, Tool, ToolContext, tool
from pilotman.guardrails import Principal
from pilotman.retrieval import FaissVectorStore, IndexConfig
from pilotman.supervisor import Run, Supervisor

R = TypeVar("R")

team = Supervisor("t", [Specialist("a", "b")])
nested = Supervisor("u", [team])
Supervisor("v", ["not an agent"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
Supervisor("w", [Specialist("a", "b")], policy=lambda call: True)  # type: ignore[arg-type]  # pyright: ignore


@tool(effect="write")
async def a(x: int, ctx: ToolContext) -> str:
    return ""


@tool(effect="delete")  # type: ignore[call-overload,untyped-decorator]  # pyright: ignore
def b(x: int) -> str:
    return ""


@tool()
def c(x: int) -> float:
    return 0.0


@tool
async def d(x: int) -> bytes:
    return b""


def result_of(t: Tool[..., R]) -> R:
    raise NotImplementedError


assert_type(result_of(a), str)
assert_type(result_of(c), float)
assert_type(result_of(d), bytes)


@a.lookup
async def ok(x: int, ctx: ToolContext) -> str | None:
    return None


@a.lookup  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def wrong(y: str) -> str | None:
    return None


async def main(me: Principal) -> None:
    assert_type(await team.run("x", principal=me), Run)
    await team.run("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with team.portal() as call:
        assert_type(call(team.run, "x", principal=me), Run)
        call(team.run, "x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


_: Any = main


def stores(embedding: Embeddings, alice: Principal) -> None:
    store = FaissVectorStore(embedding, "folder", config=IndexConfig(metric="dot"))
    general: VectorStore = store
    assert_type(store.for_principal(alice), FaissVectorStore)
    assert_type(FaissVectorStore.from_texts(["a"], embedding, ids=["1"]), FaissVectorStore)
    assert_type(store.similarity_search_with_score("q", 2, {"a": 1}), list[tuple[Document, float]])
    store.similarity_search("q", filter=lambda document: "a" in document.metadata)
    retriever: BaseRetriever = store.as_retriever(k=2)
    FaissVectorStore(embedding, stale="keep")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    print(general, retriever)
