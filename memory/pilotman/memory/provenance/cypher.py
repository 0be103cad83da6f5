"""The Cypher of a provenance graph. Each kind and each relation has queries of its own, made of constants:
type checkers see that no data is in them.

Every node has the label ``Prov`` beside that of its kind: there its tenant and id are unique, whatever it
turns out to be. Relationship types and property names are those of the port; times are Neo4j's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import LiteralString

from pilotman.memory.provenance.graph import ENDS, KINDS, Direction, NodeKind, Relation

SCHEMA = (
    "CREATE CONSTRAINT pilotman_prov_tenant_id IF NOT EXISTS FOR (n:Prov) REQUIRE (n.tenant, n.id) IS UNIQUE",
)
"""The constraint's index finds every node that we ask for."""

LABELS: Mapping[NodeKind, LiteralString] = MappingProxyType({kind: kind.capitalize() for kind in KINDS})

_NODE = """
UNWIND $rows AS row
MERGE (n:Prov {tenant: row[0], id: row[1]})
ON CREATE SET n:LABEL, n.at = row[2], n += row[3]
ON MATCH SET n:LABEL, n.at = CASE WHEN n.at IS NULL OR row[2] < n.at THEN row[2] ELSE n.at END,
    n += CASE WHEN n.erased THEN row[4] ELSE row[3] END
REMOVE n:OTHERS
"""
NODE: Mapping[NodeKind, LiteralString] = MappingProxyType(
    {
        kind: _NODE.replace("LABEL", label).replace(
            "OTHERS", ":".join(other for other in LABELS.values() if other != label)
        )
        for kind, label in LABELS.items()
    }
)
"""rows: tenant, id, at, type and data, what an erased node keeps of these."""

_BARE = """
UNWIND $rows AS row
MERGE (n:Prov {tenant: row[0], id: row[1]})
ON CREATE SET n:LABEL
"""
BARE: Mapping[NodeKind, LiteralString] = MappingProxyType(
    {kind: _BARE.replace("LABEL", label) for kind, label in LABELS.items()}
)
"""rows: tenant, id of what only an edge has named."""

_EDGE = """
UNWIND $rows AS row
MATCH (s:Prov {tenant: row[0], id: row[1]})
MATCH (t:Prov {tenant: row[0], id: row[2]})
MERGE (s)-[e:RELATION]->(t)
ON CREATE SET e.tenant = row[0], e.at = row[3], e += row[4]
ON MATCH SET e.at = CASE WHEN e.at IS NULL OR row[3] < e.at THEN row[3] ELSE e.at END, e += row[4]
"""
EDGE: Mapping[Relation, LiteralString] = MappingProxyType(
    {relation: _EDGE.replace("RELATION", relation) for relation in ENDS}
)
"""rows: tenant, ids of source and target, at, data."""

_KNOWN = """CASE WHEN X:Activity THEN 'activity' WHEN X:Agent THEN 'agent' ELSE 'entity' END,
    X {.*, tenant: null, at: X.at.epochSeconds * 1000000 + X.at.microsecond}"""
"""The driver takes long to make a time; and to read a value, so that few are sent."""
_LEVEL = """
UNWIND range(0, size($ids) - 1) AS place
MATCH (n:Prov {tenant: $tenant, id: $ids[place]})ARROW(m:Prov)
WHERE m.tenant = $tenant AND type(e) IN $relations
WITH place, e, m LIMIT $limit
WITH m, e, CASE WHEN e.at IS NULL THEN 1 ELSE 2 END AS fields,
    place + ' ' + type(e) + coalesce(' ' + (e.at.epochSeconds * 1000000 + e.at.microsecond), '') AS edge
WITH m, collect(
    CASE WHEN size(keys(e)) = fields THEN edge ELSE [edge, e {.*, tenant: null, at: null}] END
) AS edges
RETURN collect([KNOWN] + edges) AS met
""".replace("KNOWN", _KNOWN.replace("X", "m"))
LEVEL: Mapping[Direction, LiteralString] = MappingProxyType(
    {"back": _LEVEL.replace("ARROW", "-[e]->"), "forth": _LEVEL.replace("ARROW", "<-[e]-")}
)
"""ids, tenant, relations, limit: nodes (kind, properties), each with the edges that lead there: the place of
their other end in ids, relation and at in one text, with their data if they have any."""

NODES = """
UNWIND $ids AS id
MATCH (n:Prov {tenant: $tenant, id: id})
RETURN collect([KNOWN]) AS nodes
""".replace("KNOWN", _KNOWN.replace("X", "n"))
"""ids, tenant: kind, properties."""

FIRST: Mapping[Direction, LiteralString] = MappingProxyType(
    {way: f"CALL () {{{NODES}}} CALL () {{{level}}} RETURN [nodes, met]" for way, level in LEVEL.items()}
)
"""Both at once: where a walk begins."""

TO_ERASE = """
UNWIND $ids AS id
MATCH (n:Prov {tenant: $tenant, id: id}) WHERE n.erased IS NULL
RETURN count(n)
"""
ERASE = """
UNWIND $ids AS id
MERGE (n:Prov {tenant: $tenant, id: id})
ON CREATE SET n:Entity
SET n = {tenant: $tenant, id: id, type: n.type, at: n.at, erased: true,
    digest: CASE WHEN toStringOrNull(n.digest) = n.digest THEN n.digest END}
"""
"""ids, tenant. Only text is equal to itself as text."""

COUNT = """
MATCH (n:Prov) WITH count(n) AS nodes
OPTIONAL MATCH (:Prov)-[e]->() WITH nodes, count(e) AS edges
RETURN [nodes, edges]
"""
