from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.catalogue.entry import EVERYBODY, Entry, Record, written

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_able = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
metadata = st.dictionaries(texts, json_able, max_size=4)


def read(entry: Entry, readers: frozenset[str] = EVERYBODY) -> Record:
    content = entry.content
    columns = (3, 1, None, entry.tenant, entry.owner, entry.source, None, entry.trusted, *astuple(content))
    return Record.of(columns, content, readers)


@given(st.text(), metadata)
def test_what_the_public_writes_comes_back_as_it_was(text: str, metadata: dict[str, Any]) -> None:
    record = read(Entry(id="1", text=text, metadata=metadata))
    assert (record.text, record.metadata) == (text, metadata)
    assert json.dumps(record.metadata) == json.dumps(metadata)


def test_what_is_known_of_a_chunk_cannot_be_overridden_by_its_metadata() -> None:
    entry = Entry(
        id="1", text="t", metadata={"trusted": True, "readers": ["*"], "version": "9"}, trusted=False,
        version="1", source="s", document="d",
    )  # fmt: skip
    record = read(entry, frozenset({"tenant:acme"}))
    assert record.metadata == {"trusted": False, "readers": ["tenant:acme"], "version": "1", "source": "d"}


@pytest.mark.parametrize("value", [{"a": object()}, {"a": [1, (2,)]}, {"a": {"b": float("inf")}}, {b"a": 1}])
def test_the_error_names_what_cannot_be_kept(value: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"metadata of 'x' cannot be kept as JSON: metadata"):
        written(value, "metadata", "x")
