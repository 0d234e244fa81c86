"""Rounds whose commits fail or overlap: nothing that was claimed stays with a process that forgot it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import component, running

from understage.catalog.processing import rounds
from understage.catalog.processing.holdings import Holdings
from understage.catalog.processing.rounds import ProcessingRounds
from understage.catalog.store.claims import finish_claims
from understage.catalog.store.schedule import count_due, schedule_refs
from understage.catalog.store.write_states import UnprocessedEntity, insert_states
from understage.platform.database import Database

REF = "component:default/one"
NAMES = [f"c{number}" for number in range(8)]


async def waiting(database: Database) -> int:
    async with database.read() as connection:
        return await count_due(connection)


async def test_a_commit_that_fails_costs_the_next_round_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "BATCH", 2)
    failed: list[int] = []
    commit = ProcessingRounds._commit

    async def fail_once(self: ProcessingRounds, batch: Any) -> None:
        if not failed:
            failed.extend(outcome.claimed.id for outcome in batch.changed)
            # Long enough for the next round to be done.
            await asyncio.sleep(0.3)
            raise ConnectionError("the database is away")
        await commit(self, batch)

    async with running(database, tmp_path, locations=[{"type": "file", "target": "all.yaml"}]) as bench:
        bench.write("all.yaml", *(component(name, type="old") for name in NAMES))
        await bench.refresh_all()
        refs = [f"component:default/{name}" for name in NAMES]
        bench.write("all.yaml", *(component(name, type="new") for name in NAMES))
        monkeypatch.setattr(ProcessingRounds, "_commit", fail_once)
        async with database.write() as connection:
            await schedule_refs(connection, refs, forget_result=True)
        bench.engine.wake()
        # The others are committed, by and by: only the failed ones wait for the end of their claims.
        async with asyncio.timeout(25):
            while bench.engine._processing.under_way or await waiting(database) != 2:
                await asyncio.sleep(0.05)
        assert len(failed) == 2
        async with database.write() as connection:
            await connection.execute(text("UPDATE refresh_due SET claimed_until = 0"))
        await bench.refresh_all()
        assert [(await bench.entity(ref))["spec"]["type"] for ref in refs] == ["new"] * len(refs)


async def test_what_was_claimed_again_before_the_round_before_was_over_is_kept(database: Database) -> None:
    async with database.write() as connection:
        await insert_states(connection, [UnprocessedEntity(REF, "{}", "hash", None)])
    holdings = Holdings(database)
    first = await holdings.claim(10, interval_ms=60_000)
    await holdings.keep()
    async with database.write() as connection:
        await schedule_refs(connection, [REF])
        await finish_claims(connection, first)
    second = await holdings.claim(10, interval_ms=60_000)
    assert [entity.entity_ref for entity in second] == [REF]
    holdings.drop(first)
    assert len(holdings) == 1
    await holdings.release_all()
    assert [entity.entity_ref for entity in await holdings.claim(10, interval_ms=60_000)] == [REF]
    holdings.drop(second)
    assert len(holdings) == 1
