"""`/.backstage/scheduler/v1`: which work repeats, and running it now. As in Backstage backend-defaults 0.18.0."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response

from understage.catalog.scheduling import DatabaseScheduler, ScheduledTask
from understage.platform.openapi import OBJECT, array_of, describe, object_of
from understage.platform.plugin import json_response

PREFIX = "/.backstage/scheduler/v1/tasks"


def create_scheduler_router(scheduler: DatabaseScheduler) -> APIRouter:
    """The routes; whoever may call the plugin may call them."""
    router = APIRouter()

    @router.get(
        PREFIX, openapi_extra=describe("Work that repeats", answers={200: object_of({"tasks": array_of(OBJECT)})})
    )
    async def list_tasks() -> Response:
        return json_response({"tasks": [_task(task) for task in await scheduler.list_tasks()]})

    @router.post(PREFIX + "/{task_id}/trigger", openapi_extra=describe("Run repeated work now", answers={200: None}))
    async def trigger(task_id: str) -> Response:
        await scheduler.trigger(task_id)
        return Response(status_code=200)

    @router.post(
        PREFIX + "/{task_id}/cancel", openapi_extra=describe("Stop work that is under way", answers={200: None})
    )
    async def cancel(task_id: str) -> Response:
        await scheduler.cancel(task_id)
        return Response(status_code=200)

    return router


def _task(task: ScheduledTask) -> dict[str, Any]:
    frequency, delay = task.schedule.frequency, task.schedule.initial_delay
    settings = {
        "version": 2,
        "cadence": _iso(frequency) if isinstance(frequency, timedelta) else frequency,
        "timeoutAfterDuration": _iso(task.schedule.timeout),
        **({} if delay is None else {"initialDelayDuration": _iso(delay)}),
    }
    return {
        "taskId": task.id,
        "pluginId": "catalog",
        "scope": task.schedule.scope,
        "settings": settings,
        "taskState": _state(task),
        "workerState": {"status": "running" if task.runs_here else "idle"},
    }


def _state(task: ScheduledTask) -> dict[str, Any] | None:
    row = task.row
    if row is None:
        return {"status": "running" if task.runs_here else "idle"} if task.schedule.scope == "local" else None
    timeout = int(task.schedule.timeout.total_seconds() * 1000)
    if row.lease_until is not None and row.started_at is not None:
        state = {
            "status": "running",
            "startedAt": _time(row.started_at),
            "timesOutAt": _time(row.started_at + timeout),
        }
    else:
        state = {"status": "idle", "startsAt": _time(row.next_run_at)}
    ended = {"lastRunEndedAt": _time(row.ended_at), "lastRunError": row.error}
    return {name: value for name, value in {**state, **ended}.items() if value is not None}


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _iso(length: timedelta) -> str:
    """An ISO 8601 duration, in the largest units that it is whole in."""
    rest = length.total_seconds()
    text = ""
    for unit, size in (("H", 3600), ("M", 60)):
        if rest >= size:
            text += f"{int(rest // size)}{unit}"
            rest %= size
    if rest or not text:
        text += f"{rest:g}S"
    return f"PT{text}"
