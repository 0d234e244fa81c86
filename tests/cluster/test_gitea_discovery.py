"""Discovery on a real Gitea, from the repository to the served entity and back."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from tests.cluster.bench import Gitea

from understage.catalog.engine import CatalogEngine
from understage.catalog.providers.registry import installed_providers
from understage.catalog.scheduling import DatabaseScheduler
from understage.config.backend_settings import Reading
from understage.config.settings import Settings
from understage.integrations.http import PolicedHttp
from understage.integrations.sources import create_policy, create_readers
from understage.platform.database import Database
from understage.platform.http import HttpClient
from understage.sdk import ProviderSetup

TASK = "gitea-provider:main:refresh"
COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: service
  lifecycle: production
  owner: guests
"""


@dataclass(frozen=True)
class Catalog:
    """A running engine that discovers one organization."""

    engine: CatalogEngine
    database: Database

    async def discover(self) -> str | None:
        """One round of discovery, and the rest of the road; returns what went wrong."""
        before = await self._ended()
        await self.engine.scheduler.trigger(TASK)
        async with asyncio.timeout(60):
            while (ended := await self._ended()) == before:
                await asyncio.sleep(0.05)
            while not await self.engine.is_idle():
                await asyncio.sleep(0.05)
        return None if ended is None else ended[1]

    async def components(self) -> dict[str, Any]:
        """Served components by name."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("SELECT final_entity FROM final_entities"))
            entities = [json.loads(row.final_entity) for row in rows]
        return {entity["metadata"]["name"]: entity for entity in entities if entity["kind"] == "Component"}

    async def _ended(self) -> tuple[int, str | None] | None:
        [task] = await self.engine.scheduler.list_tasks()
        return None if task.row is None or task.row.ended_at is None else (task.row.ended_at, task.row.error)


@asynccontextmanager
async def discovering(database: Database, gitea: Gitea, organization: str, folder: Path) -> AsyncIterator[Catalog]:
    schedule = {"frequency": {"trigger": "manual"}, "timeout": {"minutes": 1}}
    config = {
        "integrations": {"gitea": [{"host": gitea.host, "baseUrl": gitea.url, "password": gitea.token}]},
        "catalog": {
            "providers": {"gitea": {"main": {"host": gitea.host, "organization": organization, "schedule": schedule}}}
        },
    }
    settings = Settings.model_validate(config)
    http, scheduler = HttpClient(), DatabaseScheduler(database)
    reader = create_readers(settings.integrations, Reading(), http)
    policed = PolicedHttp(http, create_policy(settings.integrations, Reading(), http))
    engine = CatalogEngine(
        database,
        settings.catalog,
        reader,
        config=config,
        folder=folder,
        providers=installed_providers(ProviderSetup(reader, policed, scheduler, config)),
        scheduler=scheduler,
        interval=(3600, 3600),
    )
    await engine.start()
    try:
        catalog = Catalog(engine, database)
        await until(lambda: len(scheduler._tasks) == 1)
        async with asyncio.timeout(20):
            while (await scheduler.list_tasks())[0].row is None:
                await asyncio.sleep(0.05)
        yield catalog
    finally:
        await engine.stop()
        await http.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.05)


async def test_repositories_come_and_go(gitea: Gitea, sqlite_database: Database, tmp_path: Path) -> None:
    organization = f"discovered-{secrets.token_hex(3)}"
    gitea.create_organization(organization)
    for name in ("cart", "notes", "empty"):
        gitea.create_repository(organization, name)
    gitea.commit(organization, "cart", {"catalog-info.yaml": COMPONENT.format(name="cart")}, "Describe the cart")
    gitea.commit(organization, "notes", {"README.md": "# Notes\n"}, "Begin")
    async with discovering(sqlite_database, gitea, organization, tmp_path) as catalog:
        assert await catalog.discover() is None
        found = await catalog.components()
        assert list(found) == ["cart"]
        place = f"url:{gitea.url}/{organization}/cart/src/branch/main/catalog-info.yaml"
        assert found["cart"]["metadata"]["annotations"]["backstage.io/managed-by-location"] == place

        gitea.commit(organization, "notes", {"catalog-info.yaml": COMPONENT.format(name="notes")}, "Describe it")
        assert await catalog.discover() is None
        assert sorted(await catalog.components()) == ["cart", "notes"]
        uid = (await catalog.components())["notes"]["metadata"]["uid"]

        gitea.settle()  # a repository that goes while its pushes are worked through is trouble for the forge, not for us
        assert gitea.request("DELETE", f"/repos/{organization}/cart").is_success
        assert await catalog.discover() is None
        assert {name: entity["metadata"]["uid"] for name, entity in (await catalog.components()).items()} == {
            "notes": uid
        }


async def test_what_cannot_be_read_leaves_what_was_there(
    gitea: Gitea, sqlite_database: Database, tmp_path: Path
) -> None:
    organization = f"lost-{secrets.token_hex(3)}"
    gitea.create_organization(organization)
    gitea.create_repository(organization, "cart")
    gitea.commit(organization, "cart", {"catalog-info.yaml": COMPONENT.format(name="cart")}, "Describe the cart")
    async with discovering(sqlite_database, gitea, organization, tmp_path) as catalog:
        assert await catalog.discover() is None
        gitea.settle()  # a repository that goes while its pushes are worked through is trouble for the forge, not for us
        assert gitea.request("DELETE", f"/repos/{organization}/cart").is_success
        assert gitea.request("DELETE", f"/orgs/{organization}").is_success
        error = await catalog.discover()
        assert error is not None
        assert "answered 404 Not Found" in error
        assert "check the name, and that the credentials under integrations.gitea may see it" in error
        assert list(await catalog.components()) == ["cart"]


async def test_many_repositories_are_read_page_by_page(gitea: Gitea, sqlite_database: Database, tmp_path: Path) -> None:
    organization = f"many-{secrets.token_hex(3)}"
    gitea.create_organization(organization)
    names = [f"part-{number}" for number in range(55)]
    for name in names:
        gitea.create_repository(organization, name)
    for name in (names[0], names[-1]):
        gitea.commit(organization, name, {"catalog-info.yaml": COMPONENT.format(name=name)}, "Describe it")
    async with discovering(sqlite_database, gitea, organization, tmp_path) as catalog:
        assert await catalog.discover() is None
        assert sorted(await catalog.components()) == sorted((names[0], names[-1]))
