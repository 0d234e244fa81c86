"""The plans of the hot questions on PostgreSQL with 20 000 entities (by `make test-plans` with 100 000), as `plans/` keeps them.

What is explained are the statements that an HTTP request, or a round of a loop, really sends. `make plans` writes both files
again after a change that is meant; their diff is what to look at.
"""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.databases import PostgresServer
from tests.store.catalog_bench import Bench, PagesReader
from tests.store.catalog_web import Catalog, serving
from tests.store.multiplication import ORIGINALS, multiply
from tests.store.plan_shapes import Statement, recorded, shape

from understage.catalog.engine import CatalogEngine
from understage.catalog.store.claims import claim_bucket, claim_due, insert_due
from understage.catalog.store.select_stitch_inputs import select_stitch_inputs
from understage.catalog.store.stitch_queue import claim_stitches, enqueue_stitch
from understage.config.catalog_settings import CatalogSettings
from understage.platform.database import connect
from understage.platform.migrations import migrate

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]

COUNT = int(os.environ.get("UNDERSTAGE_PLAN_ENTITIES") or 20_000)
FILE = Path(__file__).parent / "plans" / f"{COUNT}.md"
TITLE = f"# Plans of the hot questions on PostgreSQL with {COUNT} entities\n\nWritten by `make plans`.\n"
RENEW = "UNDERSTAGE_RENEW_PLANS"
SCANS = re.compile(r"Seq Scan of (\S+)")
# Small tables: a row a change of the last minutes, a registration, a thousand entities. Of the last, one sequential read for
# a batch is cheaper than a thousand look-ups.
SMALL = {"catalog_changes"}
SCANNED = {
    "locations": {"locations"},
    "claim of due entities": {"refresh_buckets"},
    "claim of a bucket": {"refresh_buckets"},
    "inputs of stitching": {"refresh_state_references"},
}

REFS = [f"component:default/part-{copy:05d}-000042" for copy in range(1, 101)]
PAGE = "/entities/by-query?limit=20&filter=kind=component,spec.type=service&orderField=metadata.name,asc"
PATHS = {
    "page, first": PAGE,
    "page by uid": "/entities/by-query?limit=20&filter=kind=component",
    "page of an owner": "/entities/by-query?limit=20&filter=kind=component,relations.ownedBy=group:default/team-2"
    "&orderField=metadata.name,desc",
    "full text": "/entities/by-query?limit=20&filter=kind=component&orderField=metadata.name,asc"
    "&fullTextFilterTerm=-000042&fullTextFilterFields=metadata.name,metadata.title",
    "count": "/entities/by-query?limit=0&filter=kind=component",
    "facets": "/entity-facets?facet=spec.type&facet=metadata.tags&filter=kind=component",
    "facet of everything": "/entity-facets?facet=kind",
    "by-name": "/entities/by-name/component/default/part-00007-000042",
    "ancestry": "/entities/by-name/component/default/part-00007-000042/ancestry",
    "all entities": "/entities?filter=kind=component&limit=1000",
    "locations": "/locations",
}


@dataclass
class Large:
    """The multiplied catalog, and a client of it."""

    catalog: Catalog

    async def plans(self, statements: list[Statement]) -> str:
        """The shapes of their plans."""
        async with self.catalog.bench.database.read() as connection:
            return await self.shapes(connection, statements)

    @staticmethod
    async def shapes(connection: AsyncConnection, statements: list[Statement]) -> str:
        """The same in a transaction that is under way: one block each; what several have in common is told once."""
        assert statements
        return "\n\n".join(dict.fromkeys([await shape(connection, statement) for statement in statements]))


@pytest.fixture(scope="module")
async def large(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Large]:
    folder = tmp_path_factory.mktemp("large")
    with postgres_server.another("large") as url:
        # Of rows whose commit is not on the disk yet VACUUM does not say that all may see them.
        postgres_server.administer("ALTER DATABASE large SET synchronous_commit = on")
        database = connect(url)
        try:
            await migrate(database)
            await multiply(database, folder, COUNT)
            reader = PagesReader()
            engine = CatalogEngine(database, CatalogSettings(), reader, folder=folder, providers=[])
            async with serving(Bench(database, engine, reader, folder)) as catalog:
                yield Large(catalog)
        finally:
            await database.close()


