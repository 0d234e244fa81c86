"""Alembic's entry: runs the revisions on the connection that `migrations.migrate` hands over."""

from alembic import context

from understage.platform.migrations import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
    version_table=VERSION_TABLE,
)
context.run_migrations()
