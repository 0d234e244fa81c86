"""Put a new task into the queue, or into the hands of the process that creates it."""

from dataclasses import dataclass

from sqlalchemy import bindparam, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.platform.database import now_ms
from understage.scaffolder.store.claim_tasks import Claim
from understage.scaffolder.store.tables import tasks

# Made once: to put them together costs more than to send them.
_OPEN = insert(tasks).values(created_at=now_ms(), queued_at=now_ms())
_HELD = _OPEN.values(lease_until=now_ms() + bindparam("lease_ms"), last_heartbeat_at=now_ms())


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
    new = {
        "id": task_id,
        "spec": spec,
        "secrets": secrets,
        "created_by": created_by,
        "is_recoverable": is_recoverable,
        "traceparent": traceparent,
    }
    if holder is None:
        await connection.execute(_OPEN, {**new, "status": "open"})
        return None
    await connection.execute(
        _HELD, {**new, "status": "processing", "fence": 1, "owner": holder.owner, "lease_ms": holder.lease_ms}
    )
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
