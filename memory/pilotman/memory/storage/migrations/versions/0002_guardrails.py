"""What guardrails keep: levels and switches, the chain of the audit, questions, reservations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pilotman.memory.journal import blocks

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables and columns of the second release."""
    _levels()
    _chain()
    _questions()
    _policies()
    _reservations()


def _levels() -> None:
    """Kill switches and capability levels."""
    op.create_table(
        "levels",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("tenant", "agent", "tool", "effect", "level", "reason", "by")
        ),
        sa.Column("as_operator", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_levels"),
    )
    op.create_index("ix_levels_tenant_agent_tool_effect", "levels", ["tenant", "agent", "tool", "effect"])
    where = sa.text("state = 'intended'")
    op.create_index("ix_effects_in_flight", "effects", ["tenant"], sqlite_where=where, postgresql_where=where)


def _chain() -> None:
    """Hashes of events and the journal's blocks. Events of before have none: block 0 counts them."""
    op.add_column("events", sa.Column("hash", sa.Text(), nullable=True))
    op.create_table(
        "blocks",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("heads", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("events", "runs")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("previous", "hash")),
        sa.PrimaryKeyConstraint("number", name="pk_blocks"),
    )
    op.create_table(
        "unsealed",
        sa.Column("run_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("first", "seq")),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_unsealed"),
    )
    blocks.begin(op.get_bind())


def _questions() -> None:
    """What the approval queue needs: which question lists a call, what policies saw, whom to tell; turns."""
    for name in ("question_id", "asked"):
        op.add_column("approvals", sa.Column(name, sa.Text(), nullable=True))
    for name in ("told_at", "tell_at"):
        op.add_column("approvals", sa.Column(name, sa.BigInteger(), nullable=True))
    where = sa.text("told_at IS NULL AND state = 'pending'")
    op.create_index(
        "ix_approvals_untold", "approvals", ["tenant"], sqlite_where=where, postgresql_where=where
    )
    op.create_table(
        "turns",
        sa.Column("supervisor", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("supervisor", "tenant", name="pk_turns"),
    )


def _policies() -> None:
    """Which policy versions were in force."""
    op.create_table(
        "policies",
        sa.Column("supervisor", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("version", "by", "reason")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("supervisor", "number", name="pk_policies"),
    )


def _reservations() -> None:
    """Cumulative limits, and the version of the target on a permit."""
    op.add_column("permits", sa.Column("etag", sa.Text(), nullable=True))
    op.create_table(
        "reservations",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("permit_id", "cap", "holder")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("units", "at")),
        sa.ForeignKeyConstraint(
            ["permit_id"], ["permits.permit_id"], name="fk_reservations_permit_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("permit_id", "cap", name="pk_reservations"),
    )
    op.create_index("ix_reservations_cap_holder_at", "reservations", ["cap", "holder", "at"])
