"""Alembic's entry: migrations run only through `theta.common.postgres.migrate`, which gives the
connection.
"""

from alembic import context

from theta.common.postgres.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
