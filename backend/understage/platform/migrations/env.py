"""Alembic's entry: runs the revisions on the connection that `migrations.migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
    version_table="understage_schema_version",
)
context.run_migrations()
