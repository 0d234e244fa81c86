"""End a task inside of a fenced transaction."""

from collections.abc import Iterable

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.forget_results import forget_everything, forget_from_failure
from understage.scaffolder.store.tables import task_checkpoints, tasks


async def finish_task(
    connection: AsyncConnection, task_id: str, status: str, *, secret_checkpoints: Iterable[tuple[str, str]] = ()
) -> None:
    """Set the final status; erase the secrets, and all that was made of them and no retry needs.

    A task that would begin anew, because it completed or its strategy is startOver, keeps the checkpoints of its actions alone,
    and once it completed none of `secret_checkpoints` (step and key: those with a secret in them). A failed task keeps what
    leads to its failed step: results before it, checkpoints, workspace, all encrypted.
    """
    await connection.execute(
        update(tasks).where(tasks.c.id == task_id).values(status=status, secrets=None, owner=None, lease_until=None)
    )
    is_recoverable = (
        await connection.execute(select(tasks.c.is_recoverable).where(tasks.c.id == task_id))
    ).scalar_one()
    if status != "completed" and not is_recoverable:
        await forget_from_failure(connection, task_id, keep_failed=True)
        return
    await forget_everything(connection, task_id)
    if status == "completed":
        for step_id, key in secret_checkpoints:
            place = (task_checkpoints.c.step_id == step_id, task_checkpoints.c.key == key)
            await connection.execute(delete(task_checkpoints).where(task_checkpoints.c.task_id == task_id, *place))
