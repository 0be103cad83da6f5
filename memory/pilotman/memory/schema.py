"""The journal's tables (SQLAlchemy Core). Times are microseconds since 1970 UTC, structures JSON text.

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


def _run() -> ForeignKey:
    return ForeignKey("runs.run_id", ondelete="CASCADE")


runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("supervisor", Text, nullable=False),
    Column("thread_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("task_type", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("request", Text, nullable=False),
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
    Column("cancel_requested", Text),
    Column("trace_parent", Text),
    Column("replay_of", Text),
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
    Column("reason", Text, nullable=False),
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
    Column("data", Text, nullable=False),
    Index("uq_events_run_id_key", "run_id", "key", unique=True),
)
_CALL = text("kind = 'tool_call_started'")
Index("ix_events_calls", events.c.run_id, events.c.tool, sqlite_where=_CALL, postgresql_where=_CALL)

payloads = Table(
    "payloads",
    metadata,
    Column("run_id", Text, _run(), primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("body", LargeBinary),
    Column("redacted", Text),
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
    Column("message", Text, nullable=False),
    Index("uq_effects_tenant_key", "tenant", "key", unique=True),
)

approvals = Table(
    "approvals",
    metadata,
    Column("approval_id", Text, primary_key=True),
    Column("run_id", Text, _run(), nullable=False, index=True),
    Column("tenant", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("args", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", BigInteger),
    Column("comment", Text, nullable=False),
    Column("new_args", Text),
    Index("ix_approvals_tenant_state", "tenant", "state"),
)

queue = Table(
    "queue",
    metadata,
    Column("run_id", Text, _run(), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("supervisor", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Index("ix_queue_supervisor_severity_queued_at", "supervisor", "severity", "queued_at"),
)
