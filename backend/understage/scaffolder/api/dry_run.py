"""`POST /v2/dry-run`: what the template editor runs."""

from typing import Any

from fastapi import APIRouter, Request, Response

from understage.identity.audit import Auditor
from understage.platform.openapi import OBJECT, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import SCAFFOLDER_BODY_LIMIT, Body, Member, check_body, parse_query, read_json
from understage.scaffolder.api.answers import VALUES_ERROR, answering_values_errors
from understage.scaffolder.dry_run import DryRun, DryRunRequest

FILE_MEMBERS = {"path": Member("string", required=True), "base64Content": Member("string", required=True)}
BODY = Body(
    {
        "template": Member("object", required=True),
        "values": Member("object", required=True),
        "secrets": Member("object", values="string"),
        "directoryContents": Member("array", required=True, items="object", members=FILE_MEMBERS),
    }
)
RESULT = object_of({"log": array_of(OBJECT), "directoryContents": array_of(OBJECT)}, {"output": OBJECT})


def create_dry_run_router(dry_run: DryRun, auditor: Auditor) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.post(
        "/v2/dry-run",
        openapi_extra=describe("Run a template without effects", body=BODY, answers={200: RESULT, 400: VALUES_ERROR}),
    )
    @answering_values_errors
    async def run_dry(request: Request) -> Response:
        parse_query(request, {})
        body = check_body(await read_json(request, limit=SCAFFOLDER_BODY_LIMIT), BODY.members)
        asked = DryRunRequest(
            template=body["template"], values=body["values"], secrets=body.get("secrets", {}), files=_read_files(body)
        )
        credentials = request.state.credentials
        with auditor.event("task", credentials=credentials, meta={"actionType": "dry-run"}):
            return json_response(await dry_run.run(asked, credentials))

    return router


def _read_files(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(file["path"], file["base64Content"]) for file in body["directoryContents"]]
