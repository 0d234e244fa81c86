"""Add events to tasks. The caller holds the lock of each task's row (a fenced write, FOR UPDATE, or a claim)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.platform.json import dumps_text
from understage.scaffolder.store.tables import task_events

EventType = Literal["log", "completion", "cancelled", "recovered"]

INSERT_EVENTS = """
    INSERT INTO task_events (task_id, event_type, step_id, body, created_at)
    SELECT task_id, event_type, step_id, body, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
    FROM ROWS FROM (
        json_to_recordset(CAST(:events AS json)) AS (task_id text, event_type text, step_id text, body text)
    ) WITH ORDINALITY AS sent(task_id, event_type, step_id, body, place)
    ORDER BY place
"""
"""PostgreSQL's way, of `as_parameter`, one text: lists cost the driver more. Ids are given in the order of places."""
_TOGETHER = text(INSERT_EVENTS)


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
    if connection.dialect.name == "postgresql":
        await connection.execute(_TOGETHER, as_parameter(events))
        return
    await connection.execute(insert(task_events).values(created_at=now_ms()), _rows(events))


def as_parameter(events: Sequence[NewEvent]) -> dict[str, str]:
    """The events as the one parameter of `INSERT_EVENTS`; bodies are texts in it, since PostgreSQL's JSON has no NUL."""
    return {"events": dumps_text(_rows(events))}


def _rows(events: Sequence[NewEvent]) -> list[dict[str, str | None]]:
    return [
        {"task_id": event.task_id, "event_type": event.type, "step_id": _step_of(event), "body": dumps_text(event.body)}
        for event in events
    ]


def _step_of(event: NewEvent) -> str | None:
    step_id = event.body.get("stepId")
    return step_id if isinstance(step_id, str) else None
