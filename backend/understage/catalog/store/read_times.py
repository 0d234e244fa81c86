"""When an entity was read last and is read next, as columns: from its own row and its bucket's (`claims`)."""

from typing import Any

from sqlalchemy import case, func

from understage.catalog.store.claims import BUCKET
from understage.catalog.store.tables import refresh_buckets, refresh_due, refresh_state


def with_schedule(tables: Any) -> Any:
    """`tables`, among them `refresh_state`, joined with what the two columns are made of."""
    return tables.outerjoin(refresh_due, refresh_due.c.entity_id == refresh_state.c.id).outerjoin(
        refresh_buckets, refresh_buckets.c.bucket == refresh_state.c.id.op("/")(BUCKET)
    )


# A bucket's first round comes while its entities are still being read for the first time: only what has been read counts.
# What was read before there was a column for that has a result.
_first_read_at = func.coalesce(refresh_state.c.last_read_at, case((refresh_state.c.result_hash.is_not(None), 0)))
last_read_at = case(
    (refresh_buckets.c.last_at > _first_read_at, refresh_buckets.c.last_at),
    else_=refresh_state.c.last_read_at,
).label("last_read_at")
next_read_at = func.coalesce(refresh_due.c.due_at, refresh_buckets.c.next_at, 0).label("next_read_at")
