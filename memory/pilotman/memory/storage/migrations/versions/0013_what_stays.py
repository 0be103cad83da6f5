"""Receipts that say what was left as it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column of receipts."""
    op.add_column("receipts", sa.Column("remains", sa.Text()))
