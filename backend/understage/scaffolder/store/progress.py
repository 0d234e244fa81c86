"""What a resumed task continues from: results of ended steps, checkpoints, the workspace."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.tables import task_checkpoints, task_steps, task_workspaces


@dataclass(frozen=True, slots=True)
class StoredStep:
    """A step that ended; `result` is encrypted JSON."""

    step_id: str
    position: int
    status: str
    result: bytes


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """Where the workspace is: `content` in the row (encrypted), else `location` in the snapshot store."""

    fingerprint: str
    content: bytes | None
    location: str | None


async def select_steps(connection: AsyncConnection, task_id: str) -> list[StoredStep]:
    """The ended steps, in order."""
    columns = (task_steps.c.step_id, task_steps.c.position, task_steps.c.status, task_steps.c.result)
    statement = select(*columns).where(task_steps.c.task_id == task_id).order_by(task_steps.c.position)
    return [StoredStep(*row) for row in await connection.execute(statement)]


async def put_step(connection: AsyncConnection, task_id: str, step: StoredStep) -> None:
    """Record the end of a step."""
    key = (task_steps.c.task_id == task_id, task_steps.c.step_id == step.step_id)
    await connection.execute(delete(task_steps).where(*key))
    await connection.execute(
        insert(task_steps).values(
            task_id=task_id, step_id=step.step_id, position=step.position, status=step.status, result=step.result
        )
    )


async def select_checkpoints(connection: AsyncConnection, task_id: str) -> dict[tuple[str, str], bytes]:
    """All stored checkpoints by (step id, key), encrypted."""
    columns = (task_checkpoints.c.step_id, task_checkpoints.c.key, task_checkpoints.c.value)
    rows = await connection.execute(select(*columns).where(task_checkpoints.c.task_id == task_id))
    return {(row.step_id, row.key): row.value for row in rows}


async def put_checkpoint(connection: AsyncConnection, task_id: str, step_id: str, key: str, value: bytes) -> None:
    """Record a checkpoint, in place of an older one of the same key."""
    await connection.execute(
        delete(task_checkpoints).where(
            task_checkpoints.c.task_id == task_id, task_checkpoints.c.step_id == step_id, task_checkpoints.c.key == key
        )
    )
    await connection.execute(insert(task_checkpoints).values(task_id=task_id, step_id=step_id, key=key, value=value))


async def select_snapshot(connection: AsyncConnection, task_id: str) -> StoredSnapshot | None:
    """The last snapshot of the workspace; None before the first."""
    columns = (task_workspaces.c.fingerprint, task_workspaces.c.content, task_workspaces.c.location)
    row = (await connection.execute(select(*columns).where(task_workspaces.c.task_id == task_id))).first()
    return None if row is None else StoredSnapshot(*row)


async def put_snapshot(connection: AsyncConnection, task_id: str, snapshot: StoredSnapshot) -> None:
    """Replace the snapshot."""
    await connection.execute(delete(task_workspaces).where(task_workspaces.c.task_id == task_id))
    await connection.execute(
        insert(task_workspaces).values(
            task_id=task_id,
            fingerprint=snapshot.fingerprint,
            content=snapshot.content,
            location=snapshot.location,
        )
    )
