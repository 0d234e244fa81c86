"""Store what happened. Each operation takes the same event any number of times."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.measures.events import Deployment, Health, Start, Ticket
from understage.measures.store import tables
from understage.measures.store.upsert import upsert


async def insert_deployments(connection: AsyncConnection, events: Sequence[Deployment]) -> int:
    """One a row; of application, revision and time there is one only. Returns how many were new."""
    rows = [asdict(event) for event in events]
    return await upsert(connection, tables.deployments, rows, unique=("application", "revision", "at"))


async def insert_healths(connection: AsyncConnection, events: Sequence[Health]) -> int:
    """One a row. Returns how many were new."""
    return await upsert(
        connection, tables.healths, [asdict(event) for event in events], unique=("application", "at", "status")
    )


async def insert_starts(connection: AsyncConnection, events: Sequence[Start]) -> int:
    """One a service and key, the first that came. Returns how many were new."""
    return await upsert(connection, tables.starts, [asdict(event) for event in events], unique=("service", "key"))


async def write_tickets(connection: AsyncConnection, tickets: Sequence[Ticket]) -> int:
    """Insert or replace tickets; the last of those with one id counts. Returns how many there were."""
    latest = {(ticket.source, ticket.id): asdict(ticket) for ticket in tickets}
    replaced = ("opened_at", "closed_at", "service", "team")
    return await upsert(connection, tables.tickets, list(latest.values()), unique=("source", "id"), replace=replaced)
