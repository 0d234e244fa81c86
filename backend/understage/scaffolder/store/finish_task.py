"""What is left of a task that ends, inside of the transaction that ends it."""

from collections.abc import Iterable

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.forget_results import forget_everything, forget_from_failure
from understage.scaffolder.store.tables import task_checkpoints, tasks


async def finish_task(connection: AsyncConnection, task_id: str, status: str) -> None:
    """End a task that nobody runs: set the final status, erase the secrets and what `forget_after_end` names."""
    ended = update(tasks).where(tasks.c.id == task_id)
    await connection.execute(ended.values(status=status, secrets=None, owner=None, lease_until=None))
    recovery = select(tasks.c.is_recoverable).where(tasks.c.id == task_id)
    is_recoverable = (await connection.execute(recovery)).scalar_one()
    await forget_after_end(connection, task_id, status, is_recoverable=is_recoverable)


async def forget_after_end(
    connection: AsyncConnection,
    task_id: str,
    status: str,
    *,
    is_recoverable: bool,
    secret_checkpoints: Iterable[tuple[str, str]] = (),
) -> None:
    """Erase all that was made of a task's secrets and no retry needs.

    A task that would begin anew, because it completed or its strategy is startOver, keeps the checkpoints of its actions alone,
    and once it completed none of `secret_checkpoints` (step and key: those with a secret in them). A failed task keeps what
    leads to its failed step: results before it, checkpoints, workspace, all encrypted.
    """
    if status != "completed" and not is_recoverable:
        await forget_from_failure(connection, task_id, keep_failed=True)
        return
    await forget_everything(connection, task_id)
    if status == "completed":
        for step_id, key in secret_checkpoints:
            place = (task_checkpoints.c.step_id == step_id, task_checkpoints.c.key == key)
            await connection.execute(delete(task_checkpoints).where(task_checkpoints.c.task_id == task_id, *place))
