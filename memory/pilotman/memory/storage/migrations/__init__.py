"""The journal's schema, step by step (Alembic)."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0007", "0008", "0009", "0010", "0011", "0013")
"""Every revision in order; the last is the present one. A test compares this with the scripts."""
