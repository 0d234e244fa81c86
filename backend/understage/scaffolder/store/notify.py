"""Tell other replicas that something happened: PostgreSQL's NOTIFY, sent when the transaction commits."""

from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "understage_tasks"
News = Literal["event", "queue", "cancel"]


async def notify(connection: AsyncConnection, news: News, task_id: str) -> None:
    """Announce news of a task as `<news>:<task id>`. On SQLite the process that writes tells itself."""
    if connection.dialect.name == "postgresql":
        payload = f"{news}:{task_id}"
        await connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})
