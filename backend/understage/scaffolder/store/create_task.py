"""Put a new task into the queue, or into the hands of the process that creates it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.claim_tasks import Claim
from understage.scaffolder.store.tables import tasks


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs a task from its first moment, and for how long it may be silent."""

    owner: str
    lease_ms: int


async def create_task(
    connection: AsyncConnection,
    *,
    task_id: str,
    spec: str,
    secrets: bytes | None,
    created_by: str | None,
    is_recoverable: bool,
    traceparent: str | None = None,
    holder: Holder | None = None,
) -> Claim | None:
    """Insert a task; `spec` is JSON, `secrets` encrypted. It is open, or claimed by its `holder`. One statement."""
    held: dict[str, Any] = {"status": "open"}
    if holder is not None:
        lease = now_ms() + holder.lease_ms
        held = {"status": "processing", "owner": holder.owner, "fence": 1, "lease_until": lease}
        held["last_heartbeat_at"] = now_ms()
    await connection.execute(
        insert(tasks).values(
            id=task_id,
            spec=spec,
            secrets=secrets,
            created_by=created_by,
            is_recoverable=is_recoverable,
            traceparent=traceparent,
            created_at=now_ms(),
            queued_at=now_ms(),
            **held,
        )
    )
    if holder is None:
        return None
    return Claim(
        task_id=task_id,
        fence=1,
        journal=0,
        spec=spec,
        secrets=secrets,
        created_by=created_by,
        is_recoverable=is_recoverable,
        resumed=False,
        deaths=0,
        cancel_requested=False,
        traceparent=traceparent,
        waited_ms=0,
    )
