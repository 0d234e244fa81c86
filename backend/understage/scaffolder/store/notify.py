"""Tell other replicas that something happened: PostgreSQL's NOTIFY, sent when the transaction commits."""

from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CHANNEL = "understage_tasks"
News = Literal["event", "queue", "cancel"]

_TOGETHER = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload")


async def notify(connection: AsyncConnection, news: News, *task_ids: str, sender: str) -> None:
    """Announce news of tasks as `<news>:<task id>:<sender>`. `sender` tells itself, and on SQLite there is nobody else."""
    if connection.dialect.name == "postgresql" and task_ids:
        payloads = [f"{news}:{task_id}:{sender}" for task_id in task_ids]
        await connection.execute(_TOGETHER, {"channel": CHANNEL, "payloads": payloads})


def read_news(payload: str, *, own: str) -> tuple[str, str] | None:
    """(news, task id) of an announcement; None for those of the sender `own`."""
    news, _, rest = payload.partition(":")
    task_id, _, sender = rest.partition(":")
    return None if sender == own else (news, task_id)
