"""Legal holds, and receipts of what was forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of forgetting."""
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("tenant", "what", "reason", "placed_by")),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("released_by", sa.Text()),
        sa.Column("released_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("hold_id", name="pk_holds"),
    )
    op.create_index("ix_holds_tenant", "holds", ["tenant"])
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("tenant", "what", "asked_by")),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("erased", "held")),
        sa.Column("unreached", sa.Text()),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("marks", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("receipt_id", name="pk_receipts"),
    )
    op.create_index("ix_receipts_tenant", "receipts", ["tenant", "asked_at"])
    unfinished = sa.text("unreached IS NOT NULL")
    op.create_index(
        "ix_receipts_unfinished",
        "receipts",
        ["tenant"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
