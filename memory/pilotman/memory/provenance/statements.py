"""The SQL of a provenance graph, on SQLite and PostgreSQL. Nothing in it is made of data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pilotman.memory.provenance.graph import Relation
from pilotman.memory.storage.statement import Statement

CODES: Mapping[Relation, int] = MappingProxyType(
    {
        "USED": 0,
        "WAS_GENERATED_BY": 1,
        "WAS_DERIVED_FROM": 2,
        "WAS_ATTRIBUTED_TO": 3,
        "WAS_ASSOCIATED_WITH": 4,
        "WAS_INFORMED_BY": 5,
        "ACTED_ON_BEHALF_OF": 6,
        "WAS_INVALIDATED_BY": 7,
    }
)
"""How relations are stored."""

_NODE = """
INSERT INTO provenance_nodes AS n (tenant, id, kind, type, at, data, erased) VALUES {values}
ON CONFLICT (tenant, id) DO UPDATE SET
    kind = excluded.kind,
    type = excluded.type,
    at = CASE WHEN n.at IS NULL OR excluded.at < n.at THEN excluded.at ELSE n.at END,
    data = {data}
"""
_EDGE = """
INSERT INTO provenance_edges AS e (source, relation, target, at, data)
SELECT s.number, {values} FROM provenance_nodes s, provenance_nodes t
WHERE s.tenant = ? AND s.id = ? AND t.tenant = ? AND t.id = ?
ON CONFLICT (source, relation, target) DO UPDATE SET
    at = CASE WHEN e.at IS NULL OR excluded.at < e.at THEN excluded.at ELSE e.at END,
    data = {data}
"""
_ERASE = """
INSERT INTO provenance_nodes AS n (tenant, id, kind, type, data, erased)
VALUES (?, ?, 'entity', '', '{{}}', true)
ON CONFLICT (tenant, id) DO UPDATE SET erased = true, data = {data}
"""

NODE = Statement(
    _NODE.format(
        values="(?, ?, ?, ?, ?, ?, false)",
        data="json_patch(n.data, CASE WHEN n.erased THEN ? ELSE excluded.data END)",
    ),
    postgresql=_NODE.format(
        values="(?, ?, ?, ?, ?::bigint, ?, false)",
        data="(n.data::jsonb || CASE WHEN n.erased THEN ?::jsonb ELSE excluded.data::jsonb END)::text",
    ),
)
"""tenant, id, kind, type, at, data, what an erased node keeps of data."""

BARE = Statement(
    "INSERT INTO provenance_nodes (tenant, id, kind, type, data, erased) VALUES (?, ?, ?, '', '{}', false)"
    " ON CONFLICT (tenant, id) DO NOTHING"
)
"""tenant, id, kind of what only an edge has named."""

EDGE = Statement(
    _EDGE.format(values="?, t.number, ?, ?", data="json_patch(e.data, excluded.data)"),
    postgresql=_EDGE.format(
        values="?::smallint, t.number, ?::bigint, ?::text",
        data="(e.data::jsonb || excluded.data::jsonb)::text",
    ),
)
"""relation's code, at, data, tenant and id of the source, tenant and id of the target."""

ERASE = Statement(
    _ERASE.format(
        data="CASE WHEN json_type(n.data, '$.digest') = 'text'"
        " THEN json_object('digest', json_extract(n.data, '$.digest')) ELSE '{}' END"
    ),
    postgresql=_ERASE.format(
        data="CASE WHEN jsonb_typeof(n.data::jsonb -> 'digest') = 'string'"
        " THEN jsonb_build_object('digest', n.data::jsonb -> 'digest')::text ELSE '{}' END"
    ),
)
"""tenant, id."""

TO_ERASE = Statement(
    "SELECT count(*) FROM json_each(?) f JOIN provenance_nodes n ON n.id = f.value"
    " WHERE n.tenant = ? AND NOT n.erased",
    postgresql="SELECT count(*) FROM unnest(?::text[]) f(value) JOIN provenance_nodes n ON n.id = f.value"
    " WHERE n.tenant = ? AND NOT n.erased",
)
"""ids, tenant."""

NUMBERS = Statement(
    "SELECT n.number FROM json_each(?) f CROSS JOIN provenance_nodes n ON n.id = f.value"
    " WHERE n.tenant = ? ORDER BY f.key",
    postgresql="SELECT n.number FROM unnest(?::text[]) WITH ORDINALITY f(value, key)"
    " JOIN provenance_nodes n ON n.id = f.value WHERE n.tenant = ? ORDER BY f.key",
)
"""ids, tenant: their numbers, in that order."""

NODES = Statement(
    "SELECT n.number, n.id, n.kind, n.type, n.at, n.data, n.erased"
    " FROM json_each(?) f CROSS JOIN provenance_nodes n ON n.number = f.value WHERE n.tenant = ?",
    postgresql="SELECT n.number, n.id, n.kind, n.type, n.at, n.data, n.erased"
    " FROM unnest(?::bigint[]) f(value) JOIN provenance_nodes n ON n.number = f.value WHERE n.tenant = ?",
)
"""numbers, tenant."""

_LEVEL = """
SELECT e.{far}, e.source, e.relation, e.target, e.at, e.data FROM {frontier} e ON e.{near} = f.value
WHERE (1 << e.relation) & ? <> 0 LIMIT ?
"""


def _level(near: str, far: str) -> Statement:
    return Statement(
        _LEVEL.format(near=near, far=far, frontier="json_each(?) f CROSS JOIN provenance_edges"),
        postgresql=_LEVEL.format(
            near=near, far=far, frontier="unnest(?::bigint[]) f(value) JOIN provenance_edges"
        ),
    )


LEVEL = MappingProxyType({"back": _level("source", "target"), "forth": _level("target", "source")})
"""numbers, mask of relations, limit: the edges that leave these nodes, and where each leads."""

COUNT = Statement("SELECT (SELECT count(*) FROM provenance_nodes), (SELECT count(*) FROM provenance_edges)")
