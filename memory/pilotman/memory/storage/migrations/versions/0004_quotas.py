"""What the queue needs to refuse, to give up and to be quick; and what quotas have used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Failures of runs, who owns them, the order of the queue, its pace, quotas."""
    op.add_column("runs", sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")))
    where = sa.text("owner IS NOT NULL")
    op.create_index("ix_runs_owner", "runs", ["owner"], sqlite_where=where, postgresql_where=where)
    op.drop_index("ix_queue_supervisor_severity_queued_at", "queue")
    op.create_index("ix_queue_order", "queue", ["supervisor", "severity", "tenant", "queued_at"])
    op.create_table(
        "served",
        sa.Column("supervisor", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("supervisor", "since", name="pk_served"),
    )
    amounts = ("runs", "tokens", "tokens_reserved", "cost_nusd", "cost_nusd_reserved")
    op.create_table(
        "quota_usage",
        sa.Column("quota", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in amounts),
        sa.PrimaryKeyConstraint("quota", "holder", "since", name="pk_quota_usage"),
    )
