"""Actions about tasks: list them, and tell what happened in one."""

from typing import Any

from understage.errors import NotAllowedError
from understage.identity.actions import OfferedAction, schema_of
from understage.identity.audit import Auditor
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import SCAFFOLDER_TASK_READ
from understage.scaffolder.api.actions.schemas import NUMBER, TEXT, array_of, shape, text
from understage.scaffolder.api.event_stream import LONG_POLL_SECONDS
from understage.scaffolder.api.task_access import TaskAccess
from understage.scaffolder.events import Event
from understage.scaffolder.service import ScaffolderService, TaskQuery

STATUS = {**TEXT, "enum": ["open", "processing", "completed", "failed", "cancelled", "skipped"]}
TASK = shape(
    {
        "id": text("Id of the task."),
        "status": text("One of the statuses that can be asked for."),
        "createdAt": text("When it was created."),
    },
    {"spec": {"description": "What it runs."}, "lastHeartbeatAt": text("When it last gave a sign of life.")},
)
EVENT = shape(
    {
        "id": {**NUMBER, "description": "Number of the event."},
        "taskId": text("Which task."),
        "createdAt": text("When it happened."),
        "type": text("log, completion, cancelled or recovered."),
        "body": {
            **shape(
                {"message": text("What is said.")},
                {"stepId": text("About which step."), "status": text("How the step is.")},
            ),
            "description": "What happened.",
        },
    }
)
TASK_FIELDS = ("id", "spec", "status", "createdAt", "lastHeartbeatAt")
EVENT_FIELDS = ("id", "taskId", "createdAt", "type")
BODY_FIELDS = ("message", "stepId", "status")


def create_task_actions(
    service: ScaffolderService, authorizer: Authorizer, auditor: Auditor
) -> tuple[OfferedAction, OfferedAction]:
    """`list-scaffolder-tasks`, `get-scaffolder-task-logs`."""
    access = TaskAccess(service, authorizer)

    async def list_tasks(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        query = _read_query(input, credentials)
        with auditor.event("task", credentials=credentials, meta={"actionType": "list"}):
            tasks, total = await access.readable(query, credentials)
        return {"tasks": [_chosen(task.to_wire(), TASK_FIELDS) for task in tasks], "totalTasks": total}

    async def get_logs(input: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        task_id, after = input["taskId"], input.get("after")
        with auditor.event("task", credentials=credentials, meta={"actionType": "events", "taskId": task_id}):
            task = await access.find(task_id, credentials, SCAFFOLDER_TASK_READ)
        position = None if after is None else int(after)
        events = await service.wait_for_events(task, after=position, seconds=LONG_POLL_SECONDS)
        return {"events": [_describe(event) for event in events]}

    return (
        OfferedAction(
            "list-scaffolder-tasks",
            "List Scaffolder Tasks",
            "Lists the tasks of the scaffolder that the caller may see, newest first: id, status, times and what they run.",
            schema_of(
                {
                    "owned": {"type": "boolean", "default": False, "description": "Only the caller's own tasks."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "At most how many."},
                    "offset": {"type": "integer", "minimum": 0, "description": "How many to leave out before."},
                    "status": {
                        "anyOf": [
                            STATUS,
                            {"type": "array", "items": {"$ref": "#/properties/status/anyOf/0"}, "minItems": 1},
                        ],
                        "description": "One status, or a list of them.",
                    },
                }
            ),
            {
                **schema_of(
                    {
                        "tasks": array_of(TASK, "A page of the tasks."),
                        "totalTasks": {**NUMBER, "description": "How many there are in all."},
                    },
                    ["tasks", "totalTasks"],
                ),
                "description": "The tasks, and how many there are.",
            },
            run=list_tasks,
            read_only=True,
            idempotent=True,
        ),
        OfferedAction(
            "get-scaffolder-task-logs",
            "Get Scaffolder Task Logs",
            "Tells the events of a task. With `after`, the number of the last event known, those since; waits up to half a "
            "minute for the first.",
            schema_of(
                {
                    "taskId": text("Id of the task."),
                    "after": {"type": "integer", "minimum": 0, "description": "Number of the last event known."},
                },
                ["taskId"],
            ),
            {**schema_of({"events": array_of(EVENT, "In order.")}, ["events"]), "description": "The events."},
            run=get_logs,
            read_only=True,
            idempotent=True,
        ),
    )


def _read_query(input: dict[str, Any], credentials: Credentials) -> TaskQuery:
    owner = credentials.user_ref
    if input.get("owned") and owner is None:
        raise NotAllowedError("Filtering by owned tasks requires a user identity.")
    status, limit = input.get("status", []), input.get("limit")
    return TaskQuery(
        created_by=[owner] if input.get("owned") and owner is not None else [],
        statuses=status if isinstance(status, list) else [status],
        limit=None if limit is None else int(limit),
        offset=int(input.get("offset", 0)),
    )


def _describe(event: Event) -> dict[str, Any]:
    return {**_chosen(event, EVENT_FIELDS), "body": _chosen(event["body"], BODY_FIELDS)}


def _chosen(whole: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: whole[name] for name in names if name in whole}
