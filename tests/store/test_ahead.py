"""Children are processed while their location is still being read; nothing of them is kept before it is read to its end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.store.catalog_bench import Bench, PagesReader, component, location, running

from understage.catalog.processors.registry import installed_processors
from understage.model.entity import Entity
from understage.platform.database import Database
from understage.sdk.processor import ProcessingContext, Processor
from understage.sdk.reader import SearchResult

ALL = "https://example.com/all.yaml"
LAST = "https://example.com/last.yaml"
RULES = [{"allow": ["Component", "Location"]}]


class Seen(Processor):
    """Notes what it processes, and waits for entities that are named `slow`."""

    names: ClassVar[list[str]] = []
    gate = asyncio.Event()

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        if entity["kind"] != "Location":
            self.names.append(entity["metadata"]["name"])
        if entity["metadata"]["name"] == "slow":
            await self.gate.wait()
        return entity


class LastWaits(PagesReader):
    """Answers for the last page when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        if url == LAST:
            await self.is_open.wait()
        return await super().search(url, etag=etag)


@asynccontextmanager
async def reading(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, *first: str, expected: int
) -> AsyncIterator[tuple[Bench, LastWaits]]:
    """A bench that reads a location whose last target waits, when `expected` children of the first have been processed."""
    monkeypatch.setattr(Seen, "names", [])
    monkeypatch.setattr(Seen, "gate", asyncio.Event())
    reader = LastWaits()
    reader.pages = {
        ALL: location("all", "./first.yaml", "./last.yaml"),
        "https://example.com/first.yaml": "\n---\n".join(first),
        LAST: component("last"),
    }
    processors = [*installed_processors(), Seen]
    async with running(database, folder, processors=processors, reader=reader, rules=RULES) as bench:
        await bench.service.create_location("url", ALL)
        async with asyncio.timeout(20):
            while len(Seen.names) < expected:
                await asyncio.sleep(0.01)
        yield bench, reader


async def test_they_are_processed_once_and_kept_with_the_rest(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [component("a"), component("b", dependsOn=["component:a"])]
    async with reading(database, tmp_path, monkeypatch, *first, expected=2) as (bench, reader):
        assert await known(bench) == {"location:default/all"}
        reader.is_open.set()
        await bench.settle()
        assert await bench.names() == [
            *(f"component:default/{name}" for name in ("a", "b", "last")),
            "location:default/all",
        ]
        assert ("dependencyOf", "component:default/b") in await bench.relations("component:default/a")
        assert Seen.names == ["a", "b", "last"]


async def test_of_a_location_that_fails_nothing_is_kept(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(database, tmp_path, monkeypatch, component("a"), expected=1) as (bench, reader):
        reader.pages[LAST] = "kind: [broken"
        reader.is_open.set()
        await bench.settle()
        assert await known(bench) == {"location:default/all"}
        assert (await bench.stored_errors())["location:default/all"]


async def test_the_last_of_a_name_counts(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading(database, tmp_path, monkeypatch, component("a"), expected=1) as (bench, reader):
        reader.pages[LAST] = component("a", type="library")
        reader.is_open.set()
        await bench.settle()
        assert (await bench.entity("component:default/a"))["spec"]["type"] == "library"


async def test_who_waits_is_left_for_later(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [component("slow"), component("a")]
    async with reading(database, tmp_path, monkeypatch, *first, expected=2) as (bench, reader):
        reader.is_open.set()
        async with asyncio.timeout(20):
            while "component:default/a" not in await bench.names():
                await asyncio.sleep(0.01)
        Seen.gate.set()
        await bench.settle()
        assert "component:default/slow" in await bench.names()


async def test_kinds_that_are_not_allowed_are_not_looked_at(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = component("api").replace("Component", "API")
    async with reading(database, tmp_path, monkeypatch, refused, component("a"), expected=1) as (bench, reader):
        reader.is_open.set()
        await bench.settle()
        assert "api" not in Seen.names
        assert "is not of an allowed kind" in str(await bench.stored_errors())


async def test_a_location_that_is_known_is_read_without_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(database, tmp_path, monkeypatch, component("a"), expected=1) as (bench, reader):
        reader.is_open.set()
        await bench.settle()
        reader.pages["https://example.com/first.yaml"] = component("a", type="library")
        Seen.names.clear()
        await bench.refresh_all()
        await bench.settle()
        assert Seen.names.count("a") <= 2, "with its bucket, and because it has changed"
        assert (await bench.entity("component:default/a"))["spec"]["type"] == "library"


async def known(bench: Bench) -> set[Any]:
    """The references of all that is stored, but what was registered."""
    async with bench.database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT entity_ref FROM refresh_state")
        return {row[0] for row in rows if "generated-" not in row[0]}
