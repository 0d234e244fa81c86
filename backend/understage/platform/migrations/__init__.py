"""Schema migrations (alembic), run at every start under a lock, so that replicas may start together.

One revision a file in `versions/`, hand-written for both databases, named `NNNN_what.py` with the same revision id.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from understage.platform.database import Database

FOLDER = Path(__file__).parent
ADVISORY_LOCK = 7007_0001  # any number, the same in every replica


async def migrate(database: Database, revision: str = "head") -> None:
    """Bring the schema to `revision`; replicas that start meanwhile wait."""
    async with database.write() as connection:
        await connection.run_sync(_upgrade, database, revision)


def _upgrade(connection: Connection, database: Database, revision: str) -> None:
    if database.dialect == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        if database.schema is not None:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{database.schema}"'))
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
