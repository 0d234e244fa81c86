"""The rows of work that repeats: when it is due, and whose run it is. Called by `catalog.scheduling`."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import among, listed, now


class TaskRow(NamedTuple):
    """A row of `scheduled_tasks`, times in milliseconds. `lease_until` is None between runs."""

    id: str
    next_run_at: int | None
    lease_until: int | None
    started_at: int | None
    ended_at: int | None
    error: str | None


async def register_task(connection: AsyncConnection, task_id: str, first: int | None, following: int | None) -> None:
    """Insert a task that is due at `first`; a known one keeps its time, unless the new schedule wants it sooner.

    `following` is when it would be due if it had just run; None has no time.
    """
    sooner = ":following < scheduled_tasks.next_run_at OR scheduled_tasks.next_run_at IS NULL"
    statement = f"""
        INSERT INTO scheduled_tasks (id, next_run_at) VALUES (:id, :first)
        ON CONFLICT (id) DO UPDATE SET next_run_at =
            CASE WHEN {sooner} THEN CAST(:following AS BIGINT) ELSE scheduled_tasks.next_run_at END
    """
    await connection.execute(text(statement), {"id": task_id, "first": first, "following": following})


async def select_due_tasks(connection: AsyncConnection, ids: Collection[str]) -> list[str]:
    """Those that are due and nobody runs."""
    statement = (
        f"SELECT id FROM scheduled_tasks WHERE id {among(connection, 'ids')} AND {_free(connection)} ORDER BY id"
    )
    rows = await connection.execute(text(statement), {"ids": listed(connection, sorted(ids))})
    return list(rows.scalars())


async def claim_task(connection: AsyncConnection, task_id: str, ticket: str, lease_ms: int) -> bool:
    """Take a task that is due; False when another replica was faster."""
    statement = f"""
        UPDATE scheduled_tasks
        SET ticket = :ticket, lease_until = {now(connection)} + :lease, started_at = {now(connection)}
        WHERE id = :id AND {_free(connection)}
    """
    done = await connection.execute(text(statement), {"id": task_id, "ticket": ticket, "lease": lease_ms})
    return done.rowcount == 1


async def renew_lease(connection: AsyncConnection, task_id: str, ticket: str, lease_ms: int) -> bool:
    """Keep a task for longer; False when it was taken over or cancelled."""
    statement = f"""
        UPDATE scheduled_tasks SET lease_until = {now(connection)} + :lease WHERE id = :id AND ticket = :ticket
    """
    done = await connection.execute(text(statement), {"id": task_id, "ticket": ticket, "lease": lease_ms})
    return done.rowcount == 1


async def finish_task(
    connection: AsyncConnection, task_id: str, ticket: str, *, next_run_at: int | None, error: str | None
) -> None:
    """Note the end of a run; nothing happens when the task is another's by now."""
    statement = f"""
        UPDATE scheduled_tasks
        SET ticket = NULL, lease_until = NULL, ended_at = {now(connection)}, error = :error, next_run_at = :next
        WHERE id = :id AND ticket = :ticket
    """
    await connection.execute(text(statement), {"id": task_id, "ticket": ticket, "next": next_run_at, "error": error})


async def release_task(connection: AsyncConnection, task_id: str, ticket: str) -> None:
    """Give back a run that was broken off; it stays due."""
    statement = "UPDATE scheduled_tasks SET ticket = NULL, lease_until = NULL WHERE id = :id AND ticket = :ticket"
    await connection.execute(text(statement), {"id": task_id, "ticket": ticket})


async def trigger_task(connection: AsyncConnection, task_id: str) -> bool:
    """Make a task due now; False when it is running."""
    statement = f"""
        UPDATE scheduled_tasks SET next_run_at = {now(connection)}
        WHERE id = :id AND (lease_until IS NULL OR lease_until < {now(connection)})
    """
    return (await connection.execute(text(statement), {"id": task_id})).rowcount == 1


async def cancel_task(connection: AsyncConnection, task_id: str, *, next_run_at: int | None, error: str) -> bool:
    """End a run from outside: its replica notices at its next renewal. False when none is under way."""
    statement = f"""
        UPDATE scheduled_tasks
        SET ticket = NULL, lease_until = NULL, ended_at = {now(connection)}, error = :error, next_run_at = :next
        WHERE id = :id AND lease_until >= {now(connection)}
    """
    done = await connection.execute(text(statement), {"id": task_id, "next": next_run_at, "error": error})
    return done.rowcount == 1


async def select_tasks(connection: AsyncConnection, ids: Collection[str]) -> dict[str, TaskRow]:
    """Rows by id; a lease that is past is left out, as if the run had ended."""
    live = f"CASE WHEN lease_until >= {now(connection)} THEN lease_until END"
    statement = f"""
        SELECT id, next_run_at, {live} AS lease_until, started_at, ended_at, error
        FROM scheduled_tasks WHERE id {among(connection, "ids")}
    """
    rows = await connection.execute(text(statement), {"ids": listed(connection, sorted(ids))})
    return {row.id: TaskRow(*row) for row in rows}


def _free(connection: AsyncConnection) -> str:
    time = now(connection)
    return f"next_run_at <= {time} AND (lease_until IS NULL OR lease_until < {time})"
