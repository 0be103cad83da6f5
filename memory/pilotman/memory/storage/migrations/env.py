"""Alembic's environment: always run by ``pilotman.memory.storage.migration``, over an open connection."""

from alembic import context

# their tables are part of the metadata
import pilotman.memory.defence.marks  # pyright: ignore[reportUnusedImport]
import pilotman.memory.facts.tables  # pyright: ignore[reportUnusedImport]
import pilotman.memory.forgetting.tables  # noqa: F401  # pyright: ignore[reportUnusedImport]
from pilotman.memory.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
