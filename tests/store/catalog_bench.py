"""A catalog engine over a folder of files and a reader of made-up URLs, for scenarios from file to served entity."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from sqlalchemy import text

from understage.catalog.engine import CatalogEngine
from understage.catalog.scm.github import ReadCommit
from understage.config.catalog_settings import CatalogSettings
from understage.errors import NotAllowedError, NotFoundError
from understage.platform.database import Database
from understage.sdk.analyzer import LocationAnalyzer
from understage.sdk.incremental import IncrementalEntityProvider
from understage.sdk.processor import Processor
from understage.sdk.provider import EntityProvider
from understage.sdk.reader import ReadFile, ReadTree, SearchResult

DEADLINE = 20.0
NOTES = ("LastGoodState", "NameConflict", "NotAdmitted")


class PagesReader:
    """A `UrlReader` of pages held in memory; hosts other than example.com are not allowed. Counts what was sent."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.sent: list[str] = []

    async def read_url(self, url: str, *, token: str | None = None) -> ReadFile:
        found = await self.search(url)
        if not found.files:
            raise NotFoundError(f"could not read {url}, 404 Not Found")
        return found.files[0]

    async def read_tree(self, url: str, destination: Path, *, token: str | None = None) -> ReadTree:
        raise NotImplementedError

    async def search(self, url: str, *, etag: str | None = None) -> SearchResult:
        await asyncio.sleep(0)
        if not url.startswith("https://example.com/"):
            raise NotAllowedError(f"Reading from '{url}' is not allowed.")
        content = self.pages.get(url)
        if content is None:
            return SearchResult(())
        current = str(hash(content))
        if etag == current:
            return SearchResult((), current, not_modified=True)
        self.sent.append(url)
        return SearchResult((ReadFile(url, content.encode(), current),), current)

    def resolve_url(self, url: str, base: str) -> str:
        return urljoin(base, url)

    def edit_url(self, url: str) -> str | None:
        return f"{url}?edit" if "/repo/" in url else None


class Bench:
    """An engine and what a user of the catalog sees of it."""

    def __init__(self, database: Database, engine: CatalogEngine, reader: PagesReader, folder: Path) -> None:
        self.database = database
        self.engine = engine
        self.service = engine.service
        self.reader = reader
        self.folder = folder

    async def settle(self) -> None:
        """Wait until everything that came in can be seen."""
        deadline = time.monotonic() + DEADLINE
        while not await self.engine.is_idle():
            assert time.monotonic() < deadline, f"the engine does not come to rest: {await self.engine.pending()}"
            await asyncio.sleep(0.01)

    async def entities(self) -> dict[str, dict[str, Any]]:
        """All served entities, by reference."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("SELECT entity_ref, final_entity FROM final_entities"))
            return {row.entity_ref: json.loads(row.final_entity) for row in rows}

    async def entity(self, ref: str) -> dict[str, Any]:
        """One served entity."""
        return (await self.entities())[ref]

    async def names(self) -> list[str]:
        """The references of all served entities but generated locations, sorted."""
        return sorted(ref for ref in await self.entities() if not ref.startswith("location:default/generated-"))

    async def errors(self, ref: str) -> list[str]:
        """The messages of errors in the entity's status."""
        return [item["message"] for item in await self.items(ref) if item["error"]["name"] not in NOTES]

    async def notes(self, ref: str) -> list[tuple[str, str]]:
        """Level and message of the other items in its status: what the stock backend does not tell."""
        items = await self.items(ref)
        return [(item["level"], item["message"]) for item in items if item["error"]["name"] in NOTES]

    async def items(self, ref: str) -> list[dict[str, Any]]:
        """The items in the entity's status."""
        items: list[dict[str, Any]] = (await self.entity(ref)).get("status", {}).get("items", [])
        assert all(item["type"] == "backstage.io/catalog-processing" for item in items)
        assert all(item["level"] == "error" for item in items if item["error"]["name"] not in NOTES)
        return items

    async def stored_errors(self) -> dict[str, list[dict[str, Any]]]:
        """What the last round found wrong, by reference, whether or not the entity is served."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("SELECT entity_ref, errors FROM refresh_state"))
            return {row.entity_ref: errors for row in rows if (errors := json.loads(row.errors))}

    async def relations(self, ref: str) -> list[tuple[str, str]]:
        """Type and target of the entity's relations."""
        return [(relation["type"], relation["targetRef"]) for relation in (await self.entity(ref))["relations"]]

    def write(self, name: str, *documents: str) -> Path:
        """Write an entity file of some documents."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n---\n".join(documents))
        return path

    async def refresh_all(self) -> None:
        """Make everything due, as time would."""
        async with self.database.write() as connection:
            await connection.execute(text("UPDATE refresh_buckets SET next_at = 0"))
        self.engine.wake()
        await self.settle()

    async def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of the catalog, without the schedule."""
        queries = {
            "refresh_state": "SELECT id, uid, entity_ref, unprocessed_entity, processed_entity, result_hash, cache, errors,"
            " last_discovery_at, location_key FROM refresh_state ORDER BY id",
            "references": "SELECT * FROM refresh_state_references ORDER BY id",
            "keys": "SELECT * FROM refresh_keys ORDER BY entity_id, key",
            "relations": "SELECT * FROM relations ORDER BY 1, 2, 3, 4",
            "final": "SELECT * FROM final_entities ORDER BY entity_id",
            "search": "SELECT * FROM search ORDER BY id",
        }
        async with self.database.read() as connection:
            return {
                name: [tuple(row) for row in await connection.execute(text(query))] for name, query in queries.items()
            }


@asynccontextmanager
async def running(
    database: Database,
    folder: Path,
    *,
    locations: Sequence[Mapping[str, Any]] = (),
    providers: Sequence[EntityProvider | IncrementalEntityProvider] = (),
    reader: PagesReader | None = None,
    processors: Sequence[type[Processor]] | None = None,
    read_commit: ReadCommit | None = None,
    analyzers: Sequence[LocationAnalyzer] = (),
    **catalog: Any,
) -> AsyncIterator[Bench]:
    """A running engine with these `catalog.locations` and other keys of the `catalog` section."""
    reader = reader or PagesReader()
    settings = CatalogSettings.model_validate({"locations": list(locations), **catalog})
    engine = CatalogEngine(
        database,
        settings,
        reader,
        folder=folder,
        processors=processors,
        providers=providers,
        interval=(3600, 3600),
        read_commit=read_commit,
        analyzers=analyzers,
    )
    bench = Bench(database, engine, reader, folder)
    await engine.start()
    try:
        await bench.settle()
        yield bench
    finally:
        await engine.stop()


def component(name: str, **spec: Any) -> str:
    """The YAML of a component."""
    fields = {"type": "service", "lifecycle": "production", "owner": "team-a", **spec}
    lines = [f"  {key}: {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(
        ["apiVersion: backstage.io/v1alpha1", "kind: Component", "metadata:", f"  name: {name}", "spec:", *lines]
    )


def location(name: str, *targets: str, **spec: Any) -> str:
    """The YAML of a Location entity."""
    fields = {"targets": list(targets), **spec}
    lines = [f"  {key}: {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(
        ["apiVersion: backstage.io/v1alpha1", "kind: Location", "metadata:", f"  name: {name}", "spec:", *lines]
    )
