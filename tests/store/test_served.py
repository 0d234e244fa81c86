"""What is answered from memory is what the database answers, row for row, on every replica and right after every change."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.databases import PostgresServer

from understage.catalog.predicate import EVERYTHING, All, Any, Has, In, Not, Predicate, StartsWith
from understage.catalog.query import served as served_module
from understage.catalog.query.cursor import FullText, Order, decode_cursor
from understage.catalog.query.entities import (
    Page,
    Question,
    query_entities,
    query_served,
    question_of,
)
from understage.catalog.query.served import Served
from understage.catalog.query.snapshot import Snapshot
from understage.catalog.store import version_reader
from understage.catalog.store.bulk import select_time
from understage.catalog.store.changes import record_change
from understage.catalog.store.delete_states import delete_states
from understage.catalog.store.select_by_refs import select_by_refs, select_by_uid
from understage.catalog.store.select_dump import select_dump
from understage.catalog.store.write_final import insert_final, insert_search, replace_search, update_final
from understage.catalog.store.write_states import UnprocessedEntity, insert_states
from understage.platform.database import Database

NAMES = [f"n{number}" for number in range(12)]
VALUES = [
    "service",
    "Service",
    "web_site",
    "web%",
    "a\\b",
    "line\nbreak",
    "äther",
    "Äther",
    "\U0001f600",
    "zz",
    "",
    "ab",
    "b",
]
KEYS = ["kind", "metadata.name", "metadata.uid", "spec.type", "metadata.tags", "metadata.title", "nope"]
DEADLINE = 20.0


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET_SECONDS", "FOLLOW_SECONDS", "SHARE"):
        monkeypatch.setattr(served_module, name, 0)


@asynccontextmanager
async def replicas(database: Database, count: int) -> AsyncIterator[list[tuple[Database, Served]]]:
    """Processes that serve the same database, as far as one process can have them."""
    connected = [database.separate() for _ in range(count)]
    keepers = [(one, Served(one)) for one in connected]
    try:
        yield keepers
    finally:
        for one, served in keepers:
            await served.close()
            await one.close()


async def current(served: Served) -> Snapshot:
    """A snapshot, as soon as there is one."""
    deadline = time.monotonic() + DEADLINE
    while (snapshot := await served.find()) is None:
        assert time.monotonic() < deadline, "nothing was read into memory"
        await asyncio.sleep(0.005)
    return snapshot


def values_of(random: Random, name: str, kind: str, uid: str) -> set[tuple[str, str | None, str | None]]:
    def row(key: str, value: str | None) -> tuple[str, str | None, str | None]:
        return key, None if value is None else value.lower(), value

    rows = {row("kind", kind), row("metadata.name", name), row("metadata.uid", uid)}
    if random.random() < 0.8:
        rows.add(row("spec.type", random.choice([*VALUES, None])))
    rows |= {row("metadata.tags", random.choice(VALUES)) for _ in range(random.randrange(4))}
    if random.random() < 0.5:
        rows.add(row("metadata.title", " ".join(random.sample(VALUES, 2))))
    # An entity has each value of a key once, however it is written.
    return set({(key, value): (key, value, original) for key, value, original in sorted(rows, key=str)}.values())


async def change(database: Database, random: Random) -> None:
    """A transaction that adds, changes or removes some entities, as stitching and deletion do."""
    async with database.write() as connection:
        stored = {
            ref: (id_, uid)
            for ref, id_, uid in await connection.execute(text("SELECT entity_ref, entity_id, uid FROM final_entities"))
        }
        gone = [ref for ref in stored if random.random() < 0.15]
        await delete_states(connection, gone)
        for name in random.sample(NAMES, random.randrange(1, 5)):
            kind = random.choice(["Component", "API"])
            ref = f"{kind.lower()}:default/{name}"
            body = orjson.dumps({"name": name, "number": random.randrange(10**6)}).decode()
            if ref in stored and ref not in gone:
                id_, uid = stored[ref]
                await update_final(connection, [(body, str(random.random()), id_)])
                await replace_search(connection, {(id_, kind.lower()): values_of(random, name, kind, uid)})
            elif ref not in stored:
                await insert_states(connection, [UnprocessedEntity(ref, "{}", "hash", None)])
                state = await connection.execute(
                    text("SELECT id, uid FROM refresh_state WHERE entity_ref = :ref"), {"ref": ref}
                )
                id_, uid = state.one()
                await insert_final(connection, [(id_, uid, ref, body, str(random.random()))])
                await insert_search(connection, {(id_, kind.lower()): values_of(random, name, kind, uid)})
        await record_change(connection)


def predicate_of(random: Random, depth: int = 0) -> Predicate:
    key = random.choice(KEYS)
    match random.randrange(7 if depth < 3 else 4):
        case 0:
            return Has(key)
        case 1 | 2:
            values = [*VALUES, "component", "api", *NAMES]
            return In(key, tuple(value.lower() for value in random.sample(values, random.randrange(4))))
        case 3:
            return StartsWith(
                key, random.choice(["", "s", "web", "web_", "web%", "ä", "n1", "\U0001f600", "component"])
            )
        case 4:
            return Not(predicate_of(random, depth + 1))
        case 5:
            return All(tuple(predicate_of(random, depth + 1) for _ in range(random.randrange(3))))
    return Any(tuple(predicate_of(random, depth + 1) for _ in range(random.randrange(3))))


def question(random: Random) -> Question:
    orders = (Order(random.choice([*KEYS, "Metadata.Tags"]), random.random() < 0.5),) if random.random() < 0.8 else ()
    full_text = None
    if random.random() < 0.5:
        fields = tuple(random.sample(KEYS, random.randrange(1, 3))) if random.random() < 0.7 else None
        full_text = FullText(
            random.choice(["e", "SERV", "n1", "b_s", "%", "\\", "Ä", "\n", " zz ", "k\nb", "none"]), fields
        )
    return Question(
        orders=orders,
        full_text=full_text,
        limit=random.randrange(5),
        offset=random.choice([0, 0, 1, 3]),
        with_total=True,
    )


def essence(page: Page) -> tuple[list[bytes], float, str | None, str | None]:
    items = [item.encode() if isinstance(item, str) else item for item in page.items]
    return items, page.total, page.next_cursor, page.previous_cursor


async def assert_same_pages(database: Database, served: Served, asked: Question, access: Predicate | None) -> int:
    """Walk from page to page, forwards and back once; returns how many were answered from memory."""
    answered = 0
    for _ in range(8):
        page = await query_served(served, asked, access)
        async with database.read() as connection:
            expected = await query_entities(connection, asked, access)
        if page is not None:
            answered += 1
            assert essence(page) == essence(expected), (asked, access)
        cursors = [cursor for cursor in (expected.next_cursor, expected.previous_cursor) if cursor is not None]
        if not cursors:
            break
        asked = question_of(decode_cursor(cursors[0 if answered % 3 else -1]), asked.limit)
    return answered


async def assert_same_lists(database: Database, served: Served, predicate: Predicate, random: Random) -> int:
    snapshot = await served.find(predicate)
    if snapshot is None:
        return 0
    refs = [f"{random.choice(['component', 'api'])}:default/{name}" for name in random.sample(NAMES, 6)]
    async with database.read() as connection:
        dump = await select_dump(connection, predicate, after="", limit=1000)
        by_refs = await select_by_refs(connection, refs, predicate)
        uids = [row[0] for row in await connection.execute(text("SELECT uid FROM final_entities"))]
        by_uid = {uid: await select_by_uid(connection, uid, predicate) for uid in [*uids, "nope"]}
    assert b",".join(snapshot.dump(predicate)) == dump.json.encode()
    assert snapshot.by_refs(refs, predicate) == [by_refs[ref].encode() if ref in by_refs else None for ref in refs]
    found = {uid: snapshot.by_uid(uid.upper(), predicate) for uid in by_uid}
    assert found == {uid: None if json is None else json.encode() for uid, json in by_uid.items()}
    return 1


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_same_answers_from_memory_after_random_changes(database: Database, seed: int) -> None:
    random = Random(seed)
    answered = 0
    async with replicas(database, 2) as processes:
        for _ in range(3):
            await change(random.choice(processes)[0], random)
            for of, served in processes:
                # At once, when memory may be behind; then when it has followed.
                await assert_same_pages(of, served, question(random), None)
                await assert_same_lists(of, served, EVERYTHING, random)
                await current(served)
                for _ in range(12):
                    predicate = predicate_of(random)
                    answered += await assert_same_pages(of, served, question(random), predicate)
                    answered += await assert_same_lists(of, served, predicate, random)
    assert answered > 50


async def test_a_change_is_in_the_next_answer_of_every_replica(database: Database) -> None:
    random = Random(1)
    async with replicas(database, 3) as processes:
        await change(processes[0][0], random)
        for _, served in processes:
            await current(served)
        for number in range(20):
            writer = processes[number % 3][0]
            await change(writer, random)
            async with writer.read() as connection:
                expected = (await select_dump(connection, EVERYTHING, after="", limit=1000)).json.encode()
            for _, served in processes:
                snapshot = await served.find()
                assert snapshot is None or b",".join(snapshot.dump(EVERYTHING)) == expected
            if number % 4 == 0:
                assert b",".join((await current(processes[2][1])).dump(EVERYTHING)) == expected


async def test_many_questions_at_once_ask_for_the_version_together(database: Database) -> None:
    async with replicas(database, 1) as [(of, served)]:
        await change(of, Random(2))
        await current(served)
        found = await asyncio.gather(*(served.find(In("kind", ("component",))) for _ in range(50)))
        assert all(found)


async def test_what_is_too_large_is_left_to_the_database(database: Database) -> None:
    await change(database, Random(3))
    served = Served(database, most_bytes=10)
    try:
        for _ in range(20):
            assert await served.find() is None
            await asyncio.sleep(0.01)
    finally:
        await served.close()


async def test_zero_bytes_are_left_to_the_database(database: Database) -> None:
    async with replicas(database, 1) as [(of, served)]:
        await change(of, Random(4))
        await current(served)
        assert await served.find(In("kind", ("a\0",))) is None
        assert await served.find(values=["component:default/\0"]) is None


async def test_what_a_replica_wrote_without_a_note_is_found_by_comparing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(database, 1) as [(of, served)]:
        await change(of, Random(5))
        before = await current(served)
        async with of.write() as connection:
            at = await select_time(connection)
            await connection.execute(
                text("UPDATE final_entities SET final_entity = '{}', hash = 'new', last_updated_at = :at"),
                {"at": at + 1},
            )
        monkeypatch.setattr(served_module, "CHECK_SECONDS", -1.0)
        deadline = time.monotonic() + DEADLINE
        while (snapshot := await served.find()) is None or snapshot is before:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert set(b",".join(snapshot.dump(EVERYTHING)).split(b",")) == {b"{}"}


@pytest.mark.postgres
async def test_a_server_that_was_restarted_costs_no_answer(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    database = postgres_database.separate()
    served = Served(database)
    try:
        await change(database, Random(6))
        before = await current(served)
        assert before.ids
        postgres_server.restart()
        # The version cannot be asked on the lost connection: the database is left to answer, and then it can again.
        snapshot = await served.find()
        assert snapshot is None or snapshot is before
        async with database.read() as connection:
            expected = (await select_dump(connection, EVERYTHING, after="", limit=1000)).json.encode()
        assert b",".join((await current(served)).dump(EVERYTHING)) == expected
    finally:
        await served.close()
        await database.close()


@pytest.mark.postgres
async def test_the_connection_is_given_back_after_a_while(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_reader, "LINGER_SECONDS", 0.01)
    database = postgres_database.separate()
    reader = version_reader.VersionReader(database)
    try:
        first = await reader.read()
        assert await reader.read() == first
        await asyncio.sleep(0.2)
        async with database.read() as connection:
            await record_change_apart(database)
            idle = await connection.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
            )
            assert idle.scalar_one() == 0
        assert await reader.read() != first
    finally:
        await reader.close()
        await database.close()


async def record_change_apart(database: Database) -> None:
    async with database.write() as connection:
        await record_change(connection)
