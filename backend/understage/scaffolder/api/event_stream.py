"""`/v2/tasks/{id}/events` and `/eventstream`: what happened in a task, as a long poll and as server-sent events.

Beyond Backstage scaffolder-backend 4.2.0: `id:` lines and `Last-Event-ID`, and a comment every 15 s, so that proxies keep
quiet streams open.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse

from understage.errors import InputError
from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.identity.permissions import SCAFFOLDER_TASK_READ
from understage.platform.json import dumps
from understage.platform.openapi import OBJECT, Text, array_of, describe
from understage.platform.plugin import json_response
from understage.platform.requests import Parameter, parse_query
from understage.scaffolder.api.task_access import TaskAccess
from understage.scaffolder.events import Event
from understage.scaffolder.service import ScaffolderService

LONG_POLL_SECONDS = 30.0
HEARTBEAT_SECONDS = 15.0
PARAMETERS = {"after": Parameter("integer")}
STREAM_HEADERS = {
    "content-type": "text/event-stream",  # as a header: as media type it would get a charset, which stock answers lack
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "x-accel-buffering": "no",
}


def create_event_router(service: ScaffolderService, authorizer: Authorizer, auditor: Auditor) -> APIRouter:
    """The routes."""
    router = APIRouter()
    access = TaskAccess(service, authorizer)

    @router.get(
        "/v2/tasks/{task_id}/events",
        openapi_extra=describe("Wait for events of a task", query=PARAMETERS, answers={200: array_of(OBJECT)}),
    )
    async def poll_events(request: Request, task_id: str) -> Response:
        after = parse_query(request, PARAMETERS).get("after")
        credentials = request.state.credentials
        with auditor.event("task", credentials=credentials, meta={"actionType": "events", "taskId": task_id}):
            task = await access.find(task_id, credentials, SCAFFOLDER_TASK_READ)
        return json_response(await service.wait_for_events(task, after=after, seconds=LONG_POLL_SECONDS))

    @router.get(
        "/v2/tasks/{task_id}/eventstream",
        openapi_extra=describe("Follow a task", query=PARAMETERS, answers={200: Text("text/event-stream")}),
    )
    async def stream_events(request: Request, task_id: str) -> Response:
        after = _read_position(request)
        credentials = request.state.credentials
        with auditor.event("task", credentials=credentials, meta={"actionType": "stream", "taskId": task_id}):
            task = await access.find(task_id, credentials, SCAFFOLDER_TASK_READ)
        batches = service.follow_events(task, after=after, pause=HEARTBEAT_SECONDS)
        return StreamingResponse(_frame(batches), headers=STREAM_HEADERS)

    return router


def _read_position(request: Request) -> int | None:
    """`?after`, else where the browser's own reconnection says that it was."""
    after = parse_query(request, PARAMETERS).get("after")
    if after is not None:
        position: int = after
        return position
    last = request.headers.get("last-event-id")
    if last is None:
        return None
    if not (last.isascii() and last.isdigit() and len(last) <= 18):
        raise InputError("Last-Event-ID must be integer")
    return int(last)


async def _frame(batches: AsyncGenerator[list[Event], None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(batches):
        async for batch in batches:
            yield b"".join(map(_frame_event, batch)) if batch else b": still here\n\n"


def _frame_event(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event["id"], event["type"].encode(), dumps(event))
