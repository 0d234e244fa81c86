"""What the migrations say to an empty database: `make schema` records it, and a test compares.

Run as a program it writes the files of both databases, starting a PostgreSQL server of its own.
"""

import asyncio
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event
from tests.databases import PostgresServer, postgres_binary

from understage.platform.database import Database, connect
from understage.platform.migrations import BETWEEN, FOLDER, migrate

# Alembic and SQLAlchemy also look at what is there, and transactions are begun by whoever says it again.
LEFT_OUT = ("SELECT", "PRAGMA", "SHOW", "BEGIN")


async def record(empty: Database) -> str:
    """Migrate an empty database; returns the file that says the same again."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        lines = [line.rstrip() for line in statement.strip().splitlines()]
        if not lines[0].startswith(LEFT_OUT):
            assert not parameters, statement
            said.append("\n".join(line for line in lines if line))

    engine = empty._writer.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await migrate(empty)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    # The indexes of a table come in no order of their own.
    runs = groupby(said, key=lambda statement: statement.startswith("CREATE INDEX"))
    ordered = [statement for is_index, run in runs for statement in (sorted(run) if is_index else run)]
    return BETWEEN.join(ordered) + "\n"


async def _write(url: URL) -> None:
    database = connect(url)
    file = FOLDER / "fresh" / f"{database.dialect}.sql"
    file.write_text(await record(database))
    await database.close()
    print(file)


def main() -> None:
    """Write both files."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_write(URL.create("sqlite+aiosqlite", database=str(Path(folder) / "empty.sqlite"))))
        server = PostgresServer(postgres_binary("initdb"), postgres_binary("postgres"))
        try:
            asyncio.run(_write(server.url("postgres")))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
