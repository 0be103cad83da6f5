"""Alembic's environment: always run by ``pilotman.memory.storage.migration``, over an open connection."""

from alembic import context

import pilotman.memory.defence.marks
import pilotman.memory.facts.tables
import pilotman.memory.forgetting.tables  # noqa: F401  # their tables are part of the metadata
from pilotman.memory.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
