"""New children are processed before they are stored: written once, served as those of the ordinary road, and none missed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.store.catalog_bench import Bench, component, location, running
from tests.store.row_counter import counting_rows

from understage.catalog.processing import newborns
from understage.catalog.processing.newborns import Newborns
from understage.catalog.processors.registry import installed_processors
from understage.catalog.store import select_stitch_inputs, stitch_queue
from understage.catalog.store.replace_relations import insert_relations
from understage.catalog.store.stitch_queue import count_stitches, enqueue_stitch
from understage.model.entity import Entity
from understage.model.relation import Relation
from understage.platform.database import Database
from understage.sdk.processor import ProcessingContext, Processor

GROUP = "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: team-a}\nspec: {type: team, children: []}"
RULES = [{"allow": ["Component", "Group", "Location"]}]
ALL = [{"type": "file", "target": "all.yaml"}]


class Slow(Processor):
    """Keeps entities named `slow-…` waiting, fails for `bad-…`, and emits a child for `parent-…`."""

    gate = asyncio.Event()

    async def pre_process(self, entity: Entity, context: ProcessingContext) -> Entity:
        name = entity["metadata"]["name"]
        if name.startswith("slow-"):
            await self.gate.wait()
        if name.startswith("bad-"):
            raise ValueError(f"{name} is bad")
        if name.startswith("parent-"):
            child = {**entity, "metadata": {"name": f"child-of-{name}"}}
            context.emit.entity(child, context.location)
        return entity


async def ordinary_way(self: Newborns, parents: Any, keep: Any) -> None:
    """Nothing is done beforehand."""


def documents() -> list[str]:
    """Entities that name each other, one that cannot be stitched, a name that stands twice, one in another's way."""
    several = [component(f"c{n}", dependsOn=[f"component:c{(n + 1) % 7}"], subcomponentOf="c0") for n in range(7)]
    twice = component("c3", type="library")
    unservable = component("upper").replace("spec:", "  labels: {a: x, A: y}\nspec:")
    invalid = component("invalid", owner=7)
    odd = component("odd", note=None).replace("spec:", '  title: "a\\tb\\\\c\\r\\nd"\nspec:')
    return [*several, twice, GROUP, unservable, invalid, odd, location("more", "./more.yaml", type="file")]


async def served(bench: Bench) -> dict[str, Any]:
    """Entities, what they are searched by, and what is kept of them, without what is drawn by lot or the time."""
    entities = await bench.entities()
    for entity in entities.values():
        entity["metadata"].pop("uid")
        entity["metadata"].pop("etag")
        for item in entity.get("status", {}).get("items", []):
            item["error"].pop("since", None)
    queries = {
        "search": "SELECT f.entity_ref, key, value, original_value, kind FROM search JOIN final_entities f USING (entity_id)"
        " WHERE key <> 'metadata.uid'",
        "relations": "SELECT s.entity_ref, source_entity_ref, type, target_entity_ref FROM relations"
        " JOIN refresh_state s ON s.id = originating_entity_id",
        "keys": "SELECT s.entity_ref, key FROM refresh_keys JOIN refresh_state s ON s.id = entity_id",
        "references": "SELECT source_key, source_entity_ref, target_entity_ref FROM refresh_state_references",
        "states": "SELECT entity_ref, unprocessed_entity, unprocessed_hash, processed_entity, result_hash, cache, errors,"
        " location_key, next_update_at FROM refresh_state",
    }
    async with bench.database.read() as connection:
        rows = {name: sorted(map(repr, await connection.execute(text(query)))) for name, query in queries.items()}
    return {"entities": entities, **rows}


