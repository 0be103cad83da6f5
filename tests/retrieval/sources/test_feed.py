from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.sources.feed import Feed, html_text, read
from pilotman.retrieval.sources.terms import LARGEST

VERSION = "https://jsonfeed.org/version/1.1"


def feed(*items: Any, **more: Any) -> Feed:
    return read(json.dumps({"version": VERSION, "items": items, **more}).encode())


def test_a_json_feed_and_a_plain_list_give_the_same_documents() -> None:
    item = {"id": "a", "title": "Disk  full", "content_text": "Delete logs.", "date_modified": "2026-01-05"}
    (entry,) = feed(item, next_url="https://host/2", title="ignored").entries
    assert (entry.document_id, entry.text) == ("a", "# Disk full\n\nDelete logs.")
    assert entry.revision == "2026-01-05"
    assert read(json.dumps([item]).encode()).entries == (entry,)
    assert feed(next_url="https://host/2").next_url == "https://host/2"


def test_numbers_are_ids_and_versions_too() -> None:
    (entry,) = read(b'[{"id": 7, "text": "x", "version": 3}]').entries
    assert (entry.document_id, entry.revision) == ("7", "3")


@pytest.mark.parametrize(
    "change",
    [{"text": "y"}, {"version": "2"}, {"expires_at": "2026-01-05T00:00:00Z"}, {"url": "https://host/a"}],
)
def test_whatever_a_document_says_is_in_its_version(change: dict[str, str]) -> None:
    before = {"id": "a", "text": "x", "version": "1"}
    one, same, other = read(json.dumps([before, before, {**before, **change}]).encode()).entries
    assert one.version == same.version != other.version


def test_what_is_no_document_is_left_out_and_named() -> None:
    good = {"id": "good", "text": "x"}
    bad: list[Any] = [
        {"text": "x"},
        {"id": "", "text": "x"},
        {"id": "empty", "text": "  "},
        {"id": "huge", "text": "x" * (LARGEST + 1)},
        {"id": "unclear", "text": "x", "expires_at": "tomorrow"},
        {"id": "local", "text": "x", "expires_at": "2026-01-05T00:00:00"},
        {"id": ["a"], "text": "x"},
        "text",
        None,
    ]
    found = read(json.dumps([*bad, good]).encode())
    assert [entry.document_id for entry in found.entries] == ["good"]
    assert len(found.left_out) == len(bad)
    assert found.left_out[0].startswith("item 0 (id: ")
    assert "empty has no text" in found.left_out[2]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'"x"',
        b"[",
        b"<rss/>",
        b'{"version": "1", "items": []}',
        b'{"version": "' + VERSION.encode() + b'"}',
        b"\xff",
    ],
)
def test_what_is_no_feed_is_an_error_not_an_empty_one(body: bytes) -> None:
    with pytest.raises(ConfigurationError):
        read(body)


def test_html_is_read_as_text() -> None:
    html = (
        "<head><title>t</title></head><h2>Disk &amp; co</h2><script>evil()</script><p>one\n<b>two</b></p>"
        "<ul><li>a<li>b</ul><style>p {}</style>end<br>of"
    )
    assert html_text(html) == "## Disk & co\n\none two\n\n- a\n\n- b\n\nend\n\nof"
    (entry,) = read(json.dumps([{"id": "a", "content_html": "<p>x</p>", "text": ""}]).encode()).entries
    assert entry.text == "x"


@given(st.text())
def test_any_html_has_a_text(html: str) -> None:
    assert isinstance(html_text(html), str)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["id", "text", "items", "version"]), inner)
        ),
    )
)
def test_any_json_is_a_feed_or_said_to_be_none(value: Any) -> None:
    try:
        found = read(json.dumps(value).encode())
    except ConfigurationError:
        return
    assert all(entry.document_id and entry.text.strip() for entry in found.entries)
