"""Events that the measures of success are computed from: deployments, health, starts of services, tickets, answers."""

import sqlalchemy as sa
from alembic import op

revision = "0008_measures"
down_revision = "0007_bulk_writes"

BinaryText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "measured_deployments",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("application", BinaryText, nullable=False),
        sa.Column("revision", BinaryText, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("service", BinaryText, nullable=False),
        sa.Column("environment", BinaryText, nullable=False),
        sa.Column("committed_at", sa.BigInteger),
        sa.Column("is_rollback", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("source", sa.Text, nullable=False),
        sa.UniqueConstraint("application", "revision", "at", name="measured_deployments_unique"),
        sa.Index("measured_deployments_by_environment", "environment", "at"),
        sa.Index("measured_deployments_by_service", "service", "at"),
    )
    op.create_table(
        "measured_healths",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("application", BinaryText, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.UniqueConstraint("application", "at", "status", name="measured_healths_unique"),
    )
    op.create_table(
        "measured_starts",
        sa.Column("service", BinaryText, primary_key=True),
        sa.Column("key", BinaryText, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "measured_tasks",
        sa.Column("id", BinaryText, primary_key=True),
        sa.Column("seen_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "measured_tickets",
        sa.Column("source", BinaryText, primary_key=True),
        sa.Column("id", BinaryText, primary_key=True),
        sa.Column("opened_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("closed_at", sa.BigInteger, index=True),
        sa.Column("service", BinaryText),
        sa.Column("team", BinaryText),
    )
    op.create_table(
        "survey_answers",
        sa.Column("question", BinaryText, primary_key=True),
        sa.Column("period", BinaryText, primary_key=True),
        sa.Column("person", BinaryText, primary_key=True),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
    )


def downgrade() -> None:
    for name in (
        "survey_answers",
        "measured_tickets",
        "measured_tasks",
        "measured_starts",
        "measured_healths",
        "measured_deployments",
    ):
        op.drop_table(name)
