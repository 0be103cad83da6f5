"""What sessions and users keep: the items of LangGraph stores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row an item, and the order in which items expire."""
    key = ("tenant", "user", "session", "path", "name")
    op.create_table(
        "items",
        *(sa.Column(name, sa.Text(), nullable=False) for name in key),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("ttl", sa.BigInteger()),
        sa.Column("run_id", sa.Text()),
        sa.Column("suspicions", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_items"),
    )
    expires = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "ix_items_expires_at", "items", ["expires_at"], sqlite_where=expires, postgresql_where=expires
    )
