"""What many processes share of how dependencies do: the open circuits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of the third release."""
    op.create_table(
        "circuits",
        sa.Column("supervisor", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("probed_at", sa.BigInteger(), nullable=True),
        sa.Column("prober", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("supervisor", "name", name="pk_circuits"),
    )
