"""`POST /v2/tasks/{id}/undo`: take away what a task made. Beyond Backstage; see docs/differences.md."""

from typing import Any

from fastapi import APIRouter, Request, Response

from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.identity.permissions import SCAFFOLDER_TASK_CANCEL, SCAFFOLDER_TASK_CREATE, SCAFFOLDER_TASK_READ
from understage.model.task import TaskSpec
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import SCAFFOLDER_BODY_LIMIT, Body, Member, check_body, parse_query, read_json
from understage.scaffolder.api.task_access import TaskAccess
from understage.scaffolder.service import ScaffolderService

BODY = Body({"dryRun": Member("boolean")}, required=False)
PLAN = object_of({"steps": array_of(OBJECT)})
STARTED = object_of({"id": STRING, "steps": array_of(OBJECT)})


def create_undo_router(service: ScaffolderService, authorizer: Authorizer, auditor: Auditor) -> APIRouter:
    """The route. Whoever may cancel a task may undo it, if they may create tasks."""
    router = APIRouter()
    access = TaskAccess(service, authorizer)

    @router.post(
        "/v2/tasks/{task_id}/undo",
        openapi_extra=describe("Take away what a task made", body=BODY, answers={200: PLAN, 201: STARTED}),
    )
    async def undo_task(request: Request, task_id: str) -> Response:
        parse_query(request, {})
        sent = await read_json(request, limit=SCAFFOLDER_BODY_LIMIT)
        is_dry_run = check_body({} if sent is None else sent, BODY.members).get("dryRun", False)
        credentials = request.state.credentials
        meta = {"actionType": "undo", "taskId": task_id, "dryRun": is_dry_run}
        with auditor.event("task", credentials=credentials, severity="medium", meta=meta) as event:
            task = await access.find(task_id, credentials, SCAFFOLDER_TASK_CANCEL, SCAFFOLDER_TASK_READ)
            if is_dry_run:
                return json_response({"steps": planned(await service.undo_spec(task))})
            await authorizer.require(SCAFFOLDER_TASK_CREATE, credentials)
            undo_id, spec = await service.undo(task, credentials)
            event.meta["undoTaskId"] = undo_id
        return json_response({"id": undo_id, "steps": planned(spec)}, 201)

    return router


def planned(spec: TaskSpec) -> list[dict[str, Any]]:
    """The steps of an undo with their inputs as they will be."""
    return [
        {"name": step["name"], "action": step["action"], "input": input}
        for step, input in zip(spec["steps"], spec["parameters"]["undo"], strict=True)
    ]
