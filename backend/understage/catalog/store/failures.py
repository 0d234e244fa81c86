"""Since when entities fail, by stage. Of entities that do not fail there is nothing to write."""

from collections.abc import Collection, Sequence
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, insert_rows, listed, now

Stage = Literal["processing", "stitching"]

_INSERTED = {"entity_id": "bigint", "stage": "text", "since": "bigint", "is_kept": "boolean", "error": "text"}


async def write_failures(
    connection: AsyncConnection, stage: Stage, rows: Sequence[tuple[int, bool, str | None]]
) -> None:
    """Rows (entity_id, is_kept, error): those that failed before keep their time, and whether a good state is kept."""
    if not rows:
        return
    at = (await connection.execute(text(f"SELECT {now(connection)}"))).scalar_one()
    await insert_rows(
        connection,
        "failures",
        _INSERTED,
        [(entity_id, stage, at, is_kept, error) for entity_id, is_kept, error in sorted(rows)],
        on_conflict="ON CONFLICT (entity_id, stage) DO UPDATE SET error = excluded.error WHERE failures.error <> excluded.error",
    )


async def forget_failures(connection: AsyncConnection, stage: Stage, ids: Collection[int]) -> set[int]:
    """These do not fail any more; returns the ids of those that did."""
    if not ids:
        return set()
    statement = f"""
        DELETE FROM failures WHERE stage = :stage AND entity_id {among(connection, "ids", "bigint")} RETURNING entity_id
    """
    rows = await connection.execute(text(statement), {"stage": stage, "ids": listed(connection, sorted(ids))})
    return {row[0] for row in rows}


async def select_failing(connection: AsyncConnection, stage: Stage, ids: Sequence[int]) -> dict[int, str | None]:
    """The errors of those of `ids` that are known to fail at the stage, by id."""
    statement = f"""
        SELECT entity_id, error FROM failures WHERE stage = :stage AND entity_id {among(connection, "ids", "bigint")}
    """
    parameters = {"stage": stage, "ids": listed(connection, ids)}
    return {row[0]: row[1] for row in await connection.execute(text(statement), parameters)}
