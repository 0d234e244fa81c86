"""How far a cycle of an incremental provider has come, and what it gave so far. Called by `providers.incremental`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import insert_rows, now
from understage.platform.json import dumps_text, loads

_GIVEN = "SELECT count(*) FROM ingestion_mark_entities WHERE ingestion_id = :id"


class Mark(NamedTuple):
    """A page that was given; `created_at` in milliseconds."""

    id: str
    ingestion_id: str
    cursor: Any
    sequence: int
    created_at: int


class Deleted(NamedTuple):
    """How many rows were deleted, by kind."""

    ingestions: int
    marks: int
    entities: int


async def select_marks(connection: AsyncConnection, ingestion_id: str, *, limit: int | None = None) -> list[Mark]:
    """The marks of a cycle, the last first."""
    limited = " LIMIT :limit" if limit is not None else ""
    statement = f"""
        SELECT id, ingestion_id, cursor, sequence, created_at FROM ingestion_marks
        WHERE ingestion_id = :id ORDER BY sequence DESC{limited}
    """
    rows = await connection.execute(text(statement), {"id": ingestion_id, "limit": limit})
    return [Mark(row.id, row.ingestion_id, loads(row.cursor), row.sequence, row.created_at) for row in rows]


async def insert_mark(
    connection: AsyncConnection, mark_id: str, ingestion_id: str, sequence: int, cursor: Any, refs: Sequence[str]
) -> None:
    """Insert a mark, and the references of its page; one that an earlier page gave too counts once."""
    statement = f"""
        INSERT INTO ingestion_marks (id, ingestion_id, cursor, sequence, created_at)
        VALUES (:id, :ingestion, :cursor, :sequence, {now(connection)})
    """
    values = {"id": mark_id, "ingestion": ingestion_id, "cursor": dumps_text(cursor), "sequence": sequence}
    await connection.execute(text(statement), values)
    rows = [(ingestion_id, ref) for ref in sorted(set(refs))]
    types = {"ingestion_id": "text", "ref": "text"}
    await insert_rows(connection, "ingestion_mark_entities", types, rows, on_conflict="ON CONFLICT DO NOTHING")


async def count_given(connection: AsyncConnection, ingestion_id: str) -> int:
    """How many entities a cycle has given so far."""
    count: int = (await connection.execute(text(_GIVEN), {"id": ingestion_id})).scalar_one()
    return count


async def select_not_given(connection: AsyncConnection, provider: str, ingestion_id: str) -> list[str]:
    """What the provider gave before and this cycle did not."""
    statement = """
        SELECT DISTINCT target_entity_ref FROM refresh_state_references
        WHERE source_key = :provider AND NOT EXISTS (
            SELECT 1 FROM ingestion_mark_entities AS given
            WHERE given.ingestion_id = :id AND given.ref = refresh_state_references.target_entity_ref
        )
        ORDER BY target_entity_ref
    """
    return list((await connection.execute(text(statement), {"provider": provider, "id": ingestion_id})).scalars())


async def delete_ingestions(connection: AsyncConnection, provider: str | None, *, finished_only: bool) -> Deleted:
    """Delete the cycles of a provider, or of all, with their marks; `finished_only` spares those that are open."""
    conditions = ["provider_name = :provider"] if provider is not None else []
    if finished_only:
        conditions.append("completion_ticket <> 'open'")
    chosen = f"SELECT id FROM ingestions{' WHERE ' if conditions else ''}{' AND '.join(conditions)}"
    counts = []
    for table, column in (
        ("ingestion_mark_entities", "ingestion_id"),
        ("ingestion_marks", "ingestion_id"),
        ("ingestions", "id"),
    ):
        statement = f"DELETE FROM {table} WHERE {column} IN ({chosen})"
        counts.append((await connection.execute(text(statement), {"provider": provider})).rowcount)
    return Deleted(counts[2], counts[1], counts[0])
