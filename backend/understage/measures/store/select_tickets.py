"""Tickets that were opened or closed in a period."""

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.measures.events import Ticket
from understage.measures.store.tables import tickets


async def select_tickets(connection: AsyncConnection, begin: int, end: int) -> list[Ticket]:
    """By id."""
    opened, closed = tickets.c.opened_at, tickets.c.closed_at
    statement = (
        select(tickets)
        .where(or_((opened >= begin) & (opened < end), (closed >= begin) & (closed < end)))
        .order_by(tickets.c.source, tickets.c.id)
    )
    return [Ticket(**row._mapping) for row in await connection.execute(statement)]
