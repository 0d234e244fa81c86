"""Tell other replicas that something happened: PostgreSQL's NOTIFY, sent when the transaction commits."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "understage_tasks"


async def notify(connection: AsyncConnection, task_id: str) -> None:
    """Announce news of a task. On SQLite there is one process, which tells itself."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": task_id})
