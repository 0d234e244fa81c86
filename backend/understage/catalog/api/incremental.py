"""`/incremental/…`: how incremental providers are doing. Answers as catalog-backend-module-incremental-ingestion 0.8.0."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from understage.catalog.access import Access
from understage.catalog.providers.incremental_control import IncrementalControl
from understage.catalog.store.ingestion_marks import Mark
from understage.errors import NotAllowedError, NotFoundError
from understage.identity.permissions import CATALOG_INGESTION_MANAGE, CATALOG_INGESTION_READ
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response

PROVIDER = "/incremental/providers/{provider}"

HEALTH = object_of({"healthy": {"type": "boolean"}})
RESULT = object_of({"success": {"type": "boolean"}})
PROVIDERS = object_of({"success": {"type": "boolean"}, "providers": array_of(STRING)})
# What is not known is answered in the same form, and what is forbidden as everywhere.
RESULTS = {200: RESULT, 404: RESULT}


def create_incremental_router(access: Access, control: IncrementalControl) -> APIRouter:
    """The routes."""
    router = APIRouter()
    _add_reading(router, access, control)
    _add_managing(router, access, control)
    return router


def _add_reading(router: APIRouter, access: Access, control: IncrementalControl) -> None:
    @router.get("/incremental/health", openapi_extra=describe("Whether all is well", answers={200: HEALTH}))
    async def get_health(request: Request) -> Response:
        await _require(access, request)
        duplicates = await control.duplicates()
        if duplicates:
            return json_response({"healthy": False, "duplicateIngestions": duplicates})
        return json_response({"healthy": True})

    @router.get("/incremental/providers", openapi_extra=describe("Incremental providers", answers={200: PROVIDERS}))
    async def list_providers(request: Request) -> Response:
        await _require(access, request)
        return json_response({"success": True, "providers": await control.names()})

    @router.get(PROVIDER, openapi_extra=describe("How a provider is doing", answers=RESULTS))
    async def get_provider(request: Request, provider: str) -> Response:
        await _require(access, request)
        try:
            ingestion = (await control.status(provider)).ingestion
        except NotFoundError as error:
            return json_response({"success": False, "status": {}, "last_error": error.message}, 404)
        if ingestion is None:
            return json_response({"success": True, "status": {"current_action": "rest complete, waiting to start"}})
        status = {"current_action": ingestion.status, "next_action_at": _iso(ingestion.next_action_at)}
        return json_response({"success": True, "status": status, "last_error": ingestion.last_error})

    @router.get(f"{PROVIDER}/marks", openapi_extra=describe("How far a provider has come", answers=RESULTS))
    async def get_marks(request: Request, provider: str) -> Response:
        await _require(access, request)
        try:
            ingestion = (await control.status(provider)).ingestion
        except NotFoundError as error:
            return json_response({"success": False, "status": {}, "last_error": error.message}, 404)
        if ingestion is None:
            return json_response({"success": True, "message": "No records yet (provider is restarting)"})
        return json_response({"success": True, "records": [_record(mark) for mark in await control.marks(ingestion)]})


def _add_managing(router: APIRouter, access: Access, control: IncrementalControl) -> None:
    @router.post("/incremental/cleanup", openapi_extra=describe("Forget what all providers did", answers={200: OBJECT}))
    async def clean_up(request: Request) -> Response:
        await _require(access, request)
        deleted = await control.purge_all()
        body = {"ingestionsDeleted": deleted.ingestions, "ingestionMarksDeleted": deleted.marks}
        return json_response({**body, "markEntitiesDeleted": deleted.entities})

    @router.post(
        f"{PROVIDER}/{{action}}",
        openapi_extra=describe("Trigger, start or cancel", answers={200: RESULT, 404: None}),
    )
    async def act(request: Request, provider: str, action: str) -> Response:
        await _require(access, request)
        if action not in _MESSAGES:
            return Response(status_code=404)
        try:
            ingestion = (await control.status(provider)).ingestion
        except NotFoundError as error:
            return json_response({"success": False, "message": error.message}, 404)
        done, between = _MESSAGES[action]
        if ingestion is None:
            return json_response({"success": True, "message": between})
        await {"trigger": control.trigger, "start": control.start, "cancel": control.cancel}[action](ingestion)
        return json_response({"success": True, "message": f"{provider}: {done}"})

    @router.delete(PROVIDER, openapi_extra=describe("Forget what a provider did", answers={200: OBJECT, 404: RESULT}))
    async def delete_provider(request: Request, provider: str) -> Response:
        await _require(access, request)
        try:
            deleted = await control.purge(provider)
        except NotFoundError as error:
            return json_response({"success": False, "message": error.message}, 404)
        body = {"provider": provider, "ingestionsDeleted": deleted.ingestions, "marksDeleted": deleted.marks}
        return json_response({**body, "markEntitiesDeleted": deleted.entities})

    @router.delete(f"{PROVIDER}/marks", openapi_extra=describe("Forget finished cycles of a provider", answers=RESULTS))
    async def delete_marks(request: Request, provider: str) -> Response:
        await _require(access, request)
        deleted = await control.clear_finished(provider)
        counts = {"markEntitiesDeleted": deleted.entities, "marksDeleted": deleted.marks}
        deletions = {"deletions": {**counts, "ingestionsDeleted": deleted.ingestions}}
        message = f"Expired marks for provider '{provider}' removed."
        return json_response({"success": True, "message": message, "deletions": deletions})


# What is said of a provider with an open cycle, and of one between two.
_MESSAGES = {
    "trigger": ("Next action triggered.", "Unable to trigger next action (provider is restarting)"),
    "start": ("Next cycle triggered.", "Provider is already restarting"),
    "cancel": ("Current ingestion canceled.", "Provider is currently restarting, please wait."),
}


async def _require(access: Access, request: Request) -> None:
    reads = request.method in ("GET", "HEAD")
    permission = CATALOG_INGESTION_READ if reads else CATALOG_INGESTION_MANAGE
    if not await access.is_allowed(request.state.credentials, permission):
        raise NotAllowedError("Unauthorized")


def _record(mark: Mark) -> dict[str, Any]:
    return {
        "id": mark.id,
        "ingestion_id": mark.ingestion_id,
        "cursor": mark.cursor,
        "sequence": mark.sequence,
        "created_at": _iso(mark.created_at),
    }


def _iso(milliseconds: int) -> str:
    time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
