"""`INSERT … ON CONFLICT` on both databases. The building block of this folder's writing operations."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

AT_ONCE = 500


async def upsert(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    unique: Sequence[str],
    replace: Sequence[str] = (),
) -> int:
    """Insert rows, which name the same columns; one that is there by `unique` stays, or takes the new values of `replace`.

    Returns how many were written. No two rows may be the same by `unique` where something is replaced.
    """
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    written = 0
    for begin in range(0, len(rows), AT_ONCE):
        statement = insert(table).values(rows[begin : begin + AT_ONCE])
        if replace:
            new = {column: statement.excluded[column] for column in replace}
            statement = statement.on_conflict_do_update(index_elements=list(unique), set_=new)
        else:
            statement = statement.on_conflict_do_nothing(index_elements=list(unique))
        # Drivers do not count the rows of such a statement; what it returns are those that were written.
        written += len((await connection.execute(statement.returning(*table.primary_key))).all())
    return written
