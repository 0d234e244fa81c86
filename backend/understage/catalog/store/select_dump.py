"""Select many final entities as one text: the JSON of each, with commas between, as an array holds them."""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import Predicate
from understage.catalog.store.bulk import is_sqlite
from understage.catalog.store.match import matches
from understage.catalog.store.tables import final_entities


class Dump(NamedTuple):
    """Some entities: their JSON, the uid of the last one and how many there are."""

    json: str
    last_uid: str
    entities: int


async def select_dump(connection: AsyncConnection, predicate: Predicate, *, after: str, limit: int) -> Dump:
    """The first `limit` entities by uid after the uid `after`.

    On PostgreSQL the text is put together there: rows that are only passed on cost the driver more than their content.
    """
    uid, json = final_entities.c.uid, final_entities.c.final_entity
    page = (
        select(uid, json).where(uid > after, matches(final_entities.c.entity_id, predicate)).order_by(uid).limit(limit)
    )
    if is_sqlite(connection):
        rows = (await connection.execute(page)).all()
        return Dump(",".join(row.final_entity for row in rows), rows[-1].uid if rows else after, len(rows))
    part = page.subquery()
    # The rows come in the order of the inner statement: to sort them again would cost more than all the rest.
    whole = func.string_agg(part.c.final_entity, ",")
    row = (await connection.execute(select(whole, func.max(part.c.uid), func.count()).select_from(part))).one()
    return Dump(row[0] or "", row[1] or after, row[2])
