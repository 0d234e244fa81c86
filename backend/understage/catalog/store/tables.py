"""The catalog's tables. All stages of the road meet here; the migrations `0002_catalog`, `0005_reports` and
`0007_bulk_writes` make them.

Times are milliseconds since the epoch, of the database's clock. JSON is stored as text, ready to be sent. Text that is
ordered or compared on the wire has the collation C on PostgreSQL: binary order, as on SQLite.
Everything that belongs to an entity goes with its `refresh_state` row.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from understage.platform.columns import BinaryText, RowId

metadata = MetaData()
FAILING = "errors <> '[]'"


def _entity_id(name: str = "entity_id", *, primary_key: bool = False, index: bool = False) -> Column[Any]:
    reference = ForeignKey("refresh_state.id", ondelete="CASCADE")
    return Column(name, RowId, reference, primary_key=primary_key, index=index, nullable=False, autoincrement=False)


# One row an entity that somebody emits: what came in (unprocessed) and what processing made of it (processed).
#
# `id` is the key inside the database, `uid` the one on the wire. `result_hash` covers all that processing put out;
# `errors` is a JSON array of the last round. `last_read_at` is when it was processed last because it was new, had changed or
# somebody asked; with its bucket it may have been processed since (`refresh_buckets.last_at`). `next_update_at` is what the
# first release scheduled by: see `refresh_due` and `refresh_buckets`.
refresh_state = Table(
    "refresh_state",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("uid", BinaryText, nullable=False, unique=True),
    Column("entity_ref", BinaryText, nullable=False, unique=True),
    Column("unprocessed_entity", Text, nullable=False),
    Column("unprocessed_hash", Text, nullable=False),
    Column("processed_entity", Text),
    Column("result_hash", Text),
    Column("cache", Text),
    Column("errors", Text, nullable=False, server_default="[]"),
    Column("next_update_at", BigInteger, nullable=False, index=True),
    Column("last_read_at", BigInteger),
    Column("last_discovery_at", BigInteger, nullable=False),
    Column("location_key", Text),
    Index("refresh_state_failing", "entity_ref", sqlite_where=text(FAILING), postgresql_where=text(FAILING)),
)

# When the thousand entities with these row ids are looked at again, and were last; who does so until when (`claims`).
refresh_buckets = Table(
    "refresh_buckets",
    metadata,
    Column("bucket", RowId, primary_key=True, autoincrement=False),
    Column("next_at", BigInteger, nullable=False),
    Column("last_at", BigInteger),
    Column("claimed_until", BigInteger, nullable=False),
    Column("claim", BigInteger, nullable=False),
)

# An entity that is due by itself, because it is new, has changed, or somebody asked; gone when that is done.
refresh_due = Table(
    "refresh_due",
    metadata,
    _entity_id(primary_key=True),
    Column("due_at", BigInteger, nullable=False, index=True),
    Column("claimed_until", BigInteger, nullable=False),
    Column("claim", BigInteger, nullable=False),
)

# Who emits an entity: a provider (`source_key`) or a parent entity (`source_entity_ref`). None left: an orphan.
references = Table(
    "refresh_state_references",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("source_key", Text),
    Column("source_entity_ref", BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE")),
    Column("target_entity_ref", BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"), nullable=False),
    Index("refresh_state_references_by_source_key", "source_key"),
    Index("refresh_state_references_by_source_ref", "source_entity_ref"),
    Index("refresh_state_references_by_target_ref", "target_entity_ref"),
)

# What an entity was made of (`url:…`, `file:…`): events about that refresh it.
refresh_keys = Table(
    "refresh_keys",
    metadata,
    _entity_id(primary_key=True),
    Column("key", Text, primary_key=True, index=True),
)

# A relation as an entity emitted it; `source_entity_ref` may be another entity, which may not exist.
relations = Table(
    "relations",
    metadata,
    _entity_id("originating_entity_id", primary_key=True),
    Column("source_entity_ref", BinaryText, primary_key=True),
    Column("type", BinaryText, primary_key=True),
    Column("target_entity_ref", BinaryText, primary_key=True),
    Index("relations_by_source", "source_entity_ref"),
    Index("relations_by_target", "target_entity_ref"),
)

# The entity as it is served: `final_entity` is its JSON, `hash` its etag.
final_entities = Table(
    "final_entities",
    metadata,
    _entity_id(primary_key=True),
    Column("uid", BinaryText, nullable=False, unique=True),
    Column("entity_ref", BinaryText, nullable=False, unique=True),
    Column("final_entity", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("last_updated_at", BigInteger, nullable=False),
)

# A leaf of a final entity, lower-cased: what filters, orders, facets and full text look at.
#
# `value` is None for null and for text above 200 characters: the key exists, but equals nothing. `kind` is the entity's, in
# lower case, because nearly every question is about a kind; rows of replicas of the first release have none.
search = Table(
    "search",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    _entity_id(),
    Column("key", BinaryText, nullable=False),
    Column("value", BinaryText),
    Column("original_value", BinaryText),
    Column("kind", BinaryText),
    # Distinct within an entity, which its only writer sees to.
    Index("search_by_entity", "entity_id"),
    # Covers what pages, counts and facets ask for; on PostgreSQL by INCLUDE.
    Index("search_by_key_value", "key", "value", "entity_id", "kind", "original_value"),
)

# A transaction of the last minutes that changed what is served.
catalog_changes = Table(
    "catalog_changes",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
)

# An entity whose final form is out of date. The ticket changes with each request, so that none is lost while stitching.
stitch_queue = Table(
    "stitch_queue",
    metadata,
    Column("entity_ref", BinaryText, primary_key=True),
    Column("stitch_ticket", Text, nullable=False),
    Column("next_stitch_at", BigInteger, nullable=False, index=True),
)

# Since when an entity fails at a stage: `processing`, whose errors are in `refresh_state`, or `stitching`.
#
# `is_kept` when a good state from before is still served. `error` is JSON, of stitching only.
failures = Table(
    "failures",
    metadata,
    _entity_id(primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("is_kept", Boolean, nullable=False),
    Column("error", Text),
)

# A provider (`source_key`) or parent that gives an entity whose name another one holds, and as what it gives it.
conflicts = Table(
    "conflicts",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column(
        "entity_ref", BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("source_key", Text),
    Column("source_entity_ref", BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"), index=True),
    Column("location_key", Text),
    Column("since", BigInteger, nullable=False),
)

# A location registered by API. `location_entity_ref` keeps the hash of the target it was first registered with.
locations = Table(
    "locations",
    metadata,
    Column("id", BinaryText, primary_key=True),
    Column("type", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("location_entity_ref", BinaryText, nullable=False),
    UniqueConstraint("type", "target", name="locations_unique"),
)

# Work that repeats on one replica at a time. `next_run_at` None waits for a trigger; `ticket` is whose run it is now.
#
# A run whose lease is past was lost with its process, and is anybody's.
scheduled_tasks = Table(
    "scheduled_tasks",
    metadata,
    Column("id", BinaryText, primary_key=True),
    Column("next_run_at", BigInteger),
    Column("ticket", Text),
    Column("lease_until", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("error", Text),
)
