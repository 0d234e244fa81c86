"""The migration `0005_reports`: a catalog of the release before keeps its data, tells of what fails, and may go on beside."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.databases import PostgresServer

from understage.catalog.query.reports import find_reports
from understage.platform.database import Database, connect, connect_sqlite_file
from understage.platform.migrations import migrate

BEFORE = "0004_scheduled_tasks"
INSERT = """
    INSERT INTO refresh_state (uid, entity_ref, unprocessed_entity, unprocessed_hash, processed_entity, errors,
                               result_hash, next_update_at, last_discovery_at)
    VALUES (:ref, :ref, '{}', 'x', :processed, :errors, :result, 0, 0)
"""
ERRORS = '[{"name":"InputError","message":"bad"}]'


@pytest.fixture
async def sqlite_file(tmp_path: Path) -> AsyncIterator[Database]:
    database = connect_sqlite_file(tmp_path / "before.sqlite")
    yield database
    await database.close()


@pytest.fixture
async def postgres_schema(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    database = connect(postgres_server.url("understage"), schema="before_reports")
    yield database
    async with database.write() as connection:
        await connection.execute(text("DROP SCHEMA before_reports CASCADE"))
    await database.close()


@pytest.fixture(params=["sqlite_file", pytest.param("postgres_schema", marks=pytest.mark.postgres)])
def unmigrated(request: pytest.FixtureRequest) -> Database:
    """A database without tables: once SQLite, once a schema of PostgreSQL."""
    found: Database = request.getfixturevalue(request.param)
    return found


async def test_what_failed_before_is_reported_after_and_an_old_replica_goes_on(unmigrated: Database) -> None:
    await migrate(unmigrated, BEFORE)
    async with unmigrated.write() as connection:
        for ref, processed, errors in (
            ("component:default/kept", "{}", ERRORS),
            ("component:default/good", "{}", "[]"),
        ):
            row = {"ref": ref, "processed": processed, "errors": errors, "result": "x"}
            await connection.execute(text(INSERT), row)
    await migrate(unmigrated)
    async with unmigrated.write() as connection:
        # As the release before writes: it does not know the new column and tables.
        row = {"ref": "component:default/new", "processed": None, "errors": ERRORS, "result": None}
        await connection.execute(text(INSERT), row)
        await connection.execute(text("UPDATE refresh_state SET next_update_at = next_update_at + 1"))
    refs = [f"component:default/{name}" for name in ("kept", "good", "new")]
    async with unmigrated.read() as connection:
        reports = await find_reports(connection, refs, readable=None)
    kept, good, new = (reports[ref] for ref in refs)
    assert kept["errors"] == new["errors"] == [{"name": "InputError", "message": "bad"}]
    assert kept["keptSince"] == kept["failingSince"] > "2026"
    assert "failingSince" not in good
    assert "failingSince" not in new
    assert new["outcome"] == "never-admitted"
    assert [report["lastReadAt"] for report in (kept, good, new)] == [None, None, None]


async def test_what_was_read_before_is_known_to_be_read_again(unmigrated: Database) -> None:
    await migrate(unmigrated, BEFORE)
    async with unmigrated.write() as connection:
        row = {"ref": "component:default/good", "processed": "{}", "errors": "[]", "result": "x"}
        await connection.execute(text(INSERT), row)
    await migrate(unmigrated)
    async with unmigrated.write() as connection:
        await connection.execute(text("UPDATE refresh_buckets SET last_at = 5000, next_at = 9000"))
    async with unmigrated.read() as connection:
        reports = await find_reports(connection, ["component:default/good"], readable=None)
    report = reports["component:default/good"]
    assert (report["lastReadAt"], report["nextReadAt"]) == ("1970-01-01T00:00:05Z", "1970-01-01T00:00:09Z")
