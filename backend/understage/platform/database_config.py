"""From `backend.database` to an open database. Called once, by the composition root and by `understage migrate`.

SQLite: `:memory:`, a `filename`, or `understage.sqlite` in `directory`. PostgreSQL: as the stock backend gives each plugin
a database `<prefix><plugin>` (or, with `pluginDivisionMode: schema`, a schema in the named database), Understage has one
for all of its own, `<prefix>understage`; it is created when it does not exist.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from understage.config.backend_settings import Connection, DatabaseSettings
from understage.errors import InputError, ServiceUnavailableError
from understage.platform.database import Database, connect, connect_sqlite_file, connect_sqlite_temporary
from understage.platform.migrations import migrate_apart

OWN_NAME = "understage"
SQLITE_CLIENTS = ("better-sqlite3", "sqlite3")


async def open_database(settings: DatabaseSettings, *, root: Path, data_directory: Path) -> Database:
    """Open the configured database; relative paths start at `root`.

    Raises InputError for a connection that cannot be understood, ServiceUnavailableError for a server that does not answer.
    """
    if settings.client in SQLITE_CLIENTS:
        return _open_sqlite(settings.connection, root, data_directory)
    if settings.client != "pg":
        raise InputError(f"backend.database.client '{settings.client}' is not supported here: use better-sqlite3 or pg")
    return await _open_postgres(settings)


async def open_migrated(settings: DatabaseSettings, *, root: Path, data_directory: Path) -> Database:
    """`open_database`, with the schema of this release. Raises ServiceUnavailableError when it could not be migrated."""
    database = await open_database(settings, root=root, data_directory=data_directory)
    try:
        await migrate_apart(database)
    except BaseException:
        await database.close()
        raise
    return database


def _open_sqlite(connection: Connection, root: Path, data_directory: Path) -> Database:
    name = connection.connection_string or connection.filename
    if name == ":memory:":
        return connect_sqlite_temporary()
    if name:
        return connect_sqlite_file(root / name)
    directory = root / connection.directory if connection.directory else data_directory
    return connect_sqlite_file(directory / f"{OWN_NAME}.sqlite")


async def _open_postgres(settings: DatabaseSettings) -> Database:
    server = _postgres_url(settings.connection)
    ssl = _ssl_mode(settings.connection.ssl)
    if settings.plugin_division_mode == "schema":
        return connect(server, schema=settings.connection.schema_ or OWN_NAME, ssl=ssl)
    url = server.set(database=f"{settings.prefix}{OWN_NAME}")
    if settings.ensure_exists:
        await _ensure_database(server.set(database=server.database or "postgres"), str(url.database), ssl)
    return connect(url, ssl=ssl)


def _postgres_url(connection: Connection) -> URL:
    if connection.connection_string:
        try:
            given = make_url(connection.connection_string)
        except Exception as error:
            raise InputError(
                "backend.database.connection is no URL: write postgresql://user:password@host:port/name"
            ) from error
        return given.set(drivername="postgresql+psycopg")
    return URL.create(
        "postgresql+psycopg",
        username=connection.user,
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.database,
    )


def _ssl_mode(value: Any) -> str | None:
    """libpq's mode for node-postgres' `ssl`: certificates are checked unless `rejectUnauthorized: false`."""
    if value in (None, False):
        return None
    if isinstance(value, dict) and value.get("rejectUnauthorized") is False:
        return "require"
    return "verify-full"


async def _ensure_database(server: URL, name: str, ssl: str | None) -> None:
    engine = create_async_engine(
        server, isolation_level="AUTOCOMMIT", connect_args={} if ssl is None else {"sslmode": ssl}
    )
    try:
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
            if found.first() is None:
                quoted = engine.dialect.identifier_preparer.quote_identifier(name)
                await connection.execute(text(f"CREATE DATABASE {quoted}"))
    except OperationalError as error:
        raise ServiceUnavailableError(
            f"PostgreSQL at {server.host}:{server.port or 5432} does not answer: {error.orig}. Check backend.database.connection."
        ) from error
    except DBAPIError as error:
        # Another replica made it in the same moment.
        if "already exists" not in str(error.orig):
            raise ServiceUnavailableError(f"The database {name} could not be created: {error.orig}") from error
    finally:
        await engine.dispose()
