"""Content is sealed for the user whose it is: columns hold bytes. Runs can be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SEALED = {
    "runs": ("principal", "request", "cancel_requested"),
    "transitions": ("reason",),
    "events": ("data",),
    "effects": ("message",),
    "approvals": (
        *("args", "question", "reasons", "requested_by", "decided_by", "comment", "new_args", "asked"),
    ),
}


def upgrade() -> None:
    """What is there stays readable: text is known by its first byte."""
    if op.get_bind().dialect.name == "postgresql":  # on SQLite a column holds values of any type
        for table, columns in _SEALED.items():
            changes = (f"ALTER COLUMN {name} TYPE bytea USING convert_to({name}, 'UTF8')" for name in columns)
            op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
    op.add_column("runs", sa.Column("forgotten_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "subject_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_subject_keys"),
        if_not_exists=True,
    )
    op.add_column("effects", sa.Column("key_text", sa.LargeBinary(), nullable=True))
