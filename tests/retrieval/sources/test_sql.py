from __future__ import annotations

import gc
import sqlite3
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from pilotman.guardrails.errors import ConfigurationError, NotFound, PilotmanError, Unavailable
from pilotman.retrieval import Corpus, SQLSource
from pilotman.retrieval.sources.terms import LARGEST, version_of

pytestmark = pytest.mark.anyio

Database = Callable[..., str]
QUERY = "select id, body, rev from page order by id"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Writes rows of (id, body, rev) and gives the URL."""
    path = tmp_path / "wiki.db"

    def written(*rows: tuple[Any, ...]) -> str:
        with sqlite3.connect(path) as connection:
            connection.execute("create table if not exists page (id, body, rev)")
            connection.executemany("insert into page values (?, ?, ?)", rows)
        connection.close()
        return f"sqlite:///{path}"

    return written


def source(url: str, query: str = QUERY, **more: Any) -> SQLSource:
    columns: dict[str, Any] = {"id": "id", "text": "body", "version": "rev", **more}
    return SQLSource(url, query, **columns)


async def listed(source: SQLSource) -> dict[str, str]:
    return {document_id: version async for document_id, version in source.list()}


async def count(url: str) -> int:
    return len(await listed(source(url)))


async def test_a_row_is_a_document_with_its_labels(database: Database) -> None:
    url = database((7, "# A\n\ntext", "r1"), (9, "other", datetime(2026, 1, 5, tzinfo=UTC).isoformat()))
    pages = source(url, readers=["role:oncall"])
    assert await listed(pages) == {"7": "r1", "9": "2026-01-05T00:00:00+00:00"}
    document = await pages.fetch("7")
    assert document.page_content == "# A\n\ntext"
    assert document.metadata == {
        "source": "7",
        "version": version_of(b"# A\n\ntext"),
        "revision": "r1",
        "readers": ["role:oncall"],
        "trusted": False,
    }


async def test_without_a_column_for_versions_texts_are_compared(database: Database) -> None:
    pages = source(database(("a", "one", 1), ("b", "one", 1)), version=None)
    before = await listed(pages)
    assert before["a"] == before["b"]
    database(("c", "two", 1))
    after = await listed(pages)
    assert after["a"] == before["a"]
    assert after["c"] != before["a"]


async def test_a_row_may_say_when_it_expires(database: Database) -> None:
    pages = source(database(("a", "text", "2026-03-01T12:00:00+02:00")), version=None, expires_at="rev")
    assert (await pages.fetch("a")).metadata["expires_at"] == "2026-03-01T10:00:00+00:00"
    unclear = source(database(("b", "text", "tomorrow")), version=None, expires_at="rev")
    with pytest.raises(ConfigurationError, match="tomorrow"):
        await unclear.fetch("b")


@pytest.mark.parametrize(
    "query",
    [
        "delete from page returning id, body, rev",
        "with gone as (select 1) delete from page returning id, body, rev",
        "update page set body = '' returning id, body, rev",
        "select id, body, rev from page; delete from page",
        "select id, body, rev from page) as x; delete from page; select * from (select 1",
        "drop table page",
        "pragma query_only = off",
    ],
)
async def test_a_query_that_writes_is_refused(database: Database, query: str) -> None:
    url = database(("a", "text", 1))
    with pytest.raises(PilotmanError):
        await listed(source(url, query))
    assert await count(url) == 1


async def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await listed(source(f"sqlite:///{tmp_path}/none.db"))
    assert not (tmp_path / "none.db").exists()


async def test_the_file_itself_is_opened_for_reading_only(database: Database) -> None:
    url = database(("a", "text", 1))
    with (
        pytest.raises(Unavailable, match="readonly"),
        source(url)._reading() as connection,  # pyright: ignore[reportPrivateUsage]
    ):
        connection.exec_driver_sql("pragma query_only=off")
        connection.exec_driver_sql("delete from page")
    assert await count(url) == 1


@pytest.mark.slow
async def test_postgresql_reads_in_read_only_transactions(postgres_url: str) -> None:
    def run(*statements: str) -> None:
        engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    run(
        "create table page (id uuid primary key default gen_random_uuid(), body text, rev int)",
        "insert into page (body, rev) values ('100 %% :x', 1), ('other', 2)",
        "create function sneaky() returns int language sql"
        " as 'insert into page (rev) values (9) returning rev'",
    )
    pages = source(postgres_url, "select id, body, rev::int as rev, '%s' as x from page")
    versions = await listed(pages)
    assert sorted(versions.values()) == ["1", "2"]
    assert {(await pages.fetch(one)).page_content for one in versions} == {"100 % :x", "other"}
    with pytest.raises(NotFound):
        await pages.fetch("no uuid")
    with pytest.raises(Unavailable, match="read-only transaction"):
        await listed(source(postgres_url, "select id, body, sneaky() as rev from page"))
    with pytest.raises(ConfigurationError, match='"missing" does not exist'):
        await listed(source(postgres_url, "select id, body, rev from missing"))
    assert len(await listed(pages)) == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select id, body from page", "no column rev (it gives id, body)"),
        ("select 1 as id, body, rev from page", "the id '1' twice"),
        ("select null as id, body, rev from page", "None as an id"),
        ("select '' as id, body, rev from page", "'' as an id"),
        ("select 1.5 as id, body, rev from page", "1.5 as an id"),
        ("select id, body, null as rev from page", "has no rev"),
        ("select case when id = 'a' then 1 else 'x' end as id, body, rev from page", "ids of two kinds"),
        ("select id, body, rev from missing", "no such table"),
        ("selct", "cannot be run"),
    ],
)
async def test_a_query_that_is_no_source_is_said(database: Database, query: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        await listed(source(database(("a", "x", 1), ("b", "y", 1)), query))
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    "query",
    [
        "select id, body, rev from page -- all of them",
        "select id, body, rev from page;  \n",
        "with all_pages as (select * from page) select id, body, rev from all_pages",
        r"select id, ' :x \:y \ 12:30 %s %(z)s ' || body as body, rev from page",
        "select id, body, rev from page union all select 'z', 'z', 'z' limit 1",
    ],
)
async def test_a_query_is_taken_as_it_is_written(database: Database, query: str) -> None:
    pages = source(database(("a", "text", 1)), query)
    assert list(await listed(pages)) == ["a"]
    text = (await pages.fetch("a")).page_content
    assert text == (r" :x \:y \ 12:30 %s %(z)s text" if ":x" in query else "text")


async def test_rows_without_a_usable_text_are_named_and_the_others_served(database: Database) -> None:
    rows = [("none", None, 1), ("bytes", b"\xff", 1), ("huge", "x" * (LARGEST + 1), 1), ("good", "text", 1)]
    corpus = Corpus([source(database(*rows))], embedding=None)
    assert (await corpus.reconcile())["added"] == 1
    said = " ".join(corpus.caveats)
    assert "none of wiki.db is not served: its body is no text but NoneType" in said
    assert "huge of wiki.db is not served: it is larger than 1 MiB" in said


async def test_ids_are_asked_for_as_the_kind_that_they_are(database: Database) -> None:
    numbers = source(database((7, "seven", 1)))
    for wrong in ("07", " 7", "+7", "7.0", "seven", "\uff17"):
        with pytest.raises(NotFound):
            await numbers.fetch(wrong)
    assert (await numbers.fetch("7")).page_content == "seven"


async def test_no_credentials_are_shown() -> None:
    url = "postgresql://wiki_reader:s3cret@127.0.0.1:1/wiki?sslpassword=t0ken"
    pages = source(url)
    with pytest.raises(Unavailable) as failure:
        await listed(pages)
    said = f"{pages.name} {failure.value} {failure.value.__cause__}"
    assert pages.name == "127.0.0.1/wiki"
    assert not any(secret in said for secret in ("s3cret", "t0ken", "wiki_reader"))


@pytest.mark.parametrize(
    "url", ["", "wiki.db", "oracel://me:s3cret@host/x", "sqlite+aiosqlite:///x.db", "://s3cret"]
)
def test_a_url_that_cannot_be_used_is_said_without_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        source(url)
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("wrong", [{"id": "body"}, {"id": ""}, {"query": " ; "}, {"readers": []}])
def test_names_of_columns_differ_and_there_is_a_query(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"query": QUERY, "id": "id", "text": "body", **wrong}
    with pytest.raises(ConfigurationError):
        SQLSource("sqlite:///x.db", **given)


async def test_a_listing_does_not_hold_all_texts(database: Database) -> None:
    url = database(*((n, "x" * 50_000, 1) for n in range(2_000)))
    pages = source(url, version=None)
    tracemalloc.start()
    try:
        assert len(await listed(pages)) == 2_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 70_000_000, "two thousand texts are a hundred million characters, a batch of rows is half"


async def test_connections_end_with_the_source(database: Database) -> None:
    pages = source(database(("a", "text", 1)))
    await listed(pages)
    del pages
    gc.collect()  # a connection left open would warn, and a warning fails the test
