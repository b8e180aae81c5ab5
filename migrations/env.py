"""Runs migrations on the connection and in the transaction of gateway.adapters.sql_schema."""

from alembic import context

from gateway.adapters.sql_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
