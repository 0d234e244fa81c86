"""The cycles of incremental providers: one open a provider, with what it does next. Called by `providers.incremental`."""

from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import now

OPEN = "open"
_COLUMNS = "id, provider_name, status, next_action, next_action_at, last_error, attempts"


class Ingestion(NamedTuple):
    """A row of `ingestions`, times in milliseconds."""

    id: str
    provider_name: str
    status: str
    next_action: str
    next_action_at: int
    last_error: str | None
    attempts: int


async def select_ingestion(connection: AsyncConnection, provider: str) -> Ingestion | None:
    """The open cycle of a provider."""
    statement = f"SELECT {_COLUMNS} FROM ingestions WHERE provider_name = :provider AND completion_ticket = '{OPEN}'"
    row = (await connection.execute(text(statement), {"provider": provider})).first()
    return Ingestion(*row) if row else None


async def insert_ingestion(
    connection: AsyncConnection, ingestion_id: str, provider: str, *, status: str, next_action: str, in_ms: int = 0
) -> None:
    """Open a cycle whose next action is due in so many milliseconds; nothing happens when one is open."""
    statement = f"""
        INSERT INTO ingestions (id, provider_name, status, next_action, next_action_at, attempts, created_at, completion_ticket)
        VALUES (:id, :provider, :status, :action, {now(connection)} + :pause, 0, {now(connection)}, '{OPEN}')
        ON CONFLICT (provider_name, completion_ticket) DO NOTHING
    """
    values = {"id": ingestion_id, "provider": provider, "status": status, "action": next_action, "pause": in_ms}
    await connection.execute(text(statement), values)


async def update_ingestion(
    connection: AsyncConnection,
    ingestion_id: str,
    *,
    status: str,
    next_action: str,
    in_ms: int = 0,
    if_action: str | None = None,
    **changes: Any,
) -> bool:
    """Say what an open cycle does, and what next; `changes` are further columns.

    False, and nothing happens, when it is not open any more, or its next action is not `if_action`.
    """
    further = "".join(f", {column} = :{column}" for column in changes)
    expected = " AND next_action = :expected" if if_action is not None else ""
    statement = f"""
        UPDATE ingestions
        SET status = :status, next_action = :action, next_action_at = {now(connection)} + :pause{further}
        WHERE id = :id AND completion_ticket = '{OPEN}'{expected}
    """
    values = {"id": ingestion_id, "status": status, "action": next_action, "pause": in_ms, "expected": if_action}
    return (await connection.execute(text(statement), {**values, **changes})).rowcount == 1


async def close_ingestion(connection: AsyncConnection, ingestion_id: str, next_action: str) -> None:
    """End a cycle; its own id is the ticket, so that the next one can open."""
    statement = f"""
        UPDATE ingestions
        SET status = 'complete', next_action = :action, rest_completed_at = {now(connection)}, completion_ticket = id
        WHERE id = :id AND completion_ticket = '{OPEN}'
    """
    await connection.execute(text(statement), {"id": ingestion_id, "action": next_action})


async def is_due(connection: AsyncConnection, ingestion_id: str) -> bool:
    """Whether the time of the next action has come."""
    statement = f"SELECT next_action_at <= {now(connection)} FROM ingestions WHERE id = :id"
    return bool((await connection.execute(text(statement), {"id": ingestion_id})).scalar())


async def select_provider_names(connection: AsyncConnection) -> list[str]:
    """The providers that have ever begun a cycle."""
    rows = await connection.execute(text("SELECT DISTINCT provider_name FROM ingestions ORDER BY provider_name"))
    return list(rows.scalars())


async def select_duplicates(connection: AsyncConnection) -> list[str]:
    """The providers with more than one cycle under way."""
    statement = """
        SELECT provider_name FROM ingestions WHERE rest_completed_at IS NULL
        GROUP BY provider_name HAVING count(*) > 1 ORDER BY provider_name
    """
    return list((await connection.execute(text(statement))).scalars())