@pytest.mark.parametrize("name", PATHS)
async def test_requests(large: Large, name: str) -> None:
    with recorded() as statements:
        await large.catalog.get(PATHS[name])
    _check(name, await large.plans(statements))


async def test_pages_that_follow(large: Large) -> None:
    first = await large.catalog.get(PAGE)
    with recorded() as statements:
        second = await large.catalog.get(f"/entities/by-query?limit=20&cursor={first['pageInfo']['nextCursor']}")
    _check("page, next", await large.plans(statements))
    with recorded() as statements:
        await large.catalog.get(f"/entities/by-query?limit=20&cursor={second['pageInfo']['prevCursor']}")
    _check("page, previous", await large.plans(statements))


async def test_many_by_reference(large: Large) -> None:
    with recorded() as statements:
        answer = await large.catalog.post("/entities/by-refs", {"entityRefs": REFS})
    assert all(answer["items"])
    _check("by-refs", await large.plans(statements))


async def test_one_by_uid(large: Large) -> None:
    entity = await large.catalog.get("/entities/by-name/component/default/part-000042")
    with recorded() as statements:
        await large.catalog.get(f"/entities/by-uid/{entity['metadata']['uid']}")
    _check("by-uid", await large.plans(statements))


Job = Callable[[AsyncConnection], Awaitable[Any]]
JOBS: dict[str, Job] = {
    "claim of due entities": lambda connection: claim_due(connection, limit=1000),
    "claim of a bucket": lambda connection: claim_bucket(connection, interval_ms=100_000),
    "request to stitch": lambda connection: enqueue_stitch(connection, REFS),
    "claim of stitches": lambda connection: claim_stitches(connection, limit=1000, timeout_ms=60_000),
    "inputs of stitching": lambda connection: select_stitch_inputs(connection, REFS),
}


@pytest.mark.parametrize("name", JOBS)
async def test_jobs(large: Large, name: str) -> None:
    async with large.catalog.bench.database.write() as connection:
        if name.startswith("claim of"):
            ids = list((await connection.execute(text("SELECT id FROM refresh_state ORDER BY id"))).scalars())
            await insert_due(connection, ids)
            if name == "claim of a bucket":
                # The rule: hardly anything is due by itself.
                await connection.execute(text("DELETE FROM refresh_due WHERE entity_id > 100"))
            await connection.execute(text("ANALYZE refresh_due, refresh_buckets"))
        if name == "claim of stitches":
            everything = list((await connection.execute(text("SELECT entity_ref FROM refresh_state"))).scalars())
            await enqueue_stitch(connection, everything)
            await connection.execute(text("ANALYZE stitch_queue"))
        with recorded() as statements:
            await JOBS[name](connection)
        shapes = await large.shapes(connection, statements)
        await connection.rollback()
    _check(name, shapes)


async def test_the_catalog_is_large(large: Large) -> None:
    page = await large.catalog.get("/entities/by-query?limit=1&filter=kind=component")
    assert page["totalItems"] == COUNT
    facets = await large.catalog.get("/entity-facets?facet=kind")
    assert {"value": "Component", "count": COUNT} in facets["facets"]["kind"]
    assert len(set(REFS)) == ORIGINALS


def _check(name: str, plans: str) -> None:
    kept = _read()
    assert set(SCANS.findall(plans)) <= SMALL | SCANNED.get(name, set()), f"a whole table is read:\n{plans}"
    if os.environ.get(RENEW):
        kept[name] = plans
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(TITLE + "".join(f"\n## {name}\n\n```\n{kept[name]}\n```\n" for name in sorted(kept)))
    assert plans == kept.get(name), "the plan has changed: if that is meant, run `make plans` and look at the diff"


def _read() -> dict[str, str]:
    content = FILE.read_text() if FILE.exists() else ""
    return dict(re.findall(r"^## ([^\n]+)\n\n```\n(.*?)\n```$", content, re.MULTILINE | re.DOTALL))
