"""Put a new task into the queue, or into the hands of the process that creates it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class NewRow:
    """A task as it is stored first; `spec` is JSON, `secrets` encrypted."""

    task_id: str
    spec: str
    secrets: bytes | None
    created_by: str | None
    is_recoverable: bool
    traceparent: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Its columns, without those that say who runs it."""
        return {
            "id": self.task_id,
            "spec": self.spec,
            "secrets": self.secrets,
            "created_by": self.created_by,
            "is_recoverable": self.is_recoverable,
            "traceparent": self.traceparent,
        }


async def create_open_tasks(connection: AsyncConnection, rows: Sequence[NewRow]) -> None:
    """Insert tasks that anybody may claim."""
    await connection.execute(_OPEN, [{**row.values, "status": "open"} for row in rows])


async def create_held_task(connection: AsyncConnection, row: NewRow, holder: Holder) -> Claim:
    """Insert a task that is claimed by its `holder`. One statement."""
    held = {"status": "processing", "fence": 1, "owner": holder.owner, "lease_ms": holder.lease_ms}
    await connection.execute(_HELD, {**row.values, **held})
    return Claim(
        task_id=row.task_id,
        fence=1,
        journal=0,
        spec=row.spec,
        secrets=row.secrets,
        created_by=row.created_by,
        is_recoverable=row.is_recoverable,
        resumed=False,
        deaths=0,
        cancel_requested=False,
        traceparent=row.traceparent,
        waited_ms=0,
    )
