"""Who processes which entity, when: the schedule, and claims on it that no two replicas hold at once.

Entities are in buckets of a thousand by row id. A bucket has one time at which all of it is looked at again, so that an
entity that has not changed costs no write. What is new or asked for is in `refresh_due` besides, one row an entity, until
it is done. A claim is a number with a time limit: whoever has lost it (a stalled process, say) cannot commit any more.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.bulk import Row, among, delete_rows, insert_rows, is_sqlite, listed, now, select_time

BUCKET = 1000
TIMEOUT_MS = 30_000

_CONTENT = """
    s.id, s.uid, s.entity_ref, s.unprocessed_entity, coalesce(s.processed_entity, '') <> '' AS is_processed,
    s.result_hash, s.cache, s.location_key
"""
_DUE = {"entity_id": "bigint", "due_at": "bigint", "claimed_until": "bigint", "claim": "bigint"}


@dataclass(frozen=True, slots=True)
class DueEntity:
    """A claimed entity as processing needs it; JSON columns are still text.

    `due_at` is that of its row in `refresh_due`; None when it was claimed with its bucket.
    """

    id: int
    uid: str
    entity_ref: str
    unprocessed_entity: str
    is_processed: bool
    result_hash: str | None
    cache: str | None
    location_key: str | None
    claim: int
    due_at: int | None

    @property
    def bucket(self) -> int:
        """The bucket it is in."""
        return self.id // BUCKET


async def longest_delay_ms(connection: AsyncConnection) -> int | None:
    """How long the longest waiting entity or bucket has been due; None when none is."""
    at = now(connection)
    statement = f"""
        SELECT {at} - min(due) FROM (
            SELECT min(due_at) AS due FROM refresh_due WHERE due_at <= {at} AND claimed_until <= {at}
            UNION ALL SELECT min(next_at) FROM refresh_buckets WHERE next_at <= {at} AND claimed_until <= {at}
        ) AS both_kinds
    """
    return (await connection.execute(text(statement))).scalar()


async def claim_due(connection: AsyncConnection, *, limit: int) -> list[DueEntity]:
    """Take up to `limit` entities that are due by themselves, the longest waiting first; not from a claimed bucket."""
    at = now(connection)
    chosen = f"""
        SELECT d.entity_id FROM refresh_due d JOIN refresh_buckets b ON b.bucket = d.entity_id / {BUCKET}
        WHERE d.due_at <= {at} AND d.claimed_until <= {at} AND b.claimed_until <= {at}
        ORDER BY d.due_at, d.entity_id LIMIT :limit
    """
    if is_sqlite(connection):
        chosen = f"IN ({chosen})"
    else:
        # The share lock keeps a claim of the bucket from being made in the same moment.
        chosen = f"= ANY (ARRAY({chosen} FOR UPDATE OF d SKIP LOCKED FOR SHARE OF b SKIP LOCKED))"
    statement = f"""
        UPDATE refresh_due SET claim = :claim, claimed_until = {at} + {TIMEOUT_MS} WHERE entity_id {chosen}
        RETURNING entity_id, due_at
    """
    claim = _new_claim()
    rows = await connection.execute(text(statement), {"limit": limit, "claim": claim})
    due = {row.entity_id: row.due_at for row in rows}
    if not due:
        return []
    statement = f"SELECT {_CONTENT} FROM refresh_state s WHERE s.id {among(connection, 'ids', 'bigint')} ORDER BY s.id"
    found = await connection.execute(text(statement), {"ids": listed(connection, list(due))})
    return [_entity(row, claim, due[row.id]) for row in found]


async def claim_bucket(connection: AsyncConnection, *, interval_ms: int) -> tuple[int, int, list[DueEntity]] | None:
    """Take the longest waiting due bucket and schedule it for after `interval_ms`: (bucket, claim, entities).

    Entities that are due by themselves are not among them.
    """
    at = now(connection)
    locking = "" if is_sqlite(connection) else " FOR UPDATE SKIP LOCKED"
    statement = f"""
        UPDATE refresh_buckets
        SET next_at = {at} + :interval, last_at = {at}, claim = :claim, claimed_until = {at} + {TIMEOUT_MS}
        WHERE bucket = (
            SELECT bucket FROM refresh_buckets WHERE next_at <= {at} AND claimed_until <= {at}
            ORDER BY next_at LIMIT 1{locking}
        )
        RETURNING bucket
    """
    claim = _new_claim()
    bucket = (await connection.execute(text(statement), {"interval": interval_ms, "claim": claim})).scalar()
    if bucket is None:
        return None
    statement = f"""
        SELECT {_CONTENT} FROM refresh_state s WHERE s.id >= :first AND s.id < :after
        AND NOT EXISTS (SELECT 1 FROM refresh_due d WHERE d.entity_id = s.id) ORDER BY s.id
    """
    rows = await connection.execute(text(statement), {"first": bucket * BUCKET, "after": (bucket + 1) * BUCKET})
    return bucket, claim, [_entity(row, claim, None) for row in rows]


async def lock_claims(
    connection: AsyncConnection, entities: Sequence[DueEntity], *, is_shared: bool = False
) -> set[int]:
    """The ids of those whose claim still holds; it does until the transaction ends. `is_shared` as for `lock_states`."""
    lock = " FOR SHARE" if is_shared else " FOR UPDATE"
    locking = "" if is_sqlite(connection) else lock
    single = [entity for entity in entities if entity.due_at is not None]
    held: set[int] = set()
    if single:
        statement = f"""
            SELECT entity_id, claim FROM refresh_due WHERE entity_id {among(connection, "ids", "bigint")}
            ORDER BY entity_id{locking}
        """
        rows = await connection.execute(text(statement), {"ids": listed(connection, [entity.id for entity in single])})
        claims = {row.entity_id: row.claim for row in rows}
        held = {entity.id for entity in single if claims.get(entity.id) == entity.claim}
    bucketed = [entity for entity in entities if entity.due_at is None]
    if bucketed:
        locking = "" if is_sqlite(connection) else " FOR SHARE"
        statement = f"""
            SELECT bucket, claim FROM refresh_buckets WHERE bucket {among(connection, "buckets", "bigint")}
            ORDER BY bucket{locking}
        """
        buckets = sorted({entity.bucket for entity in bucketed})
        rows = await connection.execute(text(statement), {"buckets": listed(connection, buckets)})
        claims = {row.bucket: row.claim for row in rows}
        held |= {entity.id for entity in bucketed if claims.get(entity.bucket) == entity.claim}
    return held


async def finish_claims(connection: AsyncConnection, entities: Sequence[DueEntity]) -> None:
    """These are done: those that nobody asked for again meanwhile are not due by themselves any more."""
    single = [entity for entity in entities if entity.due_at is not None]
    types = {name: _DUE[name] for name in ("entity_id", "due_at", "claim")}
    await delete_rows(connection, "refresh_due", types, [(item.id, item.due_at, item.claim) for item in single])
    await release_claims(connection, single)


async def release_claims(connection: AsyncConnection, entities: Sequence[DueEntity]) -> None:
    """Give claimed entities back: they are due again, or go on being due."""
    claims = sorted({entity.claim for entity in entities if entity.due_at is not None})
    if claims:
        statement = f"""
            UPDATE refresh_due SET claimed_until = 0, claim = 0 WHERE claim {among(connection, "claims", "bigint")}
            AND entity_id {among(connection, "ids", "bigint")}
        """
        ids = [entity.id for entity in entities if entity.due_at is not None]
        parameters = {"claims": listed(connection, claims), "ids": listed(connection, ids)}
        await connection.execute(text(statement), parameters)


async def release_bucket(connection: AsyncConnection, bucket: int, claim: int, *, due_now: bool = False) -> None:
    """Give a bucket back; `due_now` when it was not done."""
    again = f", next_at = {now(connection)}" if due_now else ""
    statement = (
        f"UPDATE refresh_buckets SET claimed_until = 0, claim = 0{again} WHERE bucket = :bucket AND claim = :claim"
    )
    await connection.execute(text(statement), {"bucket": bucket, "claim": claim})


async def detach_from_bucket(connection: AsyncConnection, entities: Sequence[DueEntity]) -> list[DueEntity]:
    """Claim entities of a claimed bucket one by one, so that the bucket can be given back; returns them as they are then."""
    at = await select_time(connection)
    locking = "" if is_sqlite(connection) else " FOR KEY SHARE"
    statement = f"""
        SELECT id FROM refresh_state WHERE id {among(connection, "ids", "bigint")} ORDER BY id{locking}
    """
    parameters = {"ids": listed(connection, [entity.id for entity in entities])}
    present = set((await connection.execute(text(statement), parameters)).scalars())
    rows = [(entity.id, at, at + TIMEOUT_MS, entity.claim) for entity in entities if entity.id in present]
    # One that is due besides was asked for meanwhile: it keeps its time, and so runs once more after this.
    keep = "ON CONFLICT (entity_id) DO UPDATE SET claimed_until = excluded.claimed_until, claim = excluded.claim"
    await insert_rows(connection, "refresh_due", _DUE, rows, on_conflict=keep)
    return [replace(entity, due_at=at) for entity in entities]


async def renew_claims(connection: AsyncConnection, claims: Collection[int]) -> None:
    """Move the time limit of claims on."""
    for table in ("refresh_due", "refresh_buckets"):
        statement = f"""
            UPDATE {table} SET claimed_until = {now(connection)} + {TIMEOUT_MS}
            WHERE claim {among(connection, "claims", "bigint")}
        """
        await connection.execute(text(statement), {"claims": listed(connection, sorted(claims))})


async def forget_claims(connection: AsyncConnection) -> None:
    """End all claims: on SQLite, whose only process starts."""
    for table in ("refresh_due", "refresh_buckets"):
        await connection.execute(text(f"UPDATE {table} SET claimed_until = 0, claim = 0 WHERE claim <> 0"))


async def insert_due(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Put new rows of `refresh_state` on the schedule, due at once."""
    if not ids:
        return
    at = await select_time(connection)
    # The first look at the whole bucket is soon: it finds nothing to do, and draws the bucket's own time.
    await insert_buckets(connection, ids, next_at=at)
    await insert_rows(connection, "refresh_due", _DUE, [(row_id, at, 0, 0) for row_id in ids])


async def insert_buckets(connection: AsyncConnection, ids: Sequence[int], *, next_at: int) -> None:
    """Make the buckets of these rows that are not there yet, to be looked at then."""
    rows: list[Row] = [(bucket, next_at, 0, 0) for bucket in sorted({row_id // BUCKET for row_id in ids})]
    types = {"bucket": "bigint", "next_at": "bigint", "claimed_until": "bigint", "claim": "bigint"}
    await insert_rows(connection, "refresh_buckets", types, rows, on_conflict="ON CONFLICT (bucket) DO NOTHING")


def _entity(row: Any, claim: int, due_at: int | None) -> DueEntity:
    # Its columns are those of `_CONTENT`, in the order of the fields: a thousand rows are made a claim.
    return DueEntity(*(*row, claim, due_at))


def _new_claim() -> int:
    return secrets.randbits(62) | 1
