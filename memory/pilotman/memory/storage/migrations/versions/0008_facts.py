"""Facts, and what they stand on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The tables of facts."""
    op.create_table(
        "facts",
        sa.Column("fact_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("body", sa.LargeBinary()),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("digest", "source", "purpose", "label", "status")
        ),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_to", sa.BigInteger()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("retracted_at", sa.BigInteger()),
        sa.Column("retracted_by", sa.Text()),
        sa.Column("retraction", sa.LargeBinary()),
        sa.Column("promoted_at", sa.BigInteger()),
        sa.Column("promoted_by", sa.Text()),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("corrects", sa.Text()),
        sa.PrimaryKeyConstraint("fact_id", name="pk_facts"),
    )
    op.create_index("ix_facts_tenant_owner", "facts", ["tenant", "owner"])
    op.create_table(
        "fact_supports",
        sa.Column("fact_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("support", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fact_id"], ["facts.fact_id"], name="fk_fact_supports_fact_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("fact_id", "number", "support", name="pk_fact_supports"),
    )
    op.create_index("ix_fact_supports_tenant_support", "fact_supports", ["tenant", "support"])
