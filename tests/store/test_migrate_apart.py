"""The migration in a process of its own: what it is given, what it says when it fails, and when there is none."""

import asyncio
import io
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text
from tests.databases import PostgresServer
from tests.store.schema_record import record

from understage.errors import ServiceUnavailableError
from understage.platform import migrations
from understage.platform.database import Database, connect, connect_sqlite_file
from understage.platform.migrations import create_schema, migrate, migrate_apart, newest_revision

OLD = "0001_signing_keys"
PASSWORD = "hunter2-of-the-database"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.subprocess.Process]:
    """The processes that were started."""
    processes: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def note(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        processes.append(await start(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    return processes


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """Where there is no table yet."""
    if request.param == "sqlite":
        yield URL.create("sqlite+aiosqlite", database=str(tmp_path / "empty.sqlite"))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.another("apart") as url:
        yield url


async def revision(database: Database) -> str:
    async with database.read() as connection:
        found = await connection.execute(text("SELECT version_num FROM understage_schema_version"))
        return str(found.scalar_one())


async def test_another_process_migrates_and_none_when_there_is_nothing_to_do(
    place: URL, started: list[asyncio.subprocess.Process]
) -> None:
    database = connect(place)
    await migrate(database, OLD)
    await migrate_apart(database)
    assert await revision(database) == newest_revision()
    assert [process.returncode for process in started] == [0]
    await migrate_apart(database)
    assert len(started) == 1
    await database.close()


async def test_an_empty_database_needs_no_process(place: URL, started: list[asyncio.subprocess.Process]) -> None:
    database = connect(place)
    assert await create_schema(database)
    assert await revision(database) == newest_revision()
    assert not await create_schema(database)
    await migrate_apart(database)
    assert started == []
    await database.close()


async def test_replicas_that_start_together_on_an_empty_database_make_its_schema_once(place: URL) -> None:
    replicas = [connect(place) for _ in range(4)]
    made = await asyncio.gather(*(create_schema(replica) for replica in replicas))
    assert sorted(made) == [False, False, False, True]
    for replica in replicas:
        assert await revision(replica) == newest_revision()
        await replica.close()


async def test_what_is_said_to_an_empty_database_is_what_the_migrations_say(place: URL) -> None:
    database = connect(place)
    recorded = (migrations.FOLDER / "fresh" / f"{database.dialect}.sql").read_text()
    assert await record(database) == recorded, "run `make schema`"
    await database.close()


@pytest.mark.postgres
async def test_a_database_without_trigrams_gets_all_but_their_index(
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    logged: io.StringIO,
) -> None:
    (tmp_path / "fresh").mkdir()
    statements = (migrations.FOLDER / "fresh" / "postgresql.sql").read_text()
    (tmp_path / "fresh" / "postgresql.sql").write_text(statements.replace("pg_trgm", "pg_no_such_extension"))
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    with postgres_server.another("no_trigrams") as url:
        database = connect(url)
        assert await create_schema(database)
        assert "a part of the schema is left out" in logged.getvalue()
        async with database.read() as connection:
            indexes = await connection.execute(text("SELECT indexname FROM pg_indexes WHERE tablename = 'search'"))
            assert set(indexes.scalars()) == {"search_by_entity", "search_by_key_value"}
        await database.close()


@pytest.mark.postgres
async def test_a_schema_is_made_and_migrated(
    postgres_server: PostgresServer, started: list[asyncio.subprocess.Process]
) -> None:
    with postgres_server.another("apart_schema") as url:
        database = connect(url, schema="stage")
        await migrate(database, OLD)
        await migrate_apart(database)
        async with database.read() as connection:
            schema = "SELECT schemaname FROM pg_tables WHERE tablename = 'refresh_state'"
            assert (await connection.execute(text(schema))).scalars().all() == ["stage"]
        await migrate_apart(database)
        assert len(started) == 1
        await database.close()


@pytest.mark.postgres
async def test_a_server_that_is_away_is_told_in_its_own_words() -> None:
    url = URL.create(
        "postgresql+psycopg", username="u", password=PASSWORD, host="127.0.0.1", port=1, database="understage"
    )
    database = connect(url)
    with pytest.raises(ServiceUnavailableError, match=r"could not be migrated: .*[Cc]onnection refused") as caught:
        await migrate_apart(database)
    assert "PostgreSQL, understage at 127.0.0.1:1" in caught.value.message
    assert PASSWORD not in caught.value.message
    assert "sqlalche.me" not in caught.value.message
    await database.close()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "understage.sqlite"
    file.write_bytes(b"no database at all, but long enough to be taken for one\n" * 100)
    database = connect_sqlite_file(file)
    with pytest.raises(
        ServiceUnavailableError, match=r"understage\.sqlite could not be migrated: file is not a database"
    ):
        await migrate_apart(database)
    await database.close()


async def test_a_schema_of_a_later_release_is_told(sqlite_database: Database) -> None:
    async with sqlite_database.write() as connection:
        await connection.execute(text("UPDATE understage_schema_version SET version_num = '9999_later'"))
    with pytest.raises(ServiceUnavailableError, match=r"could not be migrated: .*9999_later"):
        await migrate_apart(sqlite_database)
    assert await revision(sqlite_database) == "9999_later"


async def _stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, ending: str) -> tuple[Path, Path]:
    """A child in place of the interpreter that writes down what everybody can see of it, and then what it read."""
    seen, read = folder / "seen", folder / "read"
    program = folder / "child"
    program.write_text(f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ > "{seen}"\ncat > "{read}"\n{ending}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(migrations.sys, "executable", str(program))
    return seen, read


async def test_the_password_is_neither_in_the_arguments_nor_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen, read = await _stand_in(monkeypatch, tmp_path, "exit 0")
    url = URL.create("postgresql+psycopg", username="u", password=PASSWORD, host="127.0.0.1", port=1, database="d")
    database = connect(url, ssl="disable")
    await migrate_apart(database)
    assert PASSWORD.encode() not in seen.read_bytes()
    assert b"understage.platform.migrations.child" in seen.read_bytes()
    assert PASSWORD in read.read_text()
    await database.close()


async def test_a_child_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await _stand_in(monkeypatch, tmp_path, "kill -9 $$")
    database = connect_sqlite_file(tmp_path / "understage.sqlite")
    await migrate(database, OLD)
    with pytest.raises(ServiceUnavailableError, match="could not be migrated: it ended with -9"):
        await migrate_apart(database)
    await database.close()


async def test_a_start_that_is_stopped_leaves_no_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: list[asyncio.subprocess.Process]
) -> None:
    _, read = await _stand_in(monkeypatch, tmp_path, "exec sleep 60")
    database = connect_sqlite_file(tmp_path / "understage.sqlite")
    await migrate(database, OLD)
    migration = asyncio.create_task(migrate_apart(database))
    async with asyncio.timeout(20):
        while not read.exists():
            await asyncio.sleep(0.02)
    migration.cancel()
    with pytest.raises(asyncio.CancelledError):
        await migration
    assert [process.returncode for process in started] == [-9]
    await database.close()
