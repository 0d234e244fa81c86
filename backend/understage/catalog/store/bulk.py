"""Many rows in one statement, on both databases: lists and tables as one JSON parameter, inserts by COPY.

The building blocks of the writing operations in this folder; nobody else builds SQL.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import RootTransaction, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.platform.json import dumps_text

Row = tuple[Any, ...]
"""One value a column."""
Value = TypeVar("Value")
SLICE = 2000
Types = Mapping[str, str]
"""Column names and their SQL types (`bigint`, `text`), in the order of the statement."""


def is_sqlite(connection: AsyncConnection) -> bool:
    """Whether the connection speaks to SQLite."""
    return connection.dialect.name == "sqlite"


def now(connection: AsyncConnection) -> str:
    """SQL of the database's time in milliseconds, asked once a statement: only so can PostgreSQL use an index with it."""
    return f"(SELECT {now_ms().compile(dialect=connection.dialect)})"


async def select_time(connection: AsyncConnection) -> int:
    """The database's time in milliseconds, the same for all rows that a transaction writes: it is asked once."""
    assert connection.sync_connection is not None
    transaction = connection.sync_connection.get_transaction()
    assert transaction is not None, "outside of a transaction there are no rows to write"
    if transaction not in _times:
        _times[transaction] = (await connection.execute(text(f"SELECT {now(connection)}"))).scalar_one()
    return _times[transaction]


_times: WeakKeyDictionary[RootTransaction, int] = WeakKeyDictionary()


def among(connection: AsyncConnection, name: str, type: str = "text") -> str:
    """SQL of `column <this>` that is true for the members of the list parameter `name`; bind it with `listed`."""
    if is_sqlite(connection):
        return f"IN (SELECT value FROM json_each(:{name}))"
    return f"= ANY (CAST(:{name} AS {type}[]))"


def each(connection: AsyncConnection, name: str, type: str = "text") -> str:
    """SQL of a table with the column `value`: the members of the list parameter `name`, in order; bind it with `listed`."""
    if is_sqlite(connection):
        return f"json_each(:{name})"
    return f"unnest(CAST(:{name} AS {type}[])) AS given (value)"


def listed(connection: AsyncConnection, values: Sequence[Any]) -> str:
    """The value to bind to a parameter of `among`: one text, which costs less than the driver's lists."""
    if is_sqlite(connection):
        return dumps_text(list(values))
    if values and isinstance(values[0], str):
        text = '","'.join(values)
        if "\\" in text or text.count('"') != 2 * (len(values) - 1):
            text = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
        return f'{{"{text}"}}'
    return f"{{{','.join(map(str, values))}}}"


