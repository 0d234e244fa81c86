"""Entities are scheduled by the bucket, and tables that are written in bulk check their references in bulk.

On PostgreSQL a foreign key costs a look-up per row; the search index and the relations have hundreds of thousands. They go
with their entity all the same, by one trigger a statement, and writers lock the entities they write about. The columns
stay as they were: replicas of the previous release go on while this one starts.
"""

import sqlalchemy as sa
import structlog
from alembic import op
from sqlalchemy.exc import DBAPIError

log = structlog.get_logger(__name__)

revision = "0007_bulk_writes"
down_revision = "0006_incremental"


RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _schedule_by_buckets()
    _index_by_kind()
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP INDEX relations_by_target")
        return
    for statement in _POSTGRESQL:
        op.execute(statement)


def _index_by_kind() -> None:
    op.add_column("search", sa.Column("kind", sa.Text().with_variant(sa.Text(collation="C"), "postgresql")))
    # The next index is made anew, over everything that the questions of the catalog's pages ask for.
    op.drop_index("search_by_key_value", "search")
    sqlite = op.get_bind().dialect.name == "sqlite"
    colon = "instr(s.entity_ref, ':')" if sqlite else "strpos(s.entity_ref, ':')"
    op.execute(
        f"""
        UPDATE search SET kind = (
            SELECT substr(s.entity_ref, 1, {colon} - 1) FROM refresh_state s WHERE s.id = search.entity_id
        )
        """
    )
    covered = "entity_id, kind, original_value)" if sqlite else "entity_id) INCLUDE (kind, original_value)"
    op.execute(f"CREATE INDEX search_by_key_value ON search (key, value, {covered}")
    if not sqlite:
        # Keys and values depend on each other: without this the planner takes all components for a handful.
        op.execute("CREATE STATISTICS search_key_value (mcv) ON key, value FROM search")
        op.execute("ALTER STATISTICS search_key_value SET STATISTICS 1000")
        op.execute("ANALYZE search")
        _index_texts()


def _index_texts() -> None:
    """What people search for in the pages, by its trigrams, where the database has them: they come with PostgreSQL itself."""
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute(
                """
                CREATE INDEX search_by_text ON search USING gin (value gin_trgm_ops)
                WHERE key IN ('metadata.name', 'metadata.title', 'spec.profile.displayname')
                """
            )
    except DBAPIError as error:
        # Not installed, or not allowed: texts are looked for one by one then.
        log.warning("no index for full text search, because the extension pg_trgm is not there", reason=str(error.orig))


def _schedule_by_buckets() -> None:
    op.create_table(
        "catalog_changes",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "refresh_buckets",
        sa.Column("bucket", RowId, primary_key=True, autoincrement=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger),
        sa.Column("claimed_until", sa.BigInteger, nullable=False),
        sa.Column("claim", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "refresh_due",
        sa.Column(
            "entity_id",
            RowId,
            sa.ForeignKey("refresh_state.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("due_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("claimed_until", sa.BigInteger, nullable=False),
        sa.Column("claim", sa.BigInteger, nullable=False),
    )
    # All of it is looked at again soon after the first start of this release.
    op.execute(
        """
        INSERT INTO refresh_buckets (bucket, next_at, claimed_until, claim)
        SELECT DISTINCT id / 1000, 0, 0, 0 FROM refresh_state
        """
    )


_POSTGRESQL = (
    "DROP INDEX relations_by_target",
    "ALTER TABLE relations DROP CONSTRAINT relations_originating_entity_id_fkey",
    "ALTER TABLE relations DROP CONSTRAINT relations_pkey",
    "CREATE INDEX relations_by_origin ON relations (originating_entity_id)",
    "ALTER TABLE search DROP CONSTRAINT search_entity_id_fkey",
    "ALTER TABLE search DROP CONSTRAINT search_unique",
    "ALTER TABLE search DROP CONSTRAINT search_pkey",
    "CREATE INDEX search_by_entity ON search (entity_id)",
    """
    CREATE FUNCTION understage_forget_entities() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM search WHERE entity_id IN (SELECT id FROM gone);
        DELETE FROM relations WHERE originating_entity_id IN (SELECT id FROM gone);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER understage_forget_entities AFTER DELETE ON refresh_state
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION understage_forget_entities()
    """,
)


def downgrade() -> None:
    raise NotImplementedError("rows without their constraints may not satisfy them any more: restore a backup instead")
