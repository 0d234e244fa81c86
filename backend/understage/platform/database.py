"""The database: SQLite (WAL, embedded) or PostgreSQL, one schema for both.

Transactions begin and end at the edge: a request or a job opens `read()` or `write()` and hands the connection to store
operations, which never commit. On SQLite writers queue up in this process (one connection, BEGIN IMMEDIATE), readers see
the last committed state and never wait.
"""

import select
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import URL, BigInteger, event, make_url, text
from sqlalchemy.exc import DataError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from understage.errors import InputError, ServiceUnavailableError

if TYPE_CHECKING:
    from understage.platform.sqlite_connections import SqliteConnections

Dialect = Literal["sqlite", "postgresql"]


class now_ms(FunctionElement[int]):  # lower case: it reads as the SQL function it is
    """SQL expression: the database's time in milliseconds since the epoch. Replicas' own clocks never decide."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "sqlite")
def _now_sqlite(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(now_ms, "postgresql")
def _now_postgresql(_element: Any, _compiler: Any, **_options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


SQLITE_READERS = 4
POSTGRES_CONNECTIONS = 10
IDLE_SECONDS = 1.0
# Of transactions whose loss the system repairs: they do not wait for the disk. And what is checked row by row (foreign keys)
# is planned once a connection, not once a row.
_DERIVED = "SELECT set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'auto', true)"
SETTINGS = ("plan_cache_mode = force_custom_plan", "jit = off", "random_page_cost = 1.1")


class Database:
    """Connections to one database. Make it with `connect`; `close` ends it."""

    def __init__(
        self,
        reader: AsyncEngine,
        writer: AsyncEngine,
        *,
        url: URL,
        schema: str | None = None,
        folder: "tempfile.TemporaryDirectory[str] | None" = None,
        ssl: str | None = None,
        sqlite: "SqliteConnections | None" = None,
    ) -> None:
        self.ssl = ssl
        self._sqlite = sqlite
        self._reader = reader
        self._folder = folder  # a temporary database's files live as long as the database
        self._writer = writer
        self.url = url
        self.schema = schema
        self.dialect: Dialect = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"

    @asynccontextmanager
    async def read(self, *, is_one_snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection for reading; one snapshot on SQLite, on PostgreSQL each statement's own unless one is asked for."""
        with _refusing_zero_bytes():
            async with self._reader.connect() as connection:
                if is_one_snapshot and self.dialect == "postgresql":
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                yield connection

    @asynccontextmanager
    async def write(self, *, is_derived: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction for writing: committed when the block ends, rolled back when it raises.

        `is_derived` says that all of it is made again from what is stored or read elsewhere: when PostgreSQL itself crashes
        within a second, such a transaction may be lost (docs/decisions/014); of two, the later is never kept without the earlier.
        """
        with _refusing_zero_bytes():
            async with self._writer.begin() as connection:
                if is_derived and self.dialect == "postgresql":
                    await connection.exec_driver_sql(_DERIVED)
                yield connection

    @asynccontextmanager
    async def write_once(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one writing statement, which is a transaction of its own: on PostgreSQL one question, not three."""
        if self.dialect == "sqlite":
            async with self.write() as connection:
                yield connection
            return
        with _refusing_zero_bytes():
            async with self._reader.connect() as connection:
                yield connection

    def separate(self) -> "Database":
        """The same database by connections of its own, for another thread's event loop. To be closed before this one."""
        return connect(self.url, schema=self.schema, ssl=self.ssl)

    async def check(self) -> None:
        """Raises ServiceUnavailableError when the database does not answer."""
        try:
            async with self.read() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            raise ServiceUnavailableError(f"The database does not answer: {error}") from error

    def describe(self) -> str:
        """Which database it is, for people: a file, or an address without password."""
        if self.dialect == "sqlite":
            return f"SQLite, {self.url.database}"
        return f"PostgreSQL, {self.url.database} at {self.url.host or 'localhost'}:{self.url.port or 5432}"

    async def close(self) -> None:
        """Close all connections."""
        await self._reader.dispose()
        await self._writer.dispose()
        if self._sqlite is not None:
            await self._sqlite.end()
        if self._folder is not None:
            self._folder.cleanup()


def connect(url: str | URL, *, schema: str | None = None, ssl: str | None = None) -> Database:
    """Open a database by SQLAlchemy URL: `sqlite+aiosqlite:///file` or `postgresql+psycopg://…`.

    `schema` sets the search path on PostgreSQL. No connection is made yet.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _connect_sqlite(parsed)
    arguments: dict[str, Any] = {"application_name": "understage"}
    if schema is not None:
        arguments["options"] = f"-csearch_path={schema}"
    if ssl is not None:
        arguments["sslmode"] = ssl
    engine = create_async_engine(
        parsed,
        pool_size=POSTGRES_CONNECTIONS,
        max_overflow=POSTGRES_CONNECTIONS,
        connect_args=arguments,
        hide_parameters=True,
    )
    _set_up_connections(engine)
    _check_idle_connections(engine)
    # Each statement that reads is a transaction of its own: none is opened and rolled back around it.
    reader = engine.execution_options(isolation_level="AUTOCOMMIT")
    return Database(reader, engine, url=parsed, schema=schema, ssl=ssl)


def _set_up_connections(engine: AsyncEngine) -> None:
    """Have each statement planned for its own values, for disks without heads, and none compiled.

    What is looked for decides the plan: all components are not a handful. And questions are over before a compiler pays.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for setting in SETTINGS:
            cursor.execute(f"SET {setting}")
        cursor.close()
        connection.commit()


def _check_idle_connections(engine: AsyncEngine) -> None:
    """Ask a connection whether it is still one before it is used, if there is a reason to: the server may have been restarted.

    The reasons: it was idle for long, or the server sent something that nobody asked for, such as the end. The pool's own
    check asks every time, which is half of the time of a small question.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        used = record.info.get("used")
        if connection is None or used is None:
            return
        if time.monotonic() - used > IDLE_SECONDS or _is_spoken_to(connection.driver_connection):
            try:
                engine.dialect.do_ping(connection)
            except Exception as error:
                # All others of the pool are as old: they are replaced too.
                raise InvalidatePoolError("a connection was lost while it was idle") from error


def _is_spoken_to(connection: Any) -> bool:
    """Whether there is something to read on a connection that asked nothing."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def connect_sqlite_file(path: Path) -> Database:
    """Open (and create) a SQLite file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return connect(URL.create("sqlite+aiosqlite", database=str(path)))


def connect_sqlite_temporary() -> Database:
    """What `:memory:` means here: a file that goes with the process, so that readers and the writer share it."""
    folder = tempfile.TemporaryDirectory(prefix="understage-")
    file = Path(folder.name) / "understage.sqlite"
    return _connect_sqlite(URL.create("sqlite+aiosqlite", database=str(file)), folder)


@contextmanager
def _refusing_zero_bytes() -> Iterator[None]:
    """PostgreSQL has no zero bytes in texts: whoever sent one is told so."""
    try:
        yield
    except DataError as error:
        if "NUL (0x00)" in str(error.orig):
            raise InputError("A text contains a zero byte, which cannot be stored or looked for: remove it") from error
        raise


def _connect_sqlite(url: URL, folder: "tempfile.TemporaryDirectory[str] | None" = None) -> Database:
    # What is stored has no business in the messages of errors, which are logged.
    reader = create_async_engine(url, pool_size=SQLITE_READERS, max_overflow=SQLITE_READERS, hide_parameters=True)
    writer = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=120, hide_parameters=True)
    _prepare_sqlite(reader, begin="BEGIN", read_only=True)
    _prepare_sqlite(writer, begin="BEGIN IMMEDIATE", read_only=False)
    from understage.platform.sqlite_connections import SqliteConnections  # a megabyte with its driver

    connections = SqliteConnections()
    connections.watch(reader)
    connections.watch(writer)
    return Database(reader, writer, url=url, folder=folder, sqlite=connections)


def _prepare_sqlite(engine: AsyncEngine, *, begin: str, read_only: bool) -> None:
    """Take transaction control from the driver, which would otherwise begin late and lock late."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-65536",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "invalidate")
    def on_invalidate(connection: Any, _record: Any, _error: Any) -> None:
        # A cancelled task's connection is closed, but lives on with its lock until its last cursor is collected.
        connection.rollback()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)
