"""Run by Alembic: migrates over the connection that `feedback.sessions.database` hands it."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    render_as_batch=True,  # SQLite changes no column in place
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
