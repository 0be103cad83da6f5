"""By what the same words are found again among facts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The marks of facts."""
    op.create_table(
        "fact_marks",
        sa.Column("fact_id", sa.Text(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fact_id", "mark", name="pk_fact_marks"),
        sa.ForeignKeyConstraint(
            ["fact_id"], ["facts.fact_id"], name="fk_fact_marks_fact_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_fact_marks_tenant_mark", "fact_marks", ["tenant", "mark"])
