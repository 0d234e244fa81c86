"""The catalog's routes over a running engine, as an application that a test asks as somebody whom its policy judges."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient
from tests.store.catalog_bench import Bench

from understage.catalog.access import Access
from understage.catalog.api.routers import create_catalog_routers
from understage.catalog.engine import CatalogEngine
from understage.catalog.query.served import Served
from understage.errors import AuthenticationError, NotAllowedError
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import Decision, Permission, Query
from understage.platform.database import Database
from understage.platform.plugin import create_plugin


@dataclass
class Policy:
    """An authorizer that answers what a test wants."""

    decision: Decision = "ALLOW"

    async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        return [self.decision for _ in queries]

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        return self.decision == "ALLOW"

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        if self.decision != "ALLOW":
            raise NotAllowedError("")


@dataclass
class Catalog:
    """A running catalog and a client of it."""

    bench: Bench
    http: AsyncClient
    policy: Policy

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def names(self, query: str) -> list[str]:
        page = await self.get(f"/entities/by-query?{query}")
        return [entity["metadata"]["name"] for entity in page["items"]]


Authenticate = Callable[[Request], Awaitable[Credentials]]


async def as_ada(_request: Request) -> Credentials:
    """Whoever asks is `user:default/ada`."""
    return Credentials.user("user:default/ada", "token")


async def as_grace(token: str) -> Credentials:
    """Whoever gives the token `grace` is `user:default/grace`, and there is no other."""
    if token != "grace":
        raise AuthenticationError("Illegal token")
    return Credentials.user("user:default/grace", token)


def catalog_app(
    database: Database,
    engine: CatalogEngine,
    policy: Policy,
    authenticate: Authenticate = as_ada,
    served: Served | None = None,
) -> FastAPI:
    """The routes below `/api/catalog`, asked by whom `authenticate` tells; the database answers, unless `served` does."""
    served = served or Served(database, most_bytes=0)
    routers = create_catalog_routers(
        database,
        Access(policy),
        engine.service,
        engine.scheduler,
        engine.incremental,
        Auditor("catalog"),
        as_grace,
        served,
    )
    web = FastAPI()
    web.mount("/api/catalog", create_plugin("catalog", routers, authenticate=authenticate))
    return web


@asynccontextmanager
async def serving(bench: Bench, policy: Policy | None = None) -> AsyncIterator[Catalog]:
    """A client of the routes over a bench."""
    policy = policy or Policy()
    web = catalog_app(bench.database, bench.engine, policy)
    async with AsyncClient(transport=ASGITransport(web), base_url="http://test/api/catalog") as http:
        yield Catalog(bench, http, policy)
