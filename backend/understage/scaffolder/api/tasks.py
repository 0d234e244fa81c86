"""`/v2/tasks…`: create, list, look at, cancel, retry. Checks and their order as in Backstage scaffolder-backend 4.2.0."""

from typing import Any

from fastapi import APIRouter, Request, Response

from understage.errors import InputError
from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.identity.permissions import (
    SCAFFOLDER_TASK_CANCEL,
    SCAFFOLDER_TASK_CREATE,
    SCAFFOLDER_TASK_READ,
)
from understage.platform.openapi import OBJECT, STRING, array_of, describe, object_of
from understage.platform.plugin import json_response
from understage.platform.requests import (
    SCAFFOLDER_BODY_LIMIT,
    Body,
    Member,
    Parameter,
    check_body,
    parse_query,
    read_json,
)
from understage.scaffolder.api.answers import VALUES_ERROR, answering_values_errors
from understage.scaffolder.api.task_access import TaskAccess
from understage.scaffolder.service import ScaffolderService, TaskQuery
from understage.scaffolder.store.select_tasks import Order

ORDER_FIELDS = ("created_at", "status", "created_by")
LIST_PARAMETERS = {
    "createdBy": Parameter("list"),
    "status": Parameter("list"),
    "order": Parameter("list"),
    "limit": Parameter("integer", minimum=0),
    "offset": Parameter("integer", minimum=0),
}


CREATE_BODY = Body(
    {
        "templateRef": Member("string", required=True),
        "values": Member("object", required=True),
        "secrets": Member("object", values="string"),
    }
)
RETRY_BODY = Body({"secrets": Member("object", values="string")}, required=False)

TASK = object_of(dict.fromkeys(("id", "status", "createdAt"), STRING), {"spec": OBJECT, "createdBy": STRING})
TASKS = object_of({"tasks": array_of(TASK), "totalTasks": {"type": "integer"}})
CREATED = object_of({"id": STRING})


def create_tasks_router(service: ScaffolderService, authorizer: Authorizer, auditor: Auditor) -> APIRouter:
    """The routes."""
    router = APIRouter()
    access = TaskAccess(service, authorizer)

    @router.post(
        "/v2/tasks",
        openapi_extra=describe("Run a template", body=CREATE_BODY, answers={201: CREATED, 400: VALUES_ERROR}),
    )
    @answering_values_errors
    async def create_task(request: Request) -> Response:
        parse_query(request, {})
        body = check_body(await _read(request), CREATE_BODY.members)
        secrets = body.get("secrets", {})
        credentials = request.state.credentials
        meta = {"actionType": "create", "templateRef": body["templateRef"]}
        with auditor.event("task", credentials=credentials, severity="medium", meta=meta) as event:
            await authorizer.require(SCAFFOLDER_TASK_CREATE, credentials)
            task_id = await service.create(body["templateRef"], body["values"], secrets, credentials)
            event.meta["taskId"] = task_id
        return json_response({"id": task_id}, 201)

    @router.get("/v2/tasks", openapi_extra=describe("A page of tasks", query=LIST_PARAMETERS, answers={200: TASKS}))
    async def list_tasks(request: Request) -> Response:
        sent = parse_query(request, LIST_PARAMETERS)
        query = TaskQuery(
            created_by=[name for name in sent.get("createdBy", ()) if name],
            statuses=sent.get("status", ()),
            order=[_read_order(text) for text in sent.get("order", ())],
            limit=sent.get("limit"),
            offset=sent.get("offset", 0),
        )
        credentials = request.state.credentials
        with auditor.event("task", credentials=credentials, meta={"actionType": "list"}):
            tasks, total = await access.readable(query, credentials)
        return json_response({"tasks": [task.to_wire() for task in tasks], "totalTasks": total})

    @router.get("/v2/tasks/{task_id}", openapi_extra=describe("One task", answers={200: TASK}))
    async def get_task(request: Request, task_id: str) -> Response:
        parse_query(request, {})
        credentials = request.state.credentials
        with auditor.event("task", credentials=credentials, meta={"actionType": "get", "taskId": task_id}):
            task = await access.find(task_id, credentials, SCAFFOLDER_TASK_READ)
        return json_response(task.to_wire())

    @router.post(
        "/v2/tasks/{task_id}/cancel",
        openapi_extra=describe("Cancel a task", answers={200: object_of({"status": STRING})}),
    )
    async def cancel_task(request: Request, task_id: str) -> Response:
        parse_query(request, {})
        credentials = request.state.credentials
        meta = {"actionType": "cancel", "taskId": task_id}
        with auditor.event("task", credentials=credentials, severity="medium", meta=meta):
            await access.find(task_id, credentials, SCAFFOLDER_TASK_CANCEL, SCAFFOLDER_TASK_READ)
            await service.cancel(task_id)
        return json_response({"status": "cancelled"})

    @router.post(
        "/v2/tasks/{task_id}/retry",
        openapi_extra=describe("Run a failed task again", body=RETRY_BODY, answers={201: CREATED, 400: VALUES_ERROR}),
    )
    @answering_values_errors
    async def retry_task(request: Request, task_id: str) -> Response:
        parse_query(request, {})
        sent = await _read(request)
        body = check_body({} if sent is None else sent, RETRY_BODY.members)
        secrets = body.get("secrets", {})
        credentials = request.state.credentials
        meta = {"actionType": "retry", "taskId": task_id}
        with auditor.event("task", credentials=credentials, severity="medium", meta=meta):
            await service.get(task_id)
            await authorizer.require(SCAFFOLDER_TASK_CREATE, credentials)
            task = await access.find(task_id, credentials, SCAFFOLDER_TASK_READ)
            await service.retry(task, secrets, credentials)
        return json_response({"id": task_id}, 201)

    return router


async def _read(request: Request) -> Any:
    return await read_json(request, limit=SCAFFOLDER_BODY_LIMIT)


def _read_order(text: str) -> Order:
    direction, separator, field = text.partition(":")
    if not separator or not field or direction not in ("asc", "desc"):
        raise InputError(f'Invalid order parameter "{text}", expected "<asc or desc>:<field name>"')
    if field not in ORDER_FIELDS:
        raise InputError(f'Invalid order field "{field}"')
    return field, direction  # type: ignore[return-value] # both were just checked against the literals
