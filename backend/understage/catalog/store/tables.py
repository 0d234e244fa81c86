"""The catalog's tables. All stages of the road meet here; the migrations `0002_catalog`, `0005_reports` and
`0007_bulk_writes` make them.

Times are milliseconds since the epoch, of the database's clock. JSON is stored as text, ready to be sent. Text that is
ordered or compared on the wire has the collation C on PostgreSQL: binary order, as on SQLite.
Everything that belongs to an entity goes with its `refresh_state` row.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Text, UniqueConstraint, inspect, text
from sqlmodel import Field, SQLModel

BinaryText = Text().with_variant(Text(collation="C"), "postgresql")
# A rowid on SQLite, an identity on PostgreSQL.
RowId = BigInteger().with_variant(Integer(), "sqlite")
FAILING = "errors <> '[]'"


def _entity_id(*, primary_key: bool = False, index: bool = False) -> Any:
    reference = ForeignKey("refresh_state.id", ondelete="CASCADE")
    return Field(
        sa_column=Column(RowId, reference, primary_key=primary_key, index=index, nullable=False, autoincrement=False)
    )


class RefreshState(SQLModel, table=True):
    """One row an entity that somebody emits: what came in (unprocessed) and what processing made of it (processed).

    `id` is the key inside the database, `uid` the one on the wire. `result_hash` covers all that processing put out;
    `errors` is a JSON array of the last round. `last_read_at` is when it was processed last because it was new, had changed or
    somebody asked; with its bucket it may have been processed since (`refresh_buckets.last_at`). `next_update_at` is what the
    first release scheduled by: see `refresh_due` and `refresh_buckets`.
    """

    __tablename__ = "refresh_state"
    __table_args__ = (
        Index("refresh_state_failing", "entity_ref", sqlite_where=text(FAILING), postgresql_where=text(FAILING)),
    )

    id: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    uid: str = Field(sa_column=Column(BinaryText, nullable=False, unique=True))
    entity_ref: str = Field(sa_column=Column(BinaryText, nullable=False, unique=True))
    unprocessed_entity: str = Field(sa_column=Column(Text, nullable=False))
    unprocessed_hash: str = Field(sa_column=Column(Text, nullable=False))
    processed_entity: str | None = Field(default=None, sa_column=Column(Text))
    result_hash: str | None = Field(default=None, sa_column=Column(Text))
    cache: str | None = Field(default=None, sa_column=Column(Text))
    errors: str = Field(default="[]", sa_column=Column(Text, nullable=False, server_default="[]"))
    next_update_at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    last_read_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    last_discovery_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    location_key: str | None = Field(default=None, sa_column=Column(Text))


class RefreshBucket(SQLModel, table=True):
    """When the thousand entities with these row ids are looked at again, and were last; who does so until when (`claims`)."""

    __tablename__ = "refresh_buckets"

    bucket: int = Field(sa_column=Column(RowId, primary_key=True, autoincrement=False))
    next_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    claimed_until: int = Field(sa_column=Column(BigInteger, nullable=False))
    claim: int = Field(sa_column=Column(BigInteger, nullable=False))


class RefreshDue(SQLModel, table=True):
    """An entity that is due by itself, because it is new, has changed, or somebody asked; gone when that is done."""

    __tablename__ = "refresh_due"

    entity_id: int = _entity_id(primary_key=True)
    due_at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    claimed_until: int = Field(sa_column=Column(BigInteger, nullable=False))
    claim: int = Field(sa_column=Column(BigInteger, nullable=False))


class RefreshStateReference(SQLModel, table=True):
    """Who emits an entity: a provider (`source_key`) or a parent entity (`source_entity_ref`). None left: an orphan."""

    __tablename__ = "refresh_state_references"
    __table_args__ = (
        Index("refresh_state_references_by_source_key", "source_key"),
        Index("refresh_state_references_by_source_ref", "source_entity_ref"),
        Index("refresh_state_references_by_target_ref", "target_entity_ref"),
    )

    id: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    source_key: str | None = Field(default=None, sa_column=Column(Text))
    source_entity_ref: str | None = Field(
        default=None, sa_column=Column(BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"))
    )
    target_entity_ref: str = Field(
        sa_column=Column(BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"), nullable=False)
    )


class RefreshKey(SQLModel, table=True):
    """What an entity was made of (`url:…`, `file:…`): events about that refresh it."""

    __tablename__ = "refresh_keys"

    entity_id: int = _entity_id(primary_key=True)
    key: str = Field(sa_column=Column(Text, primary_key=True, index=True))


class Relation(SQLModel, table=True):
    """A relation as an entity emitted it; `source_entity_ref` may be another entity, which may not exist."""

    __tablename__ = "relations"
    __table_args__ = (
        Index("relations_by_source", "source_entity_ref"),
        Index("relations_by_target", "target_entity_ref"),
    )

    originating_entity_id: int = _entity_id(primary_key=True)
    source_entity_ref: str = Field(sa_column=Column(BinaryText, primary_key=True))
    type: str = Field(sa_column=Column(BinaryText, primary_key=True))
    target_entity_ref: str = Field(sa_column=Column(BinaryText, primary_key=True))


class FinalEntity(SQLModel, table=True):
    """The entity as it is served: `final_entity` is its JSON, `hash` its etag."""

    __tablename__ = "final_entities"

    entity_id: int = _entity_id(primary_key=True)
    uid: str = Field(sa_column=Column(BinaryText, nullable=False, unique=True))
    entity_ref: str = Field(sa_column=Column(BinaryText, nullable=False, unique=True))
    final_entity: str = Field(sa_column=Column(Text, nullable=False))
    hash: str = Field(sa_column=Column(Text, nullable=False))
    last_updated_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class SearchRow(SQLModel, table=True):
    """A leaf of a final entity, lower-cased: what filters, orders, facets and full text look at.

    `value` is None for null and for text above 200 characters: the key exists, but equals nothing. `kind` is the entity's, in
    lower case, because nearly every question is about a kind; rows of replicas of the first release have none.
    """

    __tablename__ = "search"
    __table_args__ = (
        # Distinct within an entity, which its only writer sees to.
        Index("search_by_entity", "entity_id"),
        # Covers what pages, counts and facets ask for; on PostgreSQL by INCLUDE.
        Index("search_by_key_value", "key", "value", "entity_id", "kind", "original_value"),
    )

    id: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    entity_id: int = _entity_id()
    key: str = Field(sa_column=Column(BinaryText, nullable=False))
    value: str | None = Field(default=None, sa_column=Column(BinaryText))
    original_value: str | None = Field(default=None, sa_column=Column(BinaryText))
    kind: str | None = Field(default=None, sa_column=Column(BinaryText))


class CatalogChange(SQLModel, table=True):
    """A transaction of the last minutes that changed what is served."""

    __tablename__ = "catalog_changes"

    id: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    at: int = Field(sa_column=Column(BigInteger, nullable=False))


class StitchRequest(SQLModel, table=True):
    """An entity whose final form is out of date. The ticket changes with each request, so that none is lost while stitching."""

    __tablename__ = "stitch_queue"

    entity_ref: str = Field(sa_column=Column(BinaryText, primary_key=True))
    stitch_ticket: str = Field(sa_column=Column(Text, nullable=False))
    next_stitch_at: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


class Failure(SQLModel, table=True):
    """Since when an entity fails at a stage: `processing`, whose errors are in `refresh_state`, or `stitching`.

    `is_kept` when a good state from before is still served. `error` is JSON, of stitching only.
    """

    __tablename__ = "failures"

    entity_id: int = _entity_id(primary_key=True)
    stage: str = Field(sa_column=Column(Text, primary_key=True))
    since: int = Field(sa_column=Column(BigInteger, nullable=False))
    is_kept: bool = Field(sa_column=Column(Boolean, nullable=False))
    error: str | None = Field(default=None, sa_column=Column(Text))


class Conflict(SQLModel, table=True):
    """A provider (`source_key`) or parent that gives an entity whose name another one holds, and as what it gives it."""

    __tablename__ = "conflicts"

    id: int | None = Field(default=None, sa_column=Column(RowId, primary_key=True, autoincrement=True))
    entity_ref: str = Field(
        sa_column=Column(
            BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    source_key: str | None = Field(default=None, sa_column=Column(Text))
    source_entity_ref: str | None = Field(
        default=None,
        sa_column=Column(BinaryText, ForeignKey("refresh_state.entity_ref", ondelete="CASCADE"), index=True),
    )
    location_key: str | None = Field(default=None, sa_column=Column(Text))
    since: int = Field(sa_column=Column(BigInteger, nullable=False))


class Location(SQLModel, table=True):
    """A location registered by API. `location_entity_ref` keeps the hash of the target it was first registered with."""

    __tablename__ = "locations"

    id: str = Field(sa_column=Column(BinaryText, primary_key=True))
    type: str = Field(sa_column=Column(Text, nullable=False))
    target: str = Field(sa_column=Column(Text, nullable=False))
    location_entity_ref: str = Field(sa_column=Column(BinaryText, nullable=False))
    __table_args__ = (UniqueConstraint("type", "target", name="locations_unique"),)


class ScheduledTask(SQLModel, table=True):
    """Work that repeats on one replica at a time. `next_run_at` None waits for a trigger; `ticket` is whose run it is now.

    A run whose lease is past was lost with its process, and is anybody's.
    """

    __tablename__ = "scheduled_tasks"

    id: str = Field(sa_column=Column(BinaryText, primary_key=True))
    next_run_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    ticket: str | None = Field(default=None, sa_column=Column(Text))
    lease_until: int | None = Field(default=None, sa_column=Column(BigInteger))
    started_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    ended_at: int | None = Field(default=None, sa_column=Column(BigInteger))
    error: str | None = Field(default=None, sa_column=Column(Text))


def table_of(model: type[SQLModel]) -> Any:
    """The SQLAlchemy table of a model, for bulk statements."""
    return inspect(model).local_table


refresh_state = table_of(RefreshState)
refresh_buckets = table_of(RefreshBucket)
refresh_due = table_of(RefreshDue)
references = table_of(RefreshStateReference)
refresh_keys = table_of(RefreshKey)
relations = table_of(Relation)
final_entities = table_of(FinalEntity)
search = table_of(SearchRow)
stitch_queue = table_of(StitchRequest)
locations = table_of(Location)
scheduled_tasks = table_of(ScheduledTask)
failures = table_of(Failure)
conflicts = table_of(Conflict)
