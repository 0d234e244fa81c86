"""Counts the rows that are written, table by table, by triggers on every table of the test's database."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import Database

LOG = "written_rows"
FUNCTION = f"""
    CREATE FUNCTION note_written_row() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO {LOG} (name) VALUES (TG_TABLE_NAME); RETURN NULL; END $$
"""


class RowCounter:
    """What was written since the last `reset`, by table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reset(self) -> None:
        async with self._database.write() as connection:
            await connection.execute(text(f"DELETE FROM {LOG}"))

    async def counts(self) -> Counter[str]:
        async with self._database.read() as connection:
            rows = await connection.execute(text(f"SELECT name FROM {LOG}"))
            return Counter(row.name for row in rows)


@asynccontextmanager
async def counting_rows(database: Database) -> AsyncIterator[RowCounter]:
    """Count until the end of the block."""
    is_sqlite = database.dialect == "sqlite"
    async with database.write() as connection:
        tables = await _tables(connection, is_sqlite=is_sqlite)
        await connection.execute(text(f"CREATE TABLE {LOG} (name TEXT NOT NULL)"))
        if not is_sqlite:
            await connection.execute(text(FUNCTION))
        for table in tables:
            for event in ("INSERT", "UPDATE", "DELETE"):
                action = f"BEGIN INSERT INTO {LOG} (name) VALUES ('{table}'); END"
                done = action if is_sqlite else "FOR EACH ROW EXECUTE FUNCTION note_written_row()"
                trigger = f"CREATE TRIGGER note_{event.lower()}_{table} AFTER {event} ON {table} {done}"
                await connection.execute(text(trigger))
    try:
        yield RowCounter(database)
    finally:
        # SQLite's file goes with the test; on PostgreSQL the next test has the same database.
        if not is_sqlite:
            async with database.write() as connection:
                await connection.execute(text("DROP FUNCTION note_written_row() CASCADE"))
                await connection.execute(text(f"DROP TABLE {LOG}"))


async def _tables(connection: AsyncConnection, *, is_sqlite: bool) -> list[str]:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if is_sqlite
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    return sorted(row[0] for row in await connection.execute(text(query)))
