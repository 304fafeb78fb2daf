"""Alembic's entry: runs the revisions on the connection that Database hands in.

Upwards only: to go back, restore a copy of the database.
"""

from alembic import context

from agent.storage.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    # SQLite alters little in place; batches copy the table instead.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
