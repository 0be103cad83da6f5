"""The first tables: runs, transitions, events, payloads, permits, effects, approvals, queue."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """All tables of the first release."""
    _runs()
    _histories()
    _ledger()
    _approvals()
    _queue()


def _col(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=null)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _of_run(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=f"fk_{table}_run_id", ondelete="CASCADE")


def _unique_where(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "runs", columns, unique=True, sqlite_where=where, postgresql_where=where)


def _runs() -> None:
    required = ("run_id", "tenant", "user", "principal", "supervisor", "thread_id", "task_type")
    op.create_table(
        "runs",
        *(_col(name) for name in required),
        _col("idempotency_key", null=True),
        _col("severity", sa.Integer),
        *(_col(name) for name in ("request", "budget", "versions", "state")),
        _col("created_at", sa.BigInteger),
        _col("updated_at", sa.BigInteger),
        *(_col(name, sa.BigInteger, null=True) for name in ("started_at", "deadline_at", "active_since")),
        _col("waited_s", sa.Float),
        _col("active", sa.Boolean),
        _col("owner", null=True),
        _col("lease_until", sa.BigInteger, null=True),
        *(_col(name, null=True) for name in ("cancel_requested", "trace_parent", "replay_of")),
        _key("runs", "run_id"),
    )
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_index("ix_runs_tenant_created_at", "runs", ["tenant", "created_at"])
    op.create_index("ix_runs_tenant_thread_id", "runs", ["tenant", "thread_id"])
    _unique_where(
        "uq_runs_tenant_idempotency_key", ["tenant", "idempotency_key"], "idempotency_key IS NOT NULL"
    )
    _unique_where("uq_runs_tenant_thread_id_active", ["tenant", "thread_id"], "active")


def _histories() -> None:
    op.create_table(
        "transitions",
        _col("run_id"),
        _col("number", sa.Integer),
        *(_col(name) for name in ("from_state", "to_state")),
        _col("at", sa.BigInteger),
        *(_col(name) for name in ("actor", "reason")),
        _col("attempt", sa.Integer),
        _of_run("transitions"),
        _key("transitions", "run_id", "number"),
    )
    op.create_table(
        "events",
        _col("run_id"),
        _col("seq", sa.BigInteger),
        _col("key"),
        _col("at", sa.BigInteger),
        *(_col(name) for name in ("kind", "actor")),
        *(_col(name, null=True) for name in ("step_id", "model", "tool")),
        _col("latency_ms", sa.Float, null=True),
        *(_col(name, sa.BigInteger, null=True) for name in ("input_tokens", "output_tokens", "cost_nusd")),
        _col("result", null=True),
        _col("data"),
        _of_run("events"),
        _key("events", "run_id", "seq"),
    )
    op.create_index("uq_events_run_id_key", "events", ["run_id", "key"], unique=True)
    call = sa.text("kind = 'tool_call_started'")
    op.create_index("ix_events_calls", "events", ["run_id", "tool"], sqlite_where=call, postgresql_where=call)
    op.create_table(
        "payloads",
        *(_col(name) for name in ("run_id", "digest")),
        _col("body", sa.LargeBinary, null=True),
        _col("redacted", null=True),
        _of_run("payloads"),
        _key("payloads", "run_id", "digest"),
    )


def _ledger() -> None:
    op.create_table(
        "permits",
        *(
            _col(name)
            for name in ("permit_id", "run_id", "step", "tenant", "user", "chain", "tool", "digest")
        ),
        _col("policy_version"),
        _col("approval_id", null=True),
        _col("issued_at", sa.BigInteger),
        _col("expires_at", sa.BigInteger),
        _col("effect_id", null=True),
        _of_run("permits"),
        _key("permits", "permit_id"),
    )
    op.create_index("ix_permits_run_id", "permits", ["run_id"])
    op.create_table(
        "effects",
        *(
            _col(name)
            for name in ("effect_id", "tenant", "run_id", "step", "tool", "effect", "key", "digest")
        ),
        *(_col(name) for name in ("permit_id", "state")),
        _col("result", null=True),
        _col("attempts", sa.Integer),
        _col("owner"),
        _col("intended_at", sa.BigInteger),
        _col("settled_at", sa.BigInteger, null=True),
        _col("message"),
        _of_run("effects"),
        sa.ForeignKeyConstraint(["permit_id"], ["permits.permit_id"], name="fk_effects_permit_id"),
        _key("effects", "effect_id"),
        sa.UniqueConstraint("permit_id", name="uq_effects_permit_id"),
    )
    op.create_index("ix_effects_run_id", "effects", ["run_id"])
    op.create_index("uq_effects_tenant_key", "effects", ["tenant", "key"], unique=True)


def _approvals() -> None:
    op.create_table(
        "approvals",
        *(_col(name) for name in ("approval_id", "run_id", "tenant", "tool", "args", "question", "digest")),
        *(_col(name) for name in ("reasons", "requested_by")),
        *(_col(name, sa.BigInteger) for name in ("created_at", "expires_at")),
        *(_col(name) for name in ("kind", "step", "state")),
        _col("decided_by", null=True),
        _col("decided_at", sa.BigInteger, null=True),
        _col("comment"),
        _col("new_args", null=True),
        _of_run("approvals"),
        _key("approvals", "approval_id"),
    )
    op.create_index("ix_approvals_run_id", "approvals", ["run_id"])
    op.create_index("ix_approvals_tenant_state", "approvals", ["tenant", "state"])


def _queue() -> None:
    op.create_table(
        "queue",
        *(_col(name) for name in ("run_id", "tenant", "supervisor")),
        _col("severity", sa.Integer),
        _col("queued_at", sa.BigInteger),
        _of_run("queue"),
        _key("queue", "run_id"),
    )
    op.create_index(
        "ix_queue_supervisor_severity_queued_at", "queue", ["supervisor", "severity", "queued_at"]
    )
