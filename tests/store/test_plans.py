"""The questions that the loops ask every second use an index, however many entities there are."""

import pytest
from sqlalchemy import text

from understage.catalog.store.bulk import now
from understage.platform.database import Database


@pytest.mark.parametrize(("table", "column"), [("refresh_due", "due_at"), ("stitch_queue", "next_stitch_at")])
async def test_what_is_due_is_found_by_index(database: Database, table: str, column: str) -> None:
    async with database.write() as connection:
        question = f"SELECT * FROM {table} WHERE {column} <= {now(connection)} ORDER BY {column} LIMIT 1000"
        if database.dialect == "postgresql":
            # The tables of a test are too small for an index to pay.
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_sort = off"))
            plan = [row[0] for row in await connection.execute(text(f"EXPLAIN {question}"))]
            assert any("Index Cond" in line and column in line for line in plan), plan
        else:
            plan = [row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {question}"))]
            assert any(f"USING INDEX ix_{table}_{column} ({column}<?)" in line for line in plan), plan
