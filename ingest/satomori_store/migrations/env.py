"""Alembic's entry: runs on the connection, and inside the transaction, that `satomori_store.schema` gives it."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    version_table=context.config.attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()