async def test_they_look_as_if_they_had_come_the_ordinary_way(
    sqlite_database: Database, postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.yaml").write_text("\n---\n".join(documents()))
    (tmp_path / "more.yaml").write_text("\n---\n".join([component("c1"), component("other", owner="team-b")]))
    async with running(postgres_database, tmp_path, locations=ALL, rules=RULES) as bench:
        beforehand = await served(bench)
    monkeypatch.setattr(Newborns, "bring_up", ordinary_way)
    async with running(sqlite_database, tmp_path, locations=ALL, rules=RULES) as bench:
        assert beforehand == await served(bench)
    assert len(beforehand["entities"]) == 12


async def test_a_new_child_is_written_once(database: Database, tmp_path: Path) -> None:
    count = 40
    (tmp_path / "all.yaml").write_text("\n---\n".join(component(f"c{n}", owner="guests") for n in range(count)))
    async with running(database, tmp_path) as bench, counting_rows(database) as rows:
        await bench.service.create_location("url", "https://example.com/all.yaml")
        await bench.settle()
        await rows.reset()
        bench.reader.pages["https://example.com/all.yaml"] = (tmp_path / "all.yaml").read_text()
        await bench.refresh_all()
        written = await rows.counts()
    assert written["final_entities"] == count + 1
    # The location is due, claimed, read and done.
    assert written["refresh_state"] <= count + 2
    assert written["refresh_due"] + written["stitch_queue"] <= 12


async def test_nothing_of_them_is_due(database: Database, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("\n---\n".join(component(f"c{n}") for n in range(5)))
    async with running(database, tmp_path, locations=ALL) as bench:
        async with database.read() as connection:
            due = await connection.execute(text("SELECT count(*) FROM refresh_due"))
            assert due.scalar_one() == 0
        before = await bench.snapshot()
        await bench.refresh_all()
        assert await bench.snapshot() == before, "the same result again is no change"


async def test_who_takes_long_holds_up_nobody(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "gate", asyncio.Event())
    names = ["slow-one", "fast", "bad-one", "parent-one"]
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(component, names)))
    async with running(database, tmp_path, processors=[*installed_processors(), Slow]) as bench:
        bench.reader.pages["https://example.com/all.yaml"] = (tmp_path / "all.yaml").read_text()
        await bench.service.create_location("url", "https://example.com/all.yaml")

        async def names_are(expected: list[str]) -> None:
            async with asyncio.timeout(20):
                while [name.partition("/")[2] for name in await bench.names()] != expected:
                    await asyncio.sleep(0.02)

        await names_are(["child-of-parent-one", "fast", "parent-one"])
        assert (await bench.stored_errors())["component:default/bad-one"][0]["message"].startswith(
            "Processor Slow threw an error"
        )
        Slow.gate.set()
        await names_are(["child-of-parent-one", "fast", "parent-one", "slow-one"])
        await bench.settle()


