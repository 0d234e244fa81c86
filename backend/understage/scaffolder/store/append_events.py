"""Add events to tasks. The caller holds the lock of each task's row (a fenced write, FOR UPDATE, or a claim)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.platform.json import dumps_text
from understage.scaffolder.store.tables import task_events

EventType = Literal["log", "completion", "cancelled", "recovered"]


@dataclass(frozen=True)
class NewEvent:
    """An event before it has an id; `body` as on the wire (`message`, `stepId`, `status`, …)."""

    task_id: str
    type: EventType
    body: dict[str, Any] = field(default_factory=dict)


async def append_events(connection: AsyncConnection, events: Sequence[NewEvent]) -> None:
    """Insert events in the order given, which is that of their ids."""
    if not events:
        return
    rows = [
        {"task_id": event.task_id, "event_type": event.type, "step_id": _step_of(event), "body": dumps_text(event.body)}
        for event in events
    ]
    await connection.execute(insert(task_events).values(created_at=now_ms()), rows)


def _step_of(event: NewEvent) -> str | None:
    step_id = event.body.get("stepId")
    return step_id if isinstance(step_id, str) else None
