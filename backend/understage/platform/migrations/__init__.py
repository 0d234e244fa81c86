"""Schema migrations (alembic), run at every start under a lock, so that replicas may start together.

One revision a file in `versions/`, hand-written for both databases, named `NNNN_what.py` with the same revision id.
On an empty database, what all of them say there is said at once: `fresh/` has it, recorded by `make schema`.
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.errors import ServiceUnavailableError
from understage.platform.database import Database
from understage.platform.json import dumps

log = structlog.get_logger(__name__)

FOLDER = Path(__file__).parent
VERSION_TABLE = "understage_schema_version"
BETWEEN = "\n--\n"
"""Stands between the statements of a file in `fresh/`."""
ADVISORY_LOCK = 7007_0001  # any number, the same in every replica


async def migrate_apart(database: Database) -> None:
    """Bring the schema to this release's, in a process of its own: what migrations need in memory goes with it.

    Does nothing when the schema is there already, and no process is needed for an empty database.
    Raises ServiceUnavailableError with what the migration said.
    """
    if await _is_current(database) or await create_schema(database):
        return
    target = {
        "url": database.url.render_as_string(hide_password=False),
        "schema": database.schema,
        "ssl": database.ssl,
    }
    # By the standard input: arguments and environments are for everybody to see.
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"{__name__}.child",
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, errors = await child.communicate(dumps(target))
    except BaseException:
        # Whoever stops the start stops the migration, which the database takes back.
        child.kill()
        await child.wait()
        raise
    if child.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines() or [f"it ended with {child.returncode}"]
        raise ServiceUnavailableError(f"The schema of {database.describe()} could not be migrated: {lines[-1]}")


def newest_revision() -> str:
    """The revision of this release."""
    return max(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))


async def _is_current(database: Database) -> bool:
    try:
        async with database.read() as connection:
            found = await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))
            return list(found.scalars()) == [newest_revision()]
    except DBAPIError:
        # No such table: an empty database, or one that does not answer, which the migration will say.
        return False


async def create_schema(database: Database) -> bool:
    """Make the schema of this release where there is none. False when there is one, or when the database says no."""
    try:
        async with database.write() as connection:
            await connection.run_sync(_lock, database)
            if await connection.run_sync(_has_version):
                return False
            for is_optional, statements in _fresh(database.dialect):
                if not is_optional:
                    await _say(connection, statements)
                    continue
                try:
                    async with connection.begin_nested():
                        await _say(connection, statements)
                except DBAPIError as error:
                    log.warning("a part of the schema is left out", statement=statements[0], reason=str(error.orig))
    except DBAPIError:
        # A migration finds out why, and tells it.
        return False
    return True


def _has_version(connection: Connection) -> bool:
    return inspect(connection).has_table(VERSION_TABLE)


async def _say(connection: AsyncConnection, statements: Sequence[str]) -> None:
    if connection.dialect.name == "postgresql":
        # All in one message.
        statements = [";\n".join(statements)]
    for statement in statements:
        await connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _fresh(dialect: str) -> Iterator[tuple[bool, list[str]]]:
    """The statements in groups; of those in a savepoint, which the database may refuse, `True`."""
    is_optional = False
    group: list[str] = []
    for statement in (FOLDER / "fresh" / f"{dialect}.sql").read_text().split(BETWEEN):
        begins, ends = statement.startswith("SAVEPOINT"), statement.startswith("RELEASE SAVEPOINT")
        if not begins and not ends:
            group.append(statement)
            continue
        if group:
            yield is_optional, group
        is_optional, group = begins, []
    yield is_optional, group


async def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`; replicas that start meanwhile wait."""
    async with database.write() as connection:
        await connection.run_sync(_upgrade, database, revision)


def _lock(connection: Connection, database: Database) -> None:
    if database.dialect == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        if database.schema is not None:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{database.schema}"'))


def _upgrade(connection: Connection, database: Database, revision: str) -> None:
    _lock(connection, database)
    # Ten megabytes, which a service that finds its schema in place goes without.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
