"""Migrations on both databases: from nothing, from older schemas with data, and under a running process of an older release."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from httpx import AsyncClient
from sqlalchemy import URL, Connection, MetaData, Table, inspect, text
from tests.cluster.bench.process import free_port, wait_for
from tests.databases import PostgresServer, require
from tests.store import previous_release
from tests.store.catalog_bench import Bench, PagesReader
from tests.store.catalog_web import serving
from tests.store.previous_release import ROWS, extract, served
from tests.store.scaffolder_bench import Script, scaffolder

from understage.catalog.engine import CatalogEngine
from understage.catalog.store import tables as catalog_tables
from understage.config.catalog_settings import CatalogSettings
from understage.measures.store import tables as measures_tables
from understage.platform.database import Database, connect
from understage.platform.migrations import FOLDER, migrate
from understage.scaffolder.store import tables as scaffolder_tables

pytestmark = pytest.mark.timeout(300)

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(ROWS.read_text())
TILL = "component:default/till"
SECONDS = 90.0


def revisions() -> list[str]:
    """All, the oldest first."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[URL]:
    """Where there is no table yet."""
    if request.param == "sqlite":
        yield URL.create("sqlite+aiosqlite", database=str(tmp_path / "empty.sqlite"))
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.another("empty") as url:
        yield url


@pytest.fixture
async def empty(place: URL) -> AsyncIterator[Database]:
    """A database without any table."""
    database = connect(place)
    yield database
    await database.close()


async def test_a_fresh_database_has_what_the_code_expects(empty: Database) -> None:
    await migrate(empty)
    async with empty.read() as connection:
        columns = await connection.run_sync(_columns)
    every = (catalog_tables.metadata, scaffolder_tables.metadata, measures_tables.metadata)
    for table in (table for metadata in every for table in metadata.tables.values()):
        assert {column.name for column in table.columns} <= set(columns[table.name]), table.name


@pytest.mark.parametrize("revision", revisions())
async def test_what_was_stored_before_is_served_right_after(empty: Database, tmp_path: Path, revision: str) -> None:
    """With the newest revision: what the release before writes, it can write to the schema of this one too."""
    await migrate(empty, revision)
    stored = await _insert_recorded(empty)
    await migrate(empty)
    assert "signing_keys" in stored
    if "final_entities" in stored:
        async with _catalog(empty, tmp_path) as catalog:
            await _check_catalog(catalog)
    if "tasks" in stored:
        await _check_task(empty, tmp_path)


@pytest.mark.postgres
async def test_the_release_before_goes_on_while_the_next_one_starts(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    require(previous_release.is_available(), "the history of this repository is missing: git fetch --unshallow origin")
    code = extract(tmp_path / "code")
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(previous_release.ENTITIES.read_text())
    url = postgres_server.url("postgres")
    database = {
        "client": "pg",
        "prefix": "rolling_",
        "connection": {"host": url.host, "port": url.port, "user": url.username, "password": ""},
    }
    old_port, new_port = free_port(), free_port()
    with previous_release.serving(code, tmp_path, old_port, database, catalog) as old:
        _see(old_port, "stock-room", present=True)
        with previous_release.serving(None, tmp_path, new_port, database, catalog):
            # Both take part from here on.
            text = catalog.read_text()
            catalog.write_text(text.replace("name: stock-room", "name: store-room").replace("[java, web]", "[rust]"))
            for port in (old_port, new_port):
                _see(port, "store-room", present=True)
                _see(port, "stock-room", present=False)
                _see_tags(port, ["rust"])
            old.stop()
            catalog.write_text(text.replace("[java, web]", "[zig]"))
            _see(new_port, "stock-room", present=True)
            _see(new_port, "store-room", present=False)
            _see_tags(new_port, ["zig"])


def _see(port: int, name: str, *, present: bool) -> None:
    wait_for(
        f"{name} {'there' if present else 'gone'} on {port}",
        lambda: (f"component:default/{name}" in served(port)) is present or None,
        SECONDS,
    )


def _see_tags(port: int, tags: list[str]) -> None:
    wait_for(
        f"{tags} on {port}", lambda: served(port).get(TILL, {}).get("metadata", {}).get("tags") == tags or None, SECONDS
    )


def _columns(connection: Connection) -> dict[str, list[str]]:
    inspector = inspect(connection)
    return {table: [column["name"] for column in inspector.get_columns(table)] for table in inspector.get_table_names()}


async def _insert_recorded(database: Database) -> set[str]:
    """Insert the rows of the tables that there are, with the columns of when they were recorded; returns the tables' names."""

    def insert(connection: Connection) -> set[str]:
        metadata = MetaData()
        metadata.reflect(connection, only=lambda name, _metadata: name in RECORDED)
        for table in metadata.sorted_tables:
            connection.execute(table.insert(), [_values(table, row) for row in RECORDED[table.name]])
        return set(metadata.tables)

    async with database.write() as connection:
        return await connection.run_sync(insert)


def _values(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, value in row.items():
        if isinstance(value, str) and value.startswith("base64:"):
            value = base64.b64decode(value.removeprefix("base64:"))
        elif table.columns[name].type.python_type is bool:
            value = bool(value)
        values[name] = value
    return values


@asynccontextmanager
async def _catalog(database: Database, folder: Path) -> AsyncIterator[AsyncClient]:
    """A client of the catalog as it stands: nothing is processed."""
    reader = PagesReader()
    engine = CatalogEngine(database, CatalogSettings(), reader, folder=folder, providers=[])
    async with serving(Bench(database, engine, reader, folder)) as catalog:
        yield catalog.http


async def _check_catalog(http: AsyncClient) -> None:
    recorded = {row["entity_ref"]: json.loads(row["final_entity"]) for row in RECORDED["final_entities"]}
    entity = (await http.get("/entities/by-name/component/default/till")).json()
    assert entity == recorded[TILL]
    every = (await http.get("/entities")).json()
    assert sorted(one["metadata"]["uid"] for one in every) == sorted(
        one["metadata"]["uid"] for one in recorded.values()
    )
    page = await http.get("/entities/by-query?filter=kind=component,metadata.tags=go&orderField=metadata.name,asc")
    assert [one["metadata"]["name"] for one in page.json()["items"]] == ["stock-room"]
    owned = await http.get("/entities/by-query?filter=relations.ownedBy=group:default/team-a&limit=0")
    assert owned.json()["totalItems"] == 4
    facets = (await http.get("/entity-facets?facet=metadata.tags")).json()["facets"]["metadata.tags"]
    assert {(one["value"], one["count"]) for one in facets} == {("go", 1), ("java", 1), ("web", 1)}
    ancestry = (await http.get("/entities/by-name/component/default/till/ancestry")).json()
    assert len(ancestry["items"]) == 2
    assert len((await http.get("/locations")).json()) == 1
    failed = await http.get("/entities/by-name/component/default/half-done")
    assert failed.status_code == 404


async def _check_task(database: Database, folder: Path) -> None:
    (recorded,) = RECORDED["tasks"]
    async with scaffolder(database, folder / "data", Script(), limit=0) as bench:
        task = await bench.task(recorded["id"])
        assert (task["status"], task["spec"]["parameters"]) == ("completed", {"words": "good morning"})
        assert len(await bench.events(recorded["id"])) == len(RECORDED["task_events"])
    async with database.read() as connection:
        steps = (await connection.execute(text("SELECT status FROM task_steps"))).scalars().all()
    assert steps == ["completed"]
