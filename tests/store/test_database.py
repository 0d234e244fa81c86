import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import PostgresServer

from understage.config.backend_settings import DatabaseSettings
from understage.errors import InputError, ServiceUnavailableError
from understage.identity.key_store import DatabaseKeyStore
from understage.identity.keys import generate_key, publish
from understage.platform import database as platform_database
from understage.platform.database import Database, connect, now_ms
from understage.platform.database_config import open_database
from understage.platform.migrations import migrate


async def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    insert = text("INSERT INTO locations (id, type, target, location_entity_ref) VALUES (:id, 'url', :id, 'x')")
    with suppress(RuntimeError):
        async with database.write() as connection:
            await connection.execute(insert, {"id": "a"})
            raise RuntimeError
    async with database.write() as connection:
        await connection.execute(insert, {"id": "b"})
    async with database.read() as connection:
        assert (await connection.execute(text("SELECT id FROM locations"))).scalars().all() == ["b"]


@pytest.mark.postgres
async def test_only_what_is_derived_does_not_wait_for_the_disk(postgres_server: PostgresServer) -> None:
    with postgres_server.another("durable") as url:
        postgres_server.administer('ALTER DATABASE "durable" SET synchronous_commit = on')
        database = connect(url)
        waits = []
        for is_derived in (False, True, False):
            async with database.write(is_derived=is_derived) as connection:
                waits.append((await connection.execute(text("SHOW synchronous_commit"))).scalar_one())
        assert waits == ["on", "off", "on"]
        async with database.read() as connection:
            assert (await connection.execute(text("SHOW plan_cache_mode"))).scalar_one() == "force_custom_plan"
        await database.close()


async def test_the_clock_of_the_database_is_in_milliseconds(database: Database) -> None:
    async with database.read() as connection:
        now = (await connection.execute(now_ms().select())).scalar_one()
    assert 1_700_000_000_000 < now < 4_000_000_000_000


async def test_a_migrated_database_stays_as_it_is(database: Database) -> None:
    await migrate(database)
    await database.check()


async def test_keys_published_by_one_replica_are_seen_by_all(database: Database) -> None:
    key = generate_key()
    await DatabaseKeyStore(database, "catalog").add(publish(key, 4_000_000_000))
    (published,) = await DatabaseKeyStore(database, "catalog").list()
    assert published.kid == key.kid
    assert "d" not in published.jwk
    assert await DatabaseKeyStore(database, "scaffolder").list() == []


async def test_memory_is_a_database_of_this_process_only(tmp_path: Path) -> None:
    settings = DatabaseSettings.model_validate({"client": "better-sqlite3", "connection": ":memory:"})
    database = await open_database(settings, root=tmp_path, data_directory=tmp_path)
    await migrate(database)
    await database.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_directory_holds_one_file(tmp_path: Path) -> None:
    settings = DatabaseSettings.model_validate({"connection": {"directory": "data"}})
    database = await open_database(settings, root=tmp_path, data_directory=tmp_path / "other")
    await database.check()
    await database.close()
    assert (tmp_path / "data" / "understage.sqlite").exists()


async def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    settings = DatabaseSettings.model_validate(
        {"client": "pg", "connection": {"host": "127.0.0.1", "port": 1, "user": "u", "password": "hunter2"}}
    )
    with pytest.raises(ServiceUnavailableError, match=r"PostgreSQL at 127\.0\.0\.1:1 does not answer") as caught:
        await open_database(settings, root=tmp_path, data_directory=tmp_path)
    assert "hunter2" not in caught.value.message


async def test_an_unknown_client_is_refused(tmp_path: Path) -> None:
    settings = DatabaseSettings.model_validate({"client": "embedded-postgres"})
    with pytest.raises(InputError, match="use better-sqlite3 or pg"):
        await open_database(settings, root=tmp_path, data_directory=tmp_path)


@pytest.mark.postgres
@pytest.mark.parametrize("is_idle_for_long", [False, True])
async def test_a_server_that_was_restarted_between_two_requests_costs_none(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, *, is_idle_for_long: bool
) -> None:
    monkeypatch.setattr(platform_database, "IDLE_SECONDS", -1 if is_idle_for_long else 3600)
    database = connect(postgres_server.url("understage"))

    async def ask() -> int:
        async with database.read() as connection:
            await asyncio.sleep(0.01)
            number: int = (await connection.execute(text("SELECT 1"))).scalar_one()
            return number

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(text("DELETE FROM locations"))

    try:
        # Several, so that the pool holds more than one that is lost.
        assert await asyncio.gather(*(ask() for _ in range(5))) == [1] * 5
        postgres_server.restart()
        assert await asyncio.gather(*(ask() for _ in range(5))) == [1] * 5
        postgres_server.restart()
        await write()
        assert await asyncio.gather(*(ask() for _ in range(5))) == [1] * 5
    finally:
        await database.close()
