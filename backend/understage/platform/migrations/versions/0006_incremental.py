"""Incremental ingestion: the cycles of providers, how far each has come, and what it gave."""

import sqlalchemy as sa
from alembic import op

revision = "0006_incremental"
down_revision = "0005_reports"

BinaryText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def ingestion_id(**options: object) -> "sa.Column[str]":
    reference = sa.ForeignKey("ingestions.id", ondelete="CASCADE")
    return sa.Column("ingestion_id", BinaryText, reference, nullable=False, **options)  # type: ignore[arg-type]


def upgrade() -> None:
    op.create_table(
        "ingestions",
        sa.Column("id", BinaryText, primary_key=True),
        sa.Column("provider_name", BinaryText, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("next_action", sa.Text, nullable=False),
        sa.Column("next_action_at", sa.BigInteger, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("rest_completed_at", sa.BigInteger),
        sa.Column("completion_ticket", sa.Text, nullable=False),
        sa.UniqueConstraint("provider_name", "completion_ticket", name="ingestions_unique"),
    )
    op.create_table(
        "ingestion_marks",
        sa.Column("id", BinaryText, primary_key=True),
        ingestion_id(),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("ingestion_id", "sequence", name="ingestion_marks_unique"),
    )
    op.create_table(
        "ingestion_mark_entities",
        ingestion_id(primary_key=True),
        sa.Column("ref", BinaryText, primary_key=True),
    )


def downgrade() -> None:
    for name in ("ingestion_mark_entities", "ingestion_marks", "ingestions"):
        op.drop_table(name)
