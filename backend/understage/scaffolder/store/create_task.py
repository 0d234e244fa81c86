"""Put a new task into the queue."""

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.tables import tasks


async def create_task(
    connection: AsyncConnection,
    *,
    task_id: str,
    spec: str,
    secrets: bytes | None,
    created_by: str | None,
    is_recoverable: bool,
    traceparent: str | None = None,
) -> None:
    """Insert an open task; `spec` is JSON, `secrets` encrypted."""
    await connection.execute(
        insert(tasks).values(
            id=task_id,
            spec=spec,
            status="open",
            secrets=secrets,
            created_by=created_by,
            is_recoverable=is_recoverable,
            traceparent=traceparent,
            created_at=now_ms(),
            queued_at=now_ms(),
        )
    )
