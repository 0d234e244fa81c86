"""Forget what a retry of an ended task would not use: results of steps, and what finished items of their loops left."""

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.scaffolder.store.tables import task_checkpoints, task_steps, task_workspaces

ITERATION_KEY = "understage.each#"
"""What the checkpoint keys of finished loop items begin with; the interpreter makes them."""


async def forget_everything(connection: AsyncConnection, task_id: str) -> None:
    """For a task that begins anew: all results, the workspace; checkpoints of actions stay, so that no effect is repeated."""
    await connection.execute(delete(task_workspaces).where(task_workspaces.c.task_id == task_id))
    await connection.execute(delete(task_steps).where(task_steps.c.task_id == task_id))
    await connection.execute(delete(task_checkpoints).where(task_checkpoints.c.task_id == task_id, _of_iterations()))


async def forget_from_failure(connection: AsyncConnection, task_id: str, *, keep_failed: bool = False) -> None:
    """For a task that goes on at its first failed step: the results from there on. Without a failed step nothing.

    `keep_failed` keeps the failed step itself, by which the place is found again. A completed step that runs again runs its loop
    from the start; a failed one goes on at the item that failed.
    """
    failed = (
        select(func.min(task_steps.c.position))
        .where(task_steps.c.task_id == task_id, task_steps.c.status == "failed")
        .scalar_subquery()
    )
    position = task_steps.c.position
    forgotten = (task_steps.c.task_id == task_id, position > failed if keep_failed else position >= failed)
    again = select(task_steps.c.step_id).where(*forgotten, task_steps.c.status == "completed")
    await connection.execute(
        delete(task_checkpoints).where(
            task_checkpoints.c.task_id == task_id, _of_iterations(), task_checkpoints.c.step_id.in_(again)
        )
    )
    await connection.execute(delete(task_steps).where(*forgotten))


def _of_iterations() -> ColumnElement[bool]:
    return task_checkpoints.c.key.startswith(ITERATION_KEY, autoescape=True)