async def test_what_others_say_of_one_that_is_under_way_is_not_missed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica says it after the newborn was built and before it was there; its request found nobody."""
    monkeypatch.setattr(stitch_queue, "SECOND_LOOK_MS", 300)
    ref = "component:default/new"
    write = Newborns._write
    (tmp_path / "all.yaml").write_text(component("old"))
    async with running(database, tmp_path, locations=ALL) as bench:

        async def overtaken(self: Newborns, *arguments: Any, **options: Any) -> None:
            async with database.write() as connection:
                query = "SELECT id FROM refresh_state WHERE entity_ref = 'component:default/old'"
                old = (await connection.execute(text(query))).scalar_one()
                await insert_relations(connection, {old: [Relation(ref, "dependencyOf", "component:default/old")]})
                await enqueue_stitch(connection, [ref])
            bench.engine._wake_stitching()
            await until(database, "SELECT count(*) FROM stitch_queue WHERE stitch_ticket LIKE 'unknown %'", 1)
            await write(self, *arguments, **options)

        monkeypatch.setattr(Newborns, "_write", overtaken)
        bench.reader.pages["https://example.com/new.yaml"] = component("new")
        await bench.service.create_location("url", "https://example.com/new.yaml")
        await until(database, f"SELECT count(*) FROM final_entities WHERE entity_ref = '{ref}'", 1)
        async with asyncio.timeout(20):
            while ("dependencyOf", "component:default/old") not in await bench.relations(ref):
                await asyncio.sleep(0.05)


async def test_a_name_that_nobody_has_is_looked_for_twice_more_and_forgotten(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stitch_queue, "SECOND_LOOK_MS", 100)
    monkeypatch.setattr(stitch_queue, "LAST_LOOK_MS", 400)
    tickets: list[str] = []
    postpone = stitch_queue.postpone_unknown

    async def noting(connection: Any, refs: Any) -> None:
        rows = await connection.execute(text("SELECT entity_ref, stitch_ticket FROM stitch_queue ORDER BY entity_ref"))
        tickets.extend(row.stitch_ticket for row in rows if row.entity_ref in refs)
        await postpone(connection, refs)

    monkeypatch.setattr("understage.catalog.stitching.rounds.postpone_unknown", noting)
    async with running(database, tmp_path) as bench:
        async with database.write() as connection:
            await enqueue_stitch(connection, ["group:default/nobody"])
        bench.engine._wake_stitching()
        await until(database, "SELECT count(*) FROM stitch_queue", 0)
    assert [ticket.count(stitch_queue.UNKNOWN) for ticket in tickets] == [0, 1, 2]


async def test_what_is_said_of_a_name_that_nobody_has_is_not_read(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    select = select_stitch_inputs.select_relations

    async def noting(connection: Any, refs: Any) -> Any:
        asked.extend(refs)
        return await select(connection, refs)

    monkeypatch.setattr(select_stitch_inputs, "select_relations", noting)
    (tmp_path / "a.yaml").write_text(component("one", owner="nobody"))
    async with (
        running(database, tmp_path, locations=[{"type": "file", "target": "a.yaml"}]),
        database.read() as connection,
    ):
        inputs = await select_stitch_inputs.select_stitch_inputs(
            connection, ["group:default/nobody", "component:default/one"]
        )
    assert [(item.entity_ref, item.relations) for item in inputs] == [
        ("component:default/one", [("ownedBy", "group:default/nobody")])
    ]
    assert "component:default/one" in asked
    assert "group:default/nobody" not in asked


async def test_who_asks_again_later_makes_nobody_wait_longer(database: Database) -> None:
    """Ten thousand components of one team ask for it a thousand times; it has its turn a second after the first."""
    wanted = ["group:default/team"]
    query = "SELECT stitch_ticket, next_stitch_at FROM stitch_queue"
    async with database.write() as connection:
        await enqueue_stitch(connection, wanted, delay_ms=10_000)
        first = (await connection.execute(text(query))).one()
    async with database.write() as connection:
        await enqueue_stitch(connection, wanted, delay_ms=60_000)
        again = (await connection.execute(text(query))).one()
    async with database.write() as connection:
        assert await stitch_queue.claim_stitches(connection, limit=10, timeout_ms=1) == {}
        await enqueue_stitch(connection, wanted)
        at_once = (await connection.execute(text(query))).one()
        claimed = await stitch_queue.claim_stitches(connection, limit=10, timeout_ms=1)
    assert again.next_stitch_at == first.next_stitch_at
    assert at_once.next_stitch_at < first.next_stitch_at - 5_000
    assert len({first.stitch_ticket, again.stitch_ticket, at_once.stitch_ticket}) == 3
    assert claimed == {"group:default/team": at_once.stitch_ticket}


async def test_what_was_looked_for_in_vain_is_not_waited_for(database: Database) -> None:
    async with database.write() as connection:
        await enqueue_stitch(connection, ["group:default/nobody"])
        assert await count_stitches(connection) == 1
        await stitch_queue.postpone_unknown(connection, ["group:default/nobody"])
        assert await count_stitches(connection) == 0


async def test_a_parent_that_is_another_replicas_by_now_brings_up_nobody(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Newborns._write

    async def overtaken(self: Newborns, *arguments: Any, **options: Any) -> None:
        async with database.write() as connection:
            await connection.execute(text("UPDATE refresh_due SET claim = 1"))
            await connection.execute(text("UPDATE refresh_buckets SET claim = 1"))
        await write(self, *arguments, **options)
        async with database.read() as connection:
            rows = await connection.execute(text("SELECT entity_ref FROM refresh_state WHERE entity_ref LIKE 'comp%'"))
            assert rows.scalars().all() == []
        overtaken_ones.append(True)
        async with database.write() as connection:
            await connection.execute(text("UPDATE refresh_due SET claim = 0, claimed_until = 0"))
            await connection.execute(text("UPDATE refresh_buckets SET claim = 0, claimed_until = 0"))
        monkeypatch.setattr(Newborns, "_write", write)

    overtaken_ones: list[bool] = []
    monkeypatch.setattr(Newborns, "_write", overtaken)
    (tmp_path / "all.yaml").write_text(component("new"))
    async with running(database, tmp_path, locations=ALL) as bench:
        assert overtaken_ones
        assert "component:default/new" in await bench.entities()


@pytest.mark.parametrize("fails_at", ["insert_processed", "insert_search"])
async def test_a_chunk_that_the_database_refuses_goes_the_ordinary_way(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    names = [f"c{n:02d}" for n in range(10)]
    monkeypatch.setattr(newborns, "CHUNK", 4)
    refused = broken(monkeypatch, fails_at)
    (tmp_path / "all.yaml").write_text("\n---\n".join(map(component, names)))
    async with running(database, tmp_path, locations=ALL) as bench:
        found = [name.partition("/")[2] for name in await bench.names()]
        assert found == names
    assert refused() == 1


def broken(monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[], int]:
    """Has the second call of a store operation refused by the database; tells how often that was."""
    real = getattr(newborns, name)
    calls = refused = 0

    async def refuse_second(connection: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal calls, refused
        calls += 1
        if calls == 2:
            refused += 1
            await connection.execute(text("SELECT no_such_column FROM refresh_state"))
        return await real(connection, *arguments, **named)

    monkeypatch.setattr(newborns, name, refuse_second)
    return lambda: refused


async def until(database: Database, query: str, count: int) -> None:
    async with asyncio.timeout(20):
        while True:
            async with database.read() as connection:
                if (await connection.execute(text(query))).scalar_one() == count:
                    return
            await asyncio.sleep(0.02)
