"""Many rows in one statement, on both databases: lists and tables as one JSON parameter, writes in bulk.

The building blocks of the writing operations in this folder; nobody else builds SQL.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.platform.json import dumps_text

Row = Mapping[str, Any]
Types = Mapping[str, str]
"""Column names and their SQL types (`bigint`, `text`), in the order of the statement."""


def is_sqlite(connection: AsyncConnection) -> bool:
    """Whether the connection speaks to SQLite."""
    return connection.dialect.name == "sqlite"


def now(connection: AsyncConnection) -> str:
    """SQL of the database's time in milliseconds."""
    return str(now_ms().compile(dialect=connection.dialect))


def among(connection: AsyncConnection, name: str, type: str = "text") -> str:
    """SQL of `column <this>` that is true for the members of the list parameter `name`; bind it with `listed`."""
    if is_sqlite(connection):
        return f"IN (SELECT value FROM json_each(:{name}))"
    return f"= ANY (CAST(:{name} AS {type}[]))"


def listed(connection: AsyncConnection, values: Sequence[Any]) -> Any:
    """The value to bind to a parameter of `among`."""
    return dumps_text(list(values)) if is_sqlite(connection) else list(values)


def table_of(connection: AsyncConnection, name: str, types: Types) -> str:
    """SQL of a table made of the parameter `name`, which is bound to `dumps_text` of a list of row objects."""
    if is_sqlite(connection):
        columns = ", ".join(f"value ->> '{column}' AS {column}" for column in types)
        return f"(SELECT {columns} FROM json_each(:{name}))"
    columns = ", ".join(f"{column} {type}" for column, type in types.items())
    return f"(SELECT * FROM json_to_recordset(CAST(:{name} AS json)) AS given({columns}))"


async def insert_rows(
    connection: AsyncConnection, table: str, types: Types, rows: Sequence[Row], *, on_conflict: str = ""
) -> None:
    """Insert rows; `on_conflict` is the clause after the values, if any."""
    if not rows:
        return
    columns = ", ".join(types)
    if is_sqlite(connection):
        marks = ", ".join("?" * len(types))
        values = [tuple(row[column] for column in types) for row in rows]
        await connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({marks}) {on_conflict}", values)
        return
    # ORDER BY nothing: the rows keep their order, and replicas lock them in the order that the caller sorted.
    statement = (
        f"INSERT INTO {table} ({columns}) SELECT * FROM {table_of(connection, 'rows', types)} given {on_conflict}"
    )
    await connection.execute(text(statement), {"rows": dumps_text(rows)})


async def update_rows(
    connection: AsyncConnection, table: str, key: str, types: Types, rows: Sequence[Row], *, also: str = ""
) -> None:
    """Update the rows whose `key` is given, the other columns to their given values; `also` sets further columns by SQL."""
    if not rows:
        return
    changed = [column for column in types if column != key]
    if is_sqlite(connection):
        sets = ", ".join(f"{column} = ?" for column in changed) + also
        values = [(*(row[column] for column in changed), row[key]) for row in rows]
        await connection.exec_driver_sql(f"UPDATE {table} SET {sets} WHERE {key} = ?", values)
        return
    sets = ", ".join(f"{column} = given.{column}" for column in changed) + also
    statement = (
        f"UPDATE {table} SET {sets} FROM {table_of(connection, 'rows', types)} given WHERE {table}.{key} = given.{key}"
    )
    await connection.execute(text(statement), {"rows": dumps_text(rows)})


async def delete_ids(connection: AsyncConnection, table: str, key: str, ids: Sequence[int]) -> None:
    """Delete the rows whose integer `key` is among the ids."""
    if ids:
        statement = f"DELETE FROM {table} WHERE {key} {among(connection, 'ids', 'bigint')}"
        await connection.execute(text(statement), {"ids": listed(connection, ids)})
