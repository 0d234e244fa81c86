"""`/entities/unprocessed/…`: what has come in and is not served, as the module for the stock DevTools page has it.

Paths, shapes and messages are those of Backstage catalog-backend-module-unprocessed 0.6.16.
"""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.api.answers import answer_with_etag
from understage.catalog.service import CatalogService
from understage.catalog.store.select_unprocessed import UnprocessedRow, select_unprocessed
from understage.errors import NotAllowedError
from understage.identity.credentials import Credentials
from understage.identity.permissions import CATALOG_UNPROCESSED_DELETE, CATALOG_UNPROCESSED_READ, Permission
from understage.platform.database import Database
from understage.platform.json import dumps, loads
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of

PATH = "/entities/unprocessed"
ENTITIES = object_of({"type": STRING, "entities": array_of(OBJECT)})
FINAL: dict[str, None] = {"final_entity": None, "hash": None, "last_updated_at": None}
"""The stock rows are joined with what is served, which is nothing."""


def create_unprocessed_router(database: Database, access: Access, service: CatalogService) -> APIRouter:
    """The routes."""
    router = APIRouter()

    async def require(credentials: Credentials, permission: Permission) -> None:
        if not await access.is_allowed(credentials, permission):
            raise NotAllowedError("Unauthorized")

    @router.get(f"{PATH}/failed", openapi_extra=describe("Entities without content", answers={200: ENTITIES}))
    async def list_failed(request: Request) -> Response:
        await require(request.state.credentials, CATALOG_UNPROCESSED_READ)
        # Entities that are served without content: neither this catalog nor the stock one has any since version 4.
        return answer_with_etag(request, dumps({"type": "failed", "entities": []}))

    @router.get(f"{PATH}/pending", openapi_extra=describe("Entities that are not served", answers={200: ENTITIES}))
    async def list_pending(request: Request) -> Response:
        await require(request.state.credentials, CATALOG_UNPROCESSED_READ)
        owners = request.query_params.getlist("owner")
        # As in the stock module, an owner that is repeated or empty asks for all.
        owner = owners[0] if len(owners) == 1 and owners[0] else None
        async with database.read() as connection:
            rows = [_to_wire(row) for row in await select_unprocessed(connection)]
        if owner is not None:
            rows = [row for row in rows if _owner_of(row["unprocessed_entity"]) == owner]
        return answer_with_etag(request, dumps({"type": "pending", "entities": rows}))

    @router.delete(
        f"{PATH}/delete/{{uid}}", openapi_extra=describe("Remove an entity that is not served", answers={204: None})
    )
    async def delete_unprocessed(request: Request, uid: str) -> Response:
        await require(request.state.credentials, CATALOG_UNPROCESSED_DELETE)
        await service.delete_entity(uid)
        return Response(status_code=204)

    return router


def _to_wire(row: UnprocessedRow) -> dict[str, Any]:
    processed = None if row.processed_entity is None else loads(row.processed_entity)
    if processed is not None:
        processed["metadata"]["uid"] = row.entity_id
    decoded = {
        "unprocessed_entity": loads(row.unprocessed_entity),
        "processed_entity": processed,
        "cache": {} if row.cache is None else loads(row.cache),
        "errors": loads(row.errors),
    }
    times = {name: _time(getattr(row, name)) for name in ("next_update_at", "last_discovery_at")}
    return {**row._asdict(), **decoded, **times, **FINAL}


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _owner_of(entity: dict[str, Any]) -> Any:
    spec = entity.get("spec")
    return spec.get("owner") if isinstance(spec, dict) else None