def slices(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Some thousand at a time: who asks about more lets the event loop answer others in between."""
    return (values[start : start + SLICE] for start in range(0, len(values), SLICE))


async def insert_rows(
    connection: AsyncConnection, table: str, types: Types, rows: Sequence[Row], *, on_conflict: str = ""
) -> int:
    """Insert rows, in their order; `on_conflict` is the clause after the values, if any. Returns how many were written."""
    if not rows:
        return 0
    columns = ", ".join(types)
    if is_sqlite(connection):
        marks = ", ".join("?" * len(types))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks}) {on_conflict}"
        return (await connection.exec_driver_sql(statement, cast(Any, rows))).rowcount
    if not on_conflict:
        return await _copy(connection, f"COPY {table} ({columns}) FROM STDIN", rows)
    statement = f"INSERT INTO {table} ({columns}) SELECT * FROM {_given(types)} {on_conflict}"
    return (await connection.execute(text(statement), _columns(types, rows))).rowcount


async def insert_lines(connection: AsyncConnection, table: str, types: Types, lines: Sequence[str]) -> bool:
    """Insert rows without a null that are lines for COPY already, on PostgreSQL. False, and nothing is written, if one is not.

    A value with a character that means something to COPY makes a line that is none; `insert_rows` takes it.
    """
    if not lines:
        return True
    text = "\n".join(lines) + "\n"
    marks = (text.count("\t"), text.count("\n"))
    if "\\" in text or "\r" in text or marks != (len(lines) * (len(types) - 1), len(lines)):
        return False
    await _stream(connection, f"COPY {table} ({', '.join(types)}) FROM STDIN", text)
    return True


async def update_rows(connection: AsyncConnection, table: str, types: Types, rows: Sequence[Row]) -> None:
    """Update the rows whose last column is given, the columns before it to their given values."""
    if not rows:
        return
    *changed, key = types
    if is_sqlite(connection):
        sets = ", ".join(f"{column} = ?" for column in changed)
        await connection.exec_driver_sql(f"UPDATE {table} SET {sets} WHERE {key} = ?", cast(Any, rows))
        return
    sets = ", ".join(f"{column} = given.{column}" for column in changed)
    statement = f"UPDATE {table} SET {sets} FROM {_given(types)} WHERE {table}.{key} = given.{key}"
    await connection.execute(text(statement), _columns(types, rows))


async def delete_rows(connection: AsyncConnection, table: str, types: Types, rows: Sequence[Row]) -> None:
    """Delete the rows whose columns have all the given values, none of which is null."""
    if not rows:
        return
    if is_sqlite(connection):
        conditions = " AND ".join(f"{column} = ?" for column in types)
        await connection.exec_driver_sql(f"DELETE FROM {table} WHERE {conditions}", cast(Any, rows))
        return
    conditions = " AND ".join(f"{table}.{column} = given.{column}" for column in types)
    statement = f"DELETE FROM {table} USING {_given(types)} WHERE {conditions}"
    await connection.execute(text(statement), _columns(types, rows))


async def delete_ids(connection: AsyncConnection, table: str, key: str, ids: Sequence[int]) -> None:
    """Delete the rows whose integer `key` is among the ids."""
    if ids:
        statement = f"DELETE FROM {table} WHERE {key} {among(connection, 'ids', 'bigint')}"
        await connection.execute(text(statement), {"ids": listed(connection, ids)})


async def _copy(connection: AsyncConnection, statement: str, rows: Sequence[Row]) -> int:
    """Stream rows in PostgreSQL's text form; a third of the work that the same rows cost as parameters of an INSERT."""
    await _stream(connection, statement, _copy_text(rows))
    return len(rows)


async def _stream(connection: AsyncConnection, statement: str, text: str) -> None:
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        async with driver.cursor() as cursor, cursor.copy(statement) as stream:
            await stream.write(text)
    except psycopg.Error as error:
        raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from error


# Characters that no value holds, in place of tab, newline and NULL until the values' own are escaped. The last resort,
# for the values that hold one all the same, is to escape value by value.
_CELL, _LINE, _NULL = "\x1f", "\x1e", "\x1d"
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def _copy_text(rows: Sequence[Row]) -> str:
    text = "\n".join(["\t".join(["\\N" if value is None else str(value) for value in row]) for row in rows])
    nulls = sum([row.count(None) for row in rows])
    marks = (text.count("\t"), text.count("\n"), text.count("\\"))
    if marks == (len(rows) * (len(rows[0]) - 1), len(rows) - 1, nulls) and "\r" not in text:
        # No value holds what would have to be escaped.
        return text + "\n"
    return _escaped_text(rows)


def _escaped_text(rows: Sequence[Row]) -> str:
    text = _LINE.join([_CELL.join([_NULL if value is None else str(value) for value in row]) for row in rows])
    nulls = sum(value is None for row in rows for value in row)
    marks = (text.count(_CELL), text.count(_LINE), text.count(_NULL))
    if marks != (len(rows) * (len(rows[0]) - 1), len(rows) - 1, nulls):
        return "".join("\t".join(map(_copy_value, row)) + "\n" for row in rows)
    text = _escaped(text)
    return text.replace(_CELL, "\t").replace(_LINE, "\n").replace(_NULL, "\\N") + "\n"


def _copy_value(value: Any) -> str:
    return "\\N" if value is None else _escaped(str(value))


def _escaped(text: str) -> str:
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text


def _given(types: Types) -> str:
    """SQL of a table `given` on PostgreSQL, bound by `_columns`: each column is one JSON array, the cheapest on both ends."""
    arrays = ", ".join(f"json_array_elements_text(CAST(:{column} AS json))" for column in types)
    columns = ", ".join(f"CAST({column} AS {type}) AS {column}" for column, type in types.items())
    return f"(SELECT {columns} FROM ROWS FROM ({arrays}) AS raw({', '.join(types)})) AS given"


def _columns(types: Types, rows: Sequence[Row]) -> dict[str, str]:
    return {column: dumps_text(values) for column, values in zip(types, zip(*rows, strict=True), strict=True)}
