"""`POST /v2/dry-run`: what the template editor runs."""

from typing import Any

from fastapi import APIRouter, Request, Response

from understage.errors import InputError
from understage.identity.audit import Auditor
from understage.platform.plugin import json_response
from understage.platform.requests import SCAFFOLDER_BODY_LIMIT, Member, check_body, read_json
from understage.scaffolder.api.answers import answering_values_errors
from understage.scaffolder.dry_run import DryRun, DryRunRequest

MEMBERS = {
    "template": Member("object", required=True),
    "values": Member("object", required=True),
    "secrets": Member("object"),
    "directoryContents": Member("array", required=True, items="object"),
}


def create_dry_run_router(dry_run: DryRun, auditor: Auditor) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.post("/v2/dry-run")
    @answering_values_errors
    async def run_dry(request: Request) -> Response:
        body = check_body(await read_json(request, limit=SCAFFOLDER_BODY_LIMIT), MEMBERS)
        asked = DryRunRequest(
            template=body["template"], values=body["values"], secrets=_read_secrets(body), files=_read_files(body)
        )
        credentials = request.state.credentials
        with auditor.event("task", credentials=credentials, meta={"actionType": "dry-run"}):
            return json_response(await dry_run.run(asked, credentials))

    return router


def _read_secrets(body: dict[str, Any]) -> dict[str, str]:
    secrets: dict[str, str] = body.get("secrets") or {}
    for name, value in secrets.items():
        if not isinstance(value, str):
            raise InputError(f"request/body/secrets/{name} must be string")
    return secrets


def _read_files(body: dict[str, Any]) -> list[tuple[str, str]]:
    members = {"path": Member("string", required=True), "base64Content": Member("string", required=True)}
    files = []
    for index, item in enumerate(body["directoryContents"]):
        checked = check_body(item, members, path=f"request/body/directoryContents/{index}")
        files.append((checked["path"], checked["base64Content"]))
    return files
