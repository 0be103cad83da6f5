from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory.provenance.graph import MAX_ID, RESERVED, Edge, Node

FINE: dict[str, Any] = {"id": "a", "kind": "entity", "type": "fact", "tenant": "acme"}


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "thing"},
        {"id": ""},
        {"id": "x" * (MAX_ID + 1)},
        {"id": "ü" * MAX_ID},
        {"tenant": ""},
        {"at": datetime(2026, 1, 1)},
        {"data": {"n": 2**63}},
        {"data": {"n": float("nan")}},
        {"data": {"n": ["list"]}},
        *({"data": {name: "x"}} for name in RESERVED),
    ],
)
def test_what_some_graph_could_not_hold_is_refused_at_once_with_a_hint(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Node(**FINE | fields)
    assert refused.value.hint


def test_an_edge_is_looked_at_like_a_node() -> None:
    fine: dict[str, Any] = {"source": "a", "relation": "USED", "target": "b", "tenant": "acme"}
    Edge(**fine)
    broken: list[dict[str, Any]] = [
        {"relation": "KNOWS"},
        {"target": ""},
        {"at": datetime(2026, 1, 1)},
        {"data": {"at": 1}},
    ]
    for fields in broken:
        with pytest.raises(InvalidRequest):
            Edge(**fine | fields)
