"""How far the events have been told to provenance graphs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each graph's place in the chain of blocks, and who is telling it more."""
    op.create_table(
        "outbox",
        sa.Column("graph", sa.Text(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("until", sa.BigInteger()),
        sa.PrimaryKeyConstraint("graph", name="pk_outbox"),
    )
