"""Schema migrations (alembic), run at every start under a lock, so that replicas may start together.

One revision a file in `versions/`, hand-written for both databases, named `NNNN_what.py` with the same revision id.
"""

import asyncio
import sys
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from understage.errors import ServiceUnavailableError
from understage.platform.database import Database
from understage.platform.json import dumps

FOLDER = Path(__file__).parent
ADVISORY_LOCK = 7007_0001  # any number, the same in every replica


async def migrate_apart(database: Database) -> None:
    """Bring the schema to this release's, in a process of its own: what migrations need in memory goes with it.

    Does nothing when the schema is there already. Raises ServiceUnavailableError with what the migration said.
    """
    if await _is_current(database):
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
            found = await connection.execute(text("SELECT version_num FROM understage_schema_version"))
            return list(found.scalars()) == [newest_revision()]
    except DBAPIError:
        # No such table: an empty database, or one that does not answer, which the migration will say.
        return False


async def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`; replicas that start meanwhile wait."""
    async with database.write() as connection:
        await connection.run_sync(_upgrade, database, revision)


def _upgrade(connection: Connection, database: Database, revision: str) -> None:
    if database.dialect == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        if database.schema is not None:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{database.schema}"'))
    # Ten megabytes, which a service that finds its schema in place goes without.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
