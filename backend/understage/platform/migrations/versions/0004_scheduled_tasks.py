"""Work of the catalog that repeats on one replica at a time: discovery of repositories, teams and users."""

import sqlalchemy as sa
from alembic import op

revision = "0004_scheduled_tasks"
down_revision = "0003_scaffolder"

BinaryText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "scheduled_tasks",
        sa.Column("id", BinaryText, primary_key=True),
        sa.Column("next_run_at", sa.BigInteger),
        sa.Column("ticket", sa.Text),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("error", sa.Text),
    )
