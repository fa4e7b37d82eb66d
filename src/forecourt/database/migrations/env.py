"""Alembic's environment: it runs the steps over the connection that `schema.upgrade` hands it."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema="forecourt",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
