"""The catalog: what comes in, what is served, what is searched."""

import sqlalchemy as sa
from alembic import op

revision = "0002_catalog"
down_revision = "0001_signing_keys"

BinaryText = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def entity_id(**options: object) -> "sa.Column[int]":
    reference = sa.ForeignKey("refresh_state.id", ondelete="CASCADE")
    return sa.Column("entity_id", RowId, reference, nullable=False, autoincrement=False, **options)  # type: ignore[arg-type]


def upgrade() -> None:
    op.create_table(
        "refresh_state",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("uid", BinaryText, nullable=False, unique=True),
        sa.Column("entity_ref", BinaryText, nullable=False, unique=True),
        sa.Column("unprocessed_entity", sa.Text, nullable=False),
        sa.Column("unprocessed_hash", sa.Text, nullable=False),
        sa.Column("processed_entity", sa.Text),
        sa.Column("result_hash", sa.Text),
        sa.Column("cache", sa.Text),
        sa.Column("errors", sa.Text, nullable=False, server_default="[]"),
        sa.Column("next_update_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("last_discovery_at", sa.BigInteger, nullable=False),
        sa.Column("location_key", sa.Text),
    )
    op.create_table(
        "refresh_state_references",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("source_key", sa.Text),
        sa.Column("source_entity_ref", BinaryText, sa.ForeignKey("refresh_state.entity_ref", ondelete="CASCADE")),
        sa.Column(
            "target_entity_ref",
            BinaryText,
            sa.ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"),
            nullable=False,
        ),
    )
    op.create_index("refresh_state_references_by_source_key", "refresh_state_references", ["source_key"])
    op.create_index("refresh_state_references_by_source_ref", "refresh_state_references", ["source_entity_ref"])
    op.create_index("refresh_state_references_by_target_ref", "refresh_state_references", ["target_entity_ref"])
    op.create_table(
        "refresh_keys", entity_id(primary_key=True), sa.Column("key", sa.Text, primary_key=True, index=True)
    )
    op.create_table(
        "relations",
        sa.Column(
            "originating_entity_id",
            RowId,
            sa.ForeignKey("refresh_state.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("source_entity_ref", BinaryText, primary_key=True),
        sa.Column("type", BinaryText, primary_key=True),
        sa.Column("target_entity_ref", BinaryText, primary_key=True),
    )
    op.create_index("relations_by_source", "relations", ["source_entity_ref"])
    op.create_index("relations_by_target", "relations", ["target_entity_ref"])
    op.create_table(
        "final_entities",
        entity_id(primary_key=True),
        sa.Column("uid", BinaryText, nullable=False, unique=True),
        sa.Column("entity_ref", BinaryText, nullable=False, unique=True),
        sa.Column("final_entity", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("last_updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "search",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        entity_id(),
        sa.Column("key", BinaryText, nullable=False),
        sa.Column("value", BinaryText),
        sa.Column("original_value", BinaryText),
        sa.UniqueConstraint("entity_id", "key", "value", name="search_unique"),
    )
    op.create_index("search_by_key_value", "search", ["key", "value", "entity_id"])
    op.create_table(
        "stitch_queue",
        sa.Column("entity_ref", BinaryText, primary_key=True),
        sa.Column("stitch_ticket", sa.Text, nullable=False),
        sa.Column("next_stitch_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "locations",
        sa.Column("id", BinaryText, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("location_entity_ref", BinaryText, nullable=False),
        sa.UniqueConstraint("type", "target", name="locations_unique"),
    )


def downgrade() -> None:
    for name in (
        "locations",
        "stitch_queue",
        "search",
        "final_entities",
        "relations",
        "refresh_keys",
        "refresh_state_references",
        "refresh_state",
    ):
        op.drop_table(name)
