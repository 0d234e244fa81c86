"""A catalog of very many entities in seconds: a few components go the whole road, then the database copies their rows.

The copies are made column by column from what the tables have, so that a new column needs nothing here: row ids move by a
thousand a copy, names in any text get the copy's number, uids differ in their first six digits.
"""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.perf.entities import write_catalog
from tests.store.catalog_bench import running

from understage.platform.database import Database

ORIGINALS = 100
STEP = 1000
# Whose rows are copied, by the column that says whose a row is.
OWNERS = {
    "id": "{column} IN (SELECT id FROM refresh_state WHERE entity_ref LIKE 'component:%')",
    "entity_id": "{column} IN (SELECT id FROM refresh_state WHERE entity_ref LIKE 'component:%')",
    "originating_entity_id": "{column} IN (SELECT id FROM refresh_state WHERE entity_ref LIKE 'component:%')",
    "target_entity_ref": "{column} LIKE 'component:%'",
    "bucket": "true",
}
# In this order: what others refer to first, and its own row ids, which are moved; others draw theirs.
FIRST = "refresh_state"
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
COLUMNS = """
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = :table ORDER BY ordinal_position
"""


async def multiply(database: Database, folder: Path, count: int) -> None:
    """Fill a migrated, empty PostgreSQL database with `count` components, and let PostgreSQL look at it."""
    write_catalog(folder, ORIGINALS, per_file=ORIGINALS // 2)
    locations = [{"type": "file", "target": str(folder / "all.yaml")}]
    async with running(database, folder, locations=locations):
        pass
    async with database.write() as connection:
        # As pg_restore does: what refers to each other is copied whole.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        names = list((await connection.execute(text(TABLES))).scalars())
        for table in names:
            # It would hold up the VACUUM below, which then leaves pages out.
            await connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        for table in sorted(names, key=lambda name: name != FIRST):
            await _copy_rows(connection, table, count // ORIGINALS - 1)
        await connection.execute(text("SELECT setval('refresh_state_id_seq', (SELECT max(id) FROM refresh_state))"))
    async with database.read() as connection:
        await connection.commit()
        vacuum = await connection.execution_options(isolation_level="AUTOCOMMIT")
        # Ten times the usual sample: by a small one estimates, and so plans, differ from one time to the next.
        await vacuum.execute(text("SET default_statistics_target = 1000"))
        await vacuum.execute(text("VACUUM ANALYZE"))


async def _copy_rows(connection: AsyncConnection, table: str, copies: int) -> None:
    columns = {name: kind for name, kind in await connection.execute(text(COLUMNS), {"table": table})}
    owner = next((column for column in OWNERS if column in columns and (column != "id" or table == FIRST)), None)
    if owner is None:
        return
    copied = [column for column in columns if column != "id" or table == FIRST]
    values = ", ".join(_copied_value(table, column, columns[column]) for column in copied)
    await connection.execute(
        text(f"""
            INSERT INTO {table} ({", ".join(copied)})
            SELECT {values} FROM {table} AS original, generate_series(1, {copies}) AS copy
            WHERE {OWNERS[owner].format(column=f"original.{owner}")}
        """)
    )


def _copied_value(table: str, column: str, data_type: str) -> str:
    value = f"original.{column}"
    if column in ("id", "entity_id", "originating_entity_id"):
        return f"{value} + copy * {STEP}"
    if column == "bucket":
        return f"{value} + copy"
    uid = f"overlay({value} PLACING lpad(to_hex(copy), 6, '0') FROM 1 FOR 6)"
    if column == "uid":
        return uid
    if data_type != "text":
        return value
    renamed = f"replace({value}, 'part-', 'part-' || lpad(CAST(copy AS text), 5, '0') || '-')"
    if table == "search" and column in ("value", "original_value"):
        return f"CASE WHEN original.key = 'metadata.uid' THEN {uid} ELSE {renamed} END"
    return renamed
