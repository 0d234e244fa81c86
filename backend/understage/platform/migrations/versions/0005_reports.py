"""What is wrong, for the reports to owners: since when an entity fails, and who lost which name to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0005_reports"
down_revision = "0004_scheduled_tasks"

BinaryText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOW = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
}


def upgrade() -> None:
    op.add_column("refresh_state", sa.Column("last_read_at", sa.BigInteger))
    failing = sa.text("errors <> '[]'")
    op.create_index(
        "refresh_state_failing", "refresh_state", ["entity_ref"], sqlite_where=failing, postgresql_where=failing
    )
    op.create_table(
        "failures",
        sa.Column(
            "entity_id",
            RowId,
            sa.ForeignKey("refresh_state.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("is_kept", sa.Boolean, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_table(
        "conflicts",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column(
            "entity_ref",
            BinaryText,
            sa.ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("source_key", sa.Text),
        sa.Column(
            "source_entity_ref",
            BinaryText,
            sa.ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"),
            index=True,
        ),
        sa.Column("location_key", sa.Text),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    # Of what fails already it is not known since when; since now, at the latest.
    op.execute(
        f"""
        INSERT INTO failures (entity_id, stage, since, is_kept)
        SELECT id, 'processing', {NOW[op.get_bind().dialect.name]}, processed_entity IS NOT NULL
        FROM refresh_state WHERE errors <> '[]'
        """
    )


def downgrade() -> None:
    op.drop_table("conflicts")
    op.drop_table("failures")
    op.drop_index("refresh_state_failing", "refresh_state")
    op.drop_column("refresh_state", "last_read_at")
