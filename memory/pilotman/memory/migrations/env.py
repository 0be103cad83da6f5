"""Alembic's environment: always run by ``pilotman.memory.migration``, over an open connection."""

from alembic import context

from pilotman.memory.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
