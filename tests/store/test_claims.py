"""Claims: no two replicas process an entity at once, nothing that was asked for is forgotten, nothing unchanged is written."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from understage.catalog.store.claims import (
    DueEntity,
    claim_bucket,
    claim_due,
    detach_from_bucket,
    finish_claims,
    forget_claims,
    lock_claims,
    longest_delay_ms,
    release_bucket,
    release_claims,
    renew_claims,
)
from understage.catalog.store.schedule import count_due, ensure_buckets, schedule_refs
from understage.catalog.store.write_states import UnprocessedEntity, insert_states
from understage.platform.database import Database

REFS = [f"component:default/c{number}" for number in range(3)]


async def insert(database: Database, refs: Sequence[str] = REFS) -> None:
    async with database.write() as connection:
        await insert_states(connection, [UnprocessedEntity(ref, "{}", "hash", None) for ref in refs])


async def due(database: Database, limit: int = 10) -> list[DueEntity]:
    async with database.write() as connection:
        return await claim_due(connection, limit=limit)


async def bucket(database: Database) -> tuple[int, int, list[DueEntity]] | None:
    async with database.write() as connection:
        return await claim_bucket(connection, interval_ms=60_000)


async def finish(database: Database, entities: Sequence[DueEntity]) -> None:
    async with database.write() as connection:
        await finish_claims(connection, entities)


async def hurry(database: Database, column: str, table: str) -> None:
    async with database.write() as connection:
        await connection.execute(text(f"UPDATE {table} SET {column} = 0"))


async def settled(database: Database) -> None:
    """Three entities that were processed, in a bucket whose time has come."""
    await insert(database)
    await finish(database, await due(database))
    await hurry(database, "next_at", "refresh_buckets")


def refs_of(entities: Sequence[DueEntity]) -> list[str]:
    return sorted(entity.entity_ref for entity in entities)


async def test_what_is_new_is_claimed_once(database: Database) -> None:
    await insert(database)
    first, second = await due(database, limit=2), await due(database)
    assert refs_of([*first, *second]) == REFS
    assert await due(database) == []
    async with database.write() as connection:
        assert await lock_claims(connection, [*first, *second]) == {entity.id for entity in [*first, *second]}


async def test_a_claim_that_is_given_back_or_runs_out_is_another_ones(database: Database) -> None:
    await insert(database)
    mine = await due(database)
    async with database.write() as connection:
        await release_claims(connection, mine[:1])
    assert refs_of(await due(database)) == REFS[:1]
    await hurry(database, "claimed_until", "refresh_due")
    theirs = await due(database)
    assert refs_of(theirs) == REFS
    async with database.write() as connection:
        # Who stalled meanwhile can neither write nor finish.
        assert await lock_claims(connection, mine) == set()
        await finish_claims(connection, mine)
        assert await lock_claims(connection, theirs) == {entity.id for entity in theirs}


async def test_a_claim_can_be_renewed(database: Database) -> None:
    await insert(database)
    mine = await due(database)
    await hurry(database, "claimed_until", "refresh_due")
    async with database.write() as connection:
        await renew_claims(connection, {entity.claim for entity in mine})
    assert await due(database) == []


async def test_what_is_asked_for_while_it_is_processed_is_processed_again(database: Database) -> None:
    await insert(database)
    mine = await due(database)
    async with database.write() as connection:
        assert await schedule_refs(connection, REFS[:1]) == 1
    assert await due(database) == []
    await finish(database, mine)
    # A refresh in the same millisecond counts as later.
    await hurry(database, "due_at", "refresh_due")
    assert refs_of(await due(database)) == REFS[:1]


async def test_a_bucket_is_claimed_as_a_whole_and_costs_one_row(database: Database) -> None:
    await settled(database)
    found = await bucket(database)
    assert found is not None
    number, claim, entities = found
    assert refs_of(entities) == REFS
    assert {entity.due_at for entity in entities} == {None}
    assert await bucket(database) is None
    async with database.write() as connection:
        assert await lock_claims(connection, entities) == {entity.id for entity in entities}
        await release_bucket(connection, number, claim)
        assert await lock_claims(connection, entities) == set()
        assert await count_due(connection) == 0
    assert await bucket(database) is None


async def test_a_bucket_that_was_not_done_is_due_at_once(database: Database) -> None:
    await settled(database)
    found = await bucket(database)
    assert found is not None
    async with database.write() as connection:
        await release_bucket(connection, found[0], found[1], due_now=True)
    assert await bucket(database) is not None


async def test_an_entity_is_claimed_with_its_bucket_or_by_itself(database: Database) -> None:
    await settled(database)
    async with database.write() as connection:
        await schedule_refs(connection, REFS[:1])
    single = await due(database)
    found = await bucket(database)
    assert found is not None
    assert refs_of(single) == REFS[:1]
    assert refs_of(found[2]) == REFS[1:]
    await finish(database, single)
    async with database.write() as connection:
        await schedule_refs(connection, REFS)
    assert await due(database) == [], "its bucket is being processed"
    async with database.write() as connection:
        await release_bucket(connection, found[0], found[1])
    assert refs_of(await due(database)) == REFS


async def test_a_slow_entity_is_taken_out_of_its_bucket(database: Database) -> None:
    await settled(database)
    found = await bucket(database)
    assert found is not None
    number, claim, entities = found
    slow = entities[:1]
    async with database.write() as connection:
        (detached,) = await detach_from_bucket(connection, slow)
        await release_bucket(connection, number, claim)
    async with database.write() as connection:
        assert await lock_claims(connection, [detached]) == {detached.id}
        assert await schedule_refs(connection, REFS[1:2]) == 1
    assert refs_of(await due(database)) == REFS[1:2]
    await finish(database, [detached])
    async with database.read() as connection:
        left = await connection.execute(text("SELECT entity_id FROM refresh_due WHERE claim = 0"))
        assert left.all() == []


async def test_who_is_asked_for_while_it_is_slow_runs_again(database: Database) -> None:
    await settled(database)
    found = await bucket(database)
    assert found is not None
    async with database.write() as connection:
        await schedule_refs(connection, REFS[:1])
        (detached,) = await detach_from_bucket(connection, found[2][:1])
        await release_bucket(connection, found[0], found[1])
    await finish(database, [detached])
    async with database.read() as connection:
        assert await count_due(connection) in (0, 1)
        rows = (await connection.execute(text("SELECT due_at, claim FROM refresh_due"))).all()
    assert all(row.claim == 0 and row.due_at != detached.due_at for row in rows)


async def test_delay_is_told_of_what_is_due_only(database: Database) -> None:
    async with database.read() as connection:
        assert await longest_delay_ms(connection) is None
    await insert(database)
    async with database.read() as connection:
        delay = await longest_delay_ms(connection)
    assert delay is not None
    assert delay >= 0


async def test_rows_of_an_older_release_get_a_bucket(database: Database) -> None:
    await settled(database)
    async with database.write() as connection:
        await connection.execute(text("DELETE FROM refresh_buckets"))
        await ensure_buckets(connection)
    found = await bucket(database)
    assert found is not None
    assert refs_of(found[2]) == REFS


async def test_claims_of_a_process_that_died_end_with_the_next_start(sqlite_database: Database) -> None:
    await insert(sqlite_database)
    assert await due(sqlite_database)
    async with sqlite_database.write() as connection:
        await forget_claims(connection)
    assert refs_of(await due(sqlite_database)) == REFS


@pytest.mark.parametrize("count", [1, 2500])
async def test_ids_and_buckets_of_many(database: Database, count: int) -> None:
    await insert(database, [f"component:default/many-{number:05d}" for number in range(count)])
    claimed = await due(database, limit=count)
    assert len({entity.id for entity in claimed}) == count
    async with database.read() as connection:
        buckets = (await connection.execute(text("SELECT bucket FROM refresh_buckets"))).scalars()
        assert {entity.bucket for entity in claimed} == set(buckets)
