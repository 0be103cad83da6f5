"""Somebody with SQL gets at a journal: whatever they do is found and named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.memory.vault import COLUMNS, Kept, Vault, copied, event, fill, names, said
from tests.memory.vault import run as run_row

from pilotman.guardrails.errors import CorruptJournal, Unavailable
from pilotman.memory.audit.audit import LISTED
from pilotman.memory.journal.journal import Journal

RUNS = ("run_a", "run_b", "run_c")
RUN, LAST = "run_b", 13
COPY = ", ".join(COLUMNS)


async def written(url: str) -> Vault:
    journal = Journal(url)
    await journal.start()
    await fill(journal)
    await journal.tip()
    await journal.aclose()
    return Vault(url)


@pytest.fixture
def vault(shared_url: str) -> Vault:
    return asyncio.run(written(shared_url))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audit") / "journal.db"
    asyncio.run(written(f"sqlite:///{path}"))
    return path


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Vault:
    return copied(original, tmp_path / "copy.db")


def test_a_journal_that_nobody_touched_is_sound(vault: Vault) -> None:
    report = vault.report(Kept(vault.anchor()))
    assert report.sound
    assert report.findings == ()
    assert (report.events, report.runs, report.unhashed) == (40, 3, 0)
    assert report.blocks == len(vault.blocks())
    assert report.unprotected_events == 0
    assert report.held is not None


def test_an_empty_journal_is_sound(tmp_path: Path) -> None:
    report = Vault(f"sqlite:///{tmp_path / 'new.db'}").report()
    assert (report.sound, report.events, report.blocks) == (True, 0, 0)


@pytest.mark.parametrize("column", COLUMNS)
def test_an_edit_of_any_column_names_the_event(copy: Vault, column: str) -> None:
    copy.execute(f"UPDATE events SET {column} = 4711 WHERE run_id = :run AND seq = 6", run=RUN)
    (finding,) = copy.report().findings
    assert (finding.kind, finding.what, finding.run_id, finding.first) == ("edited", "event", RUN, 6)


Do: TypeAlias = Callable[[Vault], object]
EVENTS: dict[str, tuple[Do, tuple[Any, ...]]] = {
    "edit": (lambda v: v.edit(RUN, 7, "data", "{}"), ("edited", 7, 7)),
    "drop the first": (lambda v: v.drop(RUN, 1, 1), ("dropped", 1, 1)),
    "drop some": (lambda v: v.drop(RUN, 4, 6), ("dropped", 4, 6)),
    "drop one and close the gap": (
        lambda v: v.drop(RUN, 4, 4).shift(RUN, 5, -1),
        ("dropped", 4, 4),
    ),
    "drop the last": (lambda v: v.drop(RUN, LAST, LAST), ("truncated", LAST, LAST)),
    "cut the end off": (lambda v: v.drop(RUN, 9, LAST), ("truncated", 9, LAST)),
    "append": (lambda v: v.insert(RUN, LAST + 1), ("inserted", LAST + 1, LAST + 1)),
    "insert": (lambda v: v.shift(RUN, 9, 1).insert(RUN, 9), ("inserted", 9, 9)),
    "exchange two": (lambda v: v.swap(RUN, 3, 9), ("reordered", 3, 3)),
    "give the run away": (
        lambda v: v.execute("UPDATE runs SET tenant = 'rival' WHERE run_id = :run", run=RUN),
        ("edited", 1, 1),
    ),
}


@pytest.mark.parametrize("how", EVENTS)
def test_whatever_is_done_to_events_is_found_and_named(vault: Vault, how: str) -> None:
    do, (kind, first, last) = EVENTS[how]
    do(vault)
    report = vault.report()
    assert not report.sound
    assert (kind, "event", RUN, first, last) in said(report)
    assert {finding.run_id for finding in report.findings} == {RUN}


def test_a_run_that_was_dropped_is_one_finding(vault: Vault) -> None:
    vault.drop_run(RUN)
    assert said(vault.report()) == [("dropped", "run", RUN, None, None)]


BODIES: dict[str, tuple[str, str, str]] = {
    "edit": ("UPDATE payloads SET body = :forged WHERE run_id = 'run_b'", "edited", RUN),
    "drop": ("DELETE FROM payloads WHERE run_id = 'run_b'", "dropped", RUN),
    "redact in secret": (
        "UPDATE payloads SET body = NULL, redacted = 'x' WHERE run_id = 'run_b'",
        "dropped",
        RUN,
    ),
    "give another reason": (
        "UPDATE payloads SET redacted = 'x' WHERE redacted IS NOT NULL",
        "edited",
        "run_a",
    ),
}


@pytest.mark.parametrize("how", BODIES)
def test_whatever_is_done_to_bodies_is_found_and_named(vault: Vault, how: str) -> None:
    sql, kind, run_id = BODIES[how]
    bodies = vault.rows("SELECT digest FROM payloads WHERE run_id = :run", run=run_id)
    vault.execute(sql, forged=b"forged")
    findings = vault.report().findings
    assert {(f.kind, f.what, f.run_id) for f in findings} == {(kind, "payload", run_id)}
    assert {f.digest for f in findings} <= {digest for (digest,) in bodies}


async def _redact_again(vault: Vault) -> None:
    journal = Journal(vault.url)
    await journal.start()
    digest = vault.value("SELECT digest FROM payloads WHERE body IS NULL")
    await journal.redact_payload("run_a", digest, tenant="acme", reason="another")
    await journal.aclose()


def test_a_body_that_was_redacted_openly_is_no_finding(vault: Vault) -> None:
    asyncio.run(_redact_again(vault))
    assert vault.value("SELECT redacted FROM payloads WHERE body IS NULL") == "", "the event says why"
    assert vault.value("SELECT count(*) FROM payloads WHERE body IS NULL") == 1
    assert vault.report().sound


BLOCKS: dict[str, tuple[Do, tuple[Any, ...]]] = {
    "edit": (lambda v: v.execute("UPDATE blocks SET events = 1 WHERE number = 3"), ("edited", 3, 3)),
    "edit its heads": (
        lambda v: v.execute("UPDATE blocks SET heads = '[]' WHERE number = 3"),
        ("edited", 3, 3),
    ),
    "drop": (lambda v: v.execute("DELETE FROM blocks WHERE number = 3"), ("dropped", 3, 3)),
    "drop the first": (lambda v: v.execute("DELETE FROM blocks WHERE number = 1"), ("dropped", 1, 1)),
    "exchange two": (lambda v: v.swap_blocks(3, 5), ("reordered", 3, 3)),
}


@pytest.mark.parametrize("how", BLOCKS)
def test_whatever_is_done_to_blocks_is_found_and_named(copy: Vault, how: str) -> None:
    do, (kind, first, last) = BLOCKS[how]
    do(copy)
    assert said(copy.report())[0] == (kind, "block", None, first, last)


@pytest.mark.parametrize("hashed", ["hash", "NULL"])
def test_a_story_that_was_made_up_for_a_run_is_named(copy: Vault, hashed: str) -> None:
    asyncio.run(_begin(copy, "run_new"))
    assert copy.report().sound, "a run may have no events yet"
    copy.execute(
        f"INSERT INTO events (run_id, seq, hash, {COPY}) SELECT 'run_new', seq, {hashed}, {COPY} FROM events"
        " WHERE run_id = :run AND key NOT LIKE '%.0'",
        run=RUN,
    )
    found = [finding for finding in copy.report().findings if finding.run_id == "run_new"]
    assert {finding.kind for finding in found} == {"inserted"}
    assert all(any(names(f, "run_new", seq) for f in found) for seq in (1, 3, 4, LAST))


async def _begin(vault: Vault, run_id: str) -> None:
    journal = Journal(vault.url)
    await journal.start()
    await journal.create_run(run_row(run_id), events=[])
    await journal.aclose()


@pytest.mark.parametrize("column", ["kind", "run_id", "data", "hash"])
def test_text_that_is_none_is_found_and_breaks_nothing(copy: Vault, column: str) -> None:
    copy.execute(
        f"UPDATE events SET {column} = CAST(x'ff00' AS TEXT) WHERE run_id = :run AND seq = 6", run=RUN
    )
    findings = copy.report().findings
    assert any(names(finding, RUN, 6) for finding in findings), findings


def test_a_tenant_that_is_no_text_is_found_and_breaks_nothing(copy: Vault) -> None:
    for value in ("x'ff'", "CAST(x'ff' AS TEXT)", "7"):
        copy.execute(f"UPDATE runs SET tenant = {value} WHERE run_id = :run", run=RUN)
        assert said(copy.report()) == [("edited", "event", RUN, 1, 1)]


@pytest.mark.parametrize("table", ["blocks", "events"])
def test_a_table_that_is_gone_is_told(copy: Vault, table: str) -> None:
    copy.execute(f"DROP TABLE {table}")
    with pytest.raises(CorruptJournal):
        copy.report()


def test_of_many_findings_the_first_are_listed(copy: Vault) -> None:
    numbers = ", ".join(f"({n})" for n in range(LISTED + 50))
    body = "INSERT INTO payloads (run_id, digest, body) SELECT :run, column1, :body FROM (VALUES "
    copy.execute(f"{body} {numbers})", run=RUN, body=b"forged")
    report = copy.report()
    assert (len(report.findings), report.more) == (LISTED, 50)


class TestAnchors:
    """Who can write the whole database can make it consistent. What is elsewhere stays as it is."""

    def forge(self, vault: Vault) -> None:
        data = vault.value("SELECT data FROM events WHERE run_id = :run AND seq = 7", run=RUN)
        assert b"ok" in data
        vault.edit(RUN, 7, "data", bytes(data).replace(b"ok", b"no"))
        vault.rehash(RUN, 7, LAST)
        vault.reseal()

    def test_a_perfect_forgery_is_found_by_an_anchor_alone(self, vault: Vault) -> None:
        anchors = Kept(vault.anchor())
        last = len(vault.blocks())
        self.forge(vault)
        assert vault.report().sound
        assert said(vault.report(anchors)) == [("edited", "block", None, 1, last)]

    def test_a_forgery_after_the_last_anchor_is_said_to_be_possible(self, copy: Vault) -> None:
        anchors = Kept(copy.anchor())
        asyncio.run(self.go_on(copy))
        copy.rehash(RUN, 14, 15)
        copy.reseal()
        report = copy.report(anchors)
        assert report.sound
        assert [tuple(span) for span in report.unprotected] == [(RUN, 14, 15)]
        assert (report.unprotected_events, report.unprotected_runs) == (2, 1)

    @staticmethod
    async def go_on(vault: Vault) -> None:
        journal = Journal(vault.url)
        await journal.start()
        journal.append(RUN, [event("more"), event("and more")])
        await journal.flush()
        await journal.aclose()

    def test_an_old_copy_in_the_place_of_the_journal_is_found(self, copy: Vault, original: Path) -> None:
        asyncio.run(self.go_on(copy))
        anchors = Kept(copied(original, original.with_name("same.db")).anchor(), copy.anchor())
        blocks = len(copy.blocks())
        old = copied(original, original.with_name("old.db"))
        assert old.report().sound
        report = old.report(anchors)
        assert said(report) == [("truncated", "block", None, blocks, blocks)]
        assert report.held is not None, "the first anchor still holds"

    def test_an_empty_journal_in_its_place_is_found(self, copy: Vault, tmp_path: Path) -> None:
        report = Vault(f"sqlite:///{tmp_path / 'new.db'}").report(Kept(copy.anchor()))
        assert said(report) == [("truncated", "block", None, 1, len(copy.blocks()))]

    def test_what_was_cut_off_with_its_blocks_is_found(self, vault: Vault) -> None:
        anchors = Kept(vault.anchor())
        block = vault.blocks()[-1]
        vault.execute("DELETE FROM blocks WHERE number = :number", number=block.number)
        vault.execute("DELETE FROM events WHERE run_id = 'run_a' AND seq > 13")
        vault.execute("DELETE FROM payloads WHERE redacted IS NOT NULL")
        assert ("truncated", "block", None, block.number, block.number) in said(vault.report(anchors))

    def test_several_places_are_all_asked(self, copy: Vault) -> None:
        good, other = (
            Kept(copy.anchor()),
            Kept(copy.anchor().replace('"head":"', '"head":"00')[:-3], "nonsense"),
        )
        report = copy.report(good, other)
        assert [finding.kind for finding in report.findings] == ["forged", "forged"]
        assert report.held is not None

    def test_a_place_that_cannot_be_reached_is_told(self, copy: Vault) -> None:
        from pilotman.memory.audit.anchor_store import anchor_store

        with pytest.raises(Unavailable, match="nowhere"):
            copy.report(anchor_store("/nowhere/anchors.jsonl"))


SEALED = b"\x82"
"""How sealed content begins: other bytes are no text, and have no hash."""

Tampering: TypeAlias = tuple[Do, int]
"""Something that is done to a run, and the number of an event that must be named for it."""


@st.composite
def tamperings(draw: st.DrawFn, run_id: str) -> Tampering:
    seq, other = draw(st.lists(st.integers(1, LAST), min_size=2, max_size=2, unique=True))
    column = draw(st.sampled_from(COLUMNS))
    sayable = st.text(max_size=5) | st.integers(-(2**40), 2**40) | st.binary(max_size=5).map(SEALED.__add__)
    value, hashed = draw(sayable | st.binary(max_size=5)), draw(sayable)
    ways: list[Do] = [
        lambda v: v.edit(run_id, seq, column, value),
        lambda v: v.drop(run_id, seq, max(seq, other)),
        lambda v: v.drop(run_id, seq, LAST),
        lambda v: v.drop(run_id, seq, seq).shift(run_id, seq, -1),
        lambda v: v.shift(run_id, seq, 1).insert(run_id, seq),
        lambda v: v.swap(run_id, seq, other),
        lambda v: v.edit(run_id, seq, column, hashed).rehash(run_id, seq, max(seq, other)),
        lambda v: v.drop_run(run_id),
    ]
    return draw(st.sampled_from(ways)), seq


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(*(st.none() | tamperings(run_id) for run_id in RUNS)))
@example((None, None, None))
def test_whatever_is_done_to_some_runs_is_found_in_these(
    original: Path, tmp_path: Path, done: tuple[Tampering | None, ...]
) -> None:
    vault = copied(original, tmp_path / "copy.db")
    before = {run_id: stored(vault, run_id) for run_id in RUNS}
    for tampering in done:
        if tampering is not None:
            tampering[0](vault)
    report = vault.report()
    assert report.sound == all(stored(vault, run_id) == before[run_id] for run_id in RUNS)
    for run_id, tampering in zip(RUNS, done, strict=True):
        found = [finding for finding in report.findings if finding.run_id == run_id]
        if stored(vault, run_id) == before[run_id]:
            assert found == []
        else:
            assert tampering is not None
            assert any(names(finding, run_id, tampering[1]) for finding in found), report.findings


def stored(vault: Vault, run_id: str) -> list[Any]:
    return vault.rows("SELECT * FROM events WHERE run_id = :run ORDER BY seq", run=run_id)
