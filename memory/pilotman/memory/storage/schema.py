"""The journal's tables (SQLAlchemy Core). Times are microseconds since 1970 UTC, structures JSON text,
sealed where they are somebody's content.

``migrations`` builds the same tables; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _content(name: str, *, nullable: bool = False) -> Column[bytes]:
    """A column for content that somebody owns, sealed (see ``journal.owned``). SQLite's columns hold
    values of any type: there it stays what it was."""
    return Column(name, LargeBinary().with_variant(Text(), "sqlite"), nullable=nullable)


def _run() -> ForeignKey:
    return ForeignKey("runs.run_id", ondelete="CASCADE")


runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("user", Text, nullable=False),
    _content("principal"),
    Column("supervisor", Text, nullable=False),
    Column("thread_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("task_type", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    _content("request"),
    Column("budget", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("deadline_at", BigInteger),
    Column("active_since", BigInteger),
    Column("waited_s", Float, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("owner", Text),
    Column("lease_until", BigInteger),
    _content("cancel_requested", nullable=True),
    Column("trace_parent", Text),
    Column("replay_of", Text),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("forgotten_at", BigInteger),
    Index("ix_runs_tenant_created_at", "tenant", "created_at"),
    Index("ix_runs_tenant_thread_id", "tenant", "thread_id"),
    Index("ix_runs_state", "state"),
)
_KEYED = text("idempotency_key IS NOT NULL")
Index(
    "uq_runs_tenant_idempotency_key",
    runs.c.tenant,
    runs.c.idempotency_key,
    unique=True,
    sqlite_where=_KEYED,
    postgresql_where=_KEYED,
)
_OWNED = text("owner IS NOT NULL")
Index("ix_runs_owner", runs.c.owner, sqlite_where=_OWNED, postgresql_where=_OWNED)
_ACTIVE = text("active")
Index(
    "uq_runs_tenant_thread_id_active",
    runs.c.tenant,
    runs.c.thread_id,
    unique=True,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)

transitions = Table(
    "transitions",
    metadata,
    Column("run_id", Text, _run(), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    _content("reason"),
    Column("attempt", Integer, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("run_id", Text, _run(), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("key", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("step_id", Text),
    Column("model", Text),
    Column("tool", Text),
    Column("latency_ms", Float),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cost_nusd", BigInteger),
    Column("result", Text),
    _content("data"),
    Column("hash", Text),
    Index("uq_events_run_id_key", "run_id", "key", unique=True),
)
_CALL = text("kind = 'tool_call_started'")
Index("ix_events_calls", events.c.run_id, events.c.tool, sqlite_where=_CALL, postgresql_where=_CALL)

blocks = Table(
    "blocks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("heads", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

unsealed = Table(  # no foreign key: a run that is gone must leave its trace, here as in blocks
    "unsealed",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

payloads = Table(
    "payloads",
    metadata,
    Column("run_id", Text, _run(), primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary),
    Column("redacted", Text),
)

subject_keys = Table(  # see ``keyring``: where a server's database keeps the keys of what is sealed, too
    "subject_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

permits = Table(
    "permits",
    metadata,
    Column("permit_id", Text, primary_key=True),
    Column("run_id", Text, _run(), nullable=False, index=True),
    Column("step", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("approval_id", Text),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("effect_id", Text),
    Column("etag", Text),
)

effects = Table(
    "effects",
    metadata,
    Column("effect_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("run_id", Text, _run(), nullable=False, index=True),
    Column("step", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("permit_id", Text, ForeignKey("permits.permit_id"), nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("result", Text),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("intended_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    _content("message"),
    Column("key_text", LargeBinary),
    Index("uq_effects_tenant_key", "tenant", "key", unique=True),
)
_IN_FLIGHT = text("state = 'intended'")
Index("ix_effects_in_flight", effects.c.tenant, sqlite_where=_IN_FLIGHT, postgresql_where=_IN_FLIGHT)

approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("run_id", Text, _run(), nullable=False, index=True),
    Column("tenant", Text, nullable=False),
    Column("tool", Text, nullable=False),
    _content("args"),
    _content("question"),
    Column("digest", Text, nullable=False),
    _content("reasons"),
    _content("requested_by"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("state", Text, nullable=False),
    _content("decided_by", nullable=True),
    Column("decided_at", BigInteger),
    _content("comment"),
    _content("new_args", nullable=True),
    Column("question_id", Text),
    _content("asked", nullable=True),
    Column("told_at", BigInteger),
    Column("tell_at", BigInteger),
    Index("ix_approvals_tenant_state", "tenant", "state"),
)
_UNTOLD = text("told_at IS NULL AND state = 'pending'")
Index("ix_approvals_untold", approvals.c.tenant, sqlite_where=_UNTOLD, postgresql_where=_UNTOLD)

policies = Table(
    "policies",
    metadata,
    Column("supervisor", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

reservations = Table(
    "reservations",
    metadata,
    Column("permit_id", Text, ForeignKey("permits.permit_id", ondelete="CASCADE"), primary_key=True),
    Column("cap", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_reservations_cap_holder_at", "cap", "holder", "at"),
)

queue = Table(
    "queue",
    metadata,
    Column("run_id", Text, _run(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("supervisor", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Index("ix_queue_order", "supervisor", "severity", "tenant", "queued_at"),
)

turns = Table(
    "turns",
    metadata,
    Column("supervisor", Text, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

served = Table(  # requests taken from the queue, by stretches of time
    "served",
    metadata,
    Column("supervisor", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

quota_usage = Table(
    "quota_usage",
    metadata,
    Column("quota", Text, primary_key=True),
    Column("holder", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("runs", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("tokens_reserved", BigInteger, nullable=False),
    Column("cost_nusd", BigInteger, nullable=False),
    Column("cost_nusd_reserved", BigInteger, nullable=False),
)

levels = Table(
    "levels",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("as_operator", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_levels_tenant_agent_tool_effect", "tenant", "agent", "tool", "effect"),
)

circuits = Table(
    "circuits",
    metadata,
    Column("supervisor", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("opened_at", BigInteger, nullable=False),
    Column("probed_at", BigInteger),
    Column("prober", Text),
)

items = Table(  # path and name are blind digests of namespace and key; session is empty in the durable tier
    "items",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("ttl", BigInteger),
    Column("run_id", Text),
    Column("suspicions", Text, nullable=False),
)
_EXPIRES = text("expires_at IS NOT NULL")
Index("ix_items_expires_at", items.c.expires_at, sqlite_where=_EXPIRES, postgresql_where=_EXPIRES)
outbox = Table(  # what it holds are the blocks after this one: each says which events came with it
    "outbox",
    metadata,
    Column("graph", Text, primary_key=True),
    Column("block", Integer, nullable=False),
    Column("owner", Text),
    Column("until", BigInteger),
)
