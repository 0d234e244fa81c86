"""The `database` fixture: each store test runs on SQLite and on PostgreSQL, migrated, empty, its own.

SQLite: a copy of a migrated file. PostgreSQL: one server a session on a free port, started from the installed binaries as
an unprivileged user, without fsync; one migrated database, whose tables are emptied after each test.
Where PostgreSQL is missing the test is skipped with what to install; with UNDERSTAGE_REQUIRE_ALL set it fails.
"""

import asyncio
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy import URL, text

from understage.platform.database import Database, connect, connect_sqlite_file
from understage.platform.migrations import migrate

START_SECONDS = 30
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": 60}
PR_SET_PDEATHSIG = 1


def postgres_binary(name: str) -> Path | None:
    """The PostgreSQL program on PATH, or the newest of Debian's versioned folders."""
    found = shutil.which(name)
    if found:
        return Path(found)
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return candidates[-1] if candidates else None


class PostgresServer:
    """A PostgreSQL server of this session only; ends with `stop`, or with this process.

    It does not wait for the disk, unless it is `durable`: then it has PostgreSQL's own settings, which is what a bench is about.
    """

    def __init__(self, initdb: Path, postgres: Path, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="understage-postgres-"))
        self.port = _free_port()
        self._user = _unprivileged_user()
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self.folder / "data")
        self._run([str(initdb), "-D", data, "-U", "understage", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])
        self._log = (self.folder / "log").open("wb")
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            **({} if durable else FAST),
        }
        arguments = [f"-c{name}={value}" for name, value in options.items()]
        self._command = [str(postgres), "-D", data, *arguments]
        self._process = self._start()
        self._wait()

    @property
    def pid(self) -> int:
        """The server's first process; the others are its children."""
        return self._process.pid

    def url(self, database: str) -> URL:
        return URL.create(
            "postgresql+psycopg", username="understage", host="127.0.0.1", port=self.port, database=database
        )

    @contextmanager
    def another(self, name: LiteralString) -> Iterator[URL]:
        """An empty database beside the others, without any table."""
        self.administer(f'CREATE DATABASE "{name}"')
        try:
            yield self.url(name)
        finally:
            self.administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    def administer(self, statement: LiteralString) -> None:
        """Run a statement that is about databases."""
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(statement)

    def _conninfo(self) -> str:
        return self.url("postgres").set(drivername="postgresql").render_as_string(hide_password=False)

    def restart(self) -> None:
        """Stop the server, which ends all connections, and start it again on the same port with the same data.

        To be called by the main thread: the server ends with the thread that started it.
        """
        self.end()
        self.begin()

    def end(self) -> None:
        """Stop the server; its data stay for `begin`, which is to be called by the main thread, too."""
        self._end()

    def begin(self) -> None:
        """Start it again on the same port."""
        self._process = self._start()
        self._wait()

    def stop(self) -> None:
        self._end()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            **self._identity(),
        )

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _identity(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": str(self.folder)}

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._identity())
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            # Asked as a client: it listens before it answers.
            with suppress(psycopg.OperationalError), psycopg.connect(self._conninfo(), connect_timeout=2):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("PostgreSQL did not start: " + (self.folder / "log").read_text(errors="replace"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to run the server as: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody'")


def _end_with_parent() -> None:
    # A test run that is killed leaves no server behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def require(condition: object, what_to_install: str) -> None:
    """Skip the test with the line that says what to install; fail where everything must be there."""
    if condition:
        return
    if os.environ.get("UNDERSTAGE_REQUIRE_ALL"):
        pytest.fail(what_to_install)
    pytest.skip(what_to_install)


async def _migrated(database: Database) -> None:
    await migrate(database)
    await database.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server, with an empty database `postgres` and the migrated database `understage`."""
    initdb, postgres = postgres_binary("initdb"), postgres_binary("postgres")
    require(initdb and postgres, "PostgreSQL is missing: install it (Debian: apt-get install postgresql)")
    assert initdb is not None
    assert postgres is not None
    server = PostgresServer(initdb, postgres)
    try:
        server.administer('CREATE DATABASE "understage"')
        asyncio.run(_migrated(connect(server.url("understage"))))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    file = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite"
    asyncio.run(_migrated(connect_sqlite_file(file)))
    return file


@pytest.fixture
async def sqlite_database(migrated_sqlite: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated, empty SQLite database, for tests that do not depend on the dialect."""
    file = tmp_path / "understage.sqlite"
    shutil.copyfile(migrated_sqlite, file)
    database = connect_sqlite_file(file)
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    """The session's PostgreSQL database, emptied after the test."""
    database = connect(postgres_server.url("understage"))
    yield database
    async with database.write() as connection:
        # A test that left a transaction open fails here, with a message, instead of hanging.
        await connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        rows = await connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> :version"),
            {"version": "understage_schema_version"},
        )
        tables = ", ".join(f'"{row.tablename}"' for row in rows)
        await connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    await database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated, empty database of the test's own: once SQLite, once PostgreSQL."""
    name = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    found: Database = request.getfixturevalue(name)
    return found
