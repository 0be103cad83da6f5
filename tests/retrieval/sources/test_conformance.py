from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from langchain_core.documents import Document

from pilotman.guardrails.errors import NotFound, Unavailable
from pilotman.retrieval import FolderSource, GitSource, HTTPSource, Source, SQLSource
from pilotman.retrieval.testing import Origin, source_faults

pytestmark = pytest.mark.anyio


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root / "books"
        self.root.mkdir()

    def source(self) -> Source:
        return FolderSource(self.root)

    async def put(self, name: str, text: str) -> str:
        (self.root / f"{name}.md").write_text(text)
        return f"{name}.md"

    async def delete(self, name: str) -> None:
        (self.root / f"{name}.md").unlink()

    async def break_off(self) -> bool:
        return False  # a folder that is gone counts as emptied

    async def come_back(self) -> None:
        pass


class Git(Folder):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.git("init", "-q", "-b", "main")

    def source(self) -> Source:
        return GitSource(self.root, ref="main")

    def git(self, *command: str) -> None:
        person = ["-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *person, "-C", str(self.root), *command], check=True, capture_output=True)

    async def put(self, name: str, text: str) -> str:
        document_id = await super().put(name, text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "x")
        return document_id

    async def delete(self, name: str) -> None:
        self.git("rm", "-q", f"{name}.md")
        self.git("commit", "-q", "-m", "x")

    async def break_off(self) -> bool:
        self.git("branch", "-m", "main", "other")
        return True

    async def come_back(self) -> None:
        self.git("branch", "-m", "other", "main")


class SQL:
    def __init__(self, root: Path, *, version: str | None = "rev", kind: str = "text") -> None:
        self.path = root / "wiki.db"
        self.version = version
        self.kind = kind
        self.run(f"create table page (id {kind} primary key, body text, rev integer)")

    def source(self) -> Source:
        query = "select id, body, rev from page"
        return SQLSource(f"sqlite:///{self.path}", query, id="id", text="body", version=self.version)

    def run(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement, values)
        connection.close()

    def id_of(self, name: str) -> str:
        return name if self.kind == "text" else str(ord(name[-1]))

    async def put(self, name: str, text: str) -> str:
        clash = "on conflict do update set body = excluded.body, rev = rev + 1"
        self.run(f"insert into page values (?, ?, 1) {clash}", self.id_of(name), text)
        return self.id_of(name)

    async def delete(self, name: str) -> None:
        self.run("delete from page where id = ?", self.id_of(name))

    async def break_off(self) -> bool:
        self.path.rename(self.path.with_name("away"))
        return True

    async def come_back(self) -> None:
        self.path.with_name("away").rename(self.path)


class HTTP:
    def __init__(self, _root: Path) -> None:
        self.documents: dict[str, str] = {}
        self.away = False

    def source(self) -> Source:
        return HTTPSource("https://wiki.example/feed.json", transport=httpx.MockTransport(self.answer))

    def answer(self, _request: httpx.Request) -> httpx.Response:
        if self.away:
            return httpx.Response(503)
        items = [{"id": name, "content_text": text} for name, text in self.documents.items()]
        return httpx.Response(200, json={"version": "https://jsonfeed.org/version/1.1", "items": items})

    async def put(self, name: str, text: str) -> str:
        self.documents[name] = text
        return name

    async def delete(self, name: str) -> None:
        del self.documents[name]

    async def break_off(self) -> bool:
        self.away = True
        return True

    async def come_back(self) -> None:
        self.away = False


def hashed(root: Path) -> Origin:
    return SQL(root, version=None)


def numbered(root: Path) -> Origin:
    return SQL(root, kind="integer")


@pytest.mark.parametrize("make", [Folder, Git, SQL, hashed, numbered, HTTP])
async def test_a_connector_conforms(make: type[Folder], tmp_path: Path) -> None:
    assert await source_faults(make(tmp_path)) == ()


class Careless:
    """A connector with all the faults that one can have, over a dictionary."""

    name = "a\nb"
    max_staleness = timedelta(seconds=-1)

    def __init__(self, origin: Dictionary) -> None:
        self.origin = origin
        self.number = 0

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        self.number += 1
        for name in self.origin.texts if not self.origin.away else ():
            yield name, str(self.number)

    async def fetch(self, document_id: str) -> Document:
        return Document(
            page_content=json.dumps(self.origin.ever[document_id]), metadata={"expires_at": "soon"}
        )


class Dictionary:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.ever: dict[str, str] = {}
        self.away = False

    def source(self) -> Source:
        return Careless(self)

    async def put(self, name: str, text: str) -> str:
        self.texts[name] = self.ever[name] = text
        return name

    async def delete(self, name: str) -> None:
        del self.texts[name]

    async def break_off(self) -> bool:
        self.away = True
        return True

    async def come_back(self) -> None:
        self.away = False


async def test_each_fault_is_told() -> None:
    faults = "\n".join(await source_faults(Dictionary()))
    for said in (
        "the name 'a\\nb' cannot be shown",
        "max_staleness is negative",
        "the second listing is another",
        "no readers",
        "'soon' is no moment",
        "raises KeyError in place of NotFound",
        "the version of a document changes with another's",
        "law-b is fetched after its deletion",
        "it lists 0 documents while the origin is away",
    ):
        assert said in faults, faults


async def test_laws_hold_for_what_a_user_writes_with_two_methods() -> None:
    class Careful(Careless):
        name = "notes"
        max_staleness = timedelta(minutes=1)

        async def list(self) -> AsyncIterator[tuple[str, str]]:
            if self.origin.away:
                raise Unavailable("the notes are away")
            for name, text in self.origin.texts.items():
                yield name, str(hash(text))

        async def fetch(self, document_id: str) -> Document:
            if document_id not in self.origin.texts:
                raise NotFound(document_id)
            return Document(page_content=self.origin.texts[document_id], metadata={"readers": ["*"]})

    class Notes(Dictionary):
        def source(self) -> Source:
            return Careful(self)

    assert await source_faults(Notes()) == ()
