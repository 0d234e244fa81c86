"""Keeps a snapshot of what is served in this process, as long as it is not too large and no replica has changed anything.

The API asks `find` before it asks the database. The version of what is served is looked at for every answer, so that a change
that any replica has committed is in the next answer of every replica. Where there is no snapshot of that version, the database
answers; meanwhile the snapshot is brought up to date by what differs, until it is, or nobody asks any more.
"""

import asyncio
import time
from collections.abc import Iterable

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.predicate import EVERYTHING, All, Any, Has, In, Not, Predicate, StartsWith
from understage.catalog.query.column import Column
from understage.catalog.query.snapshot import Snapshot
from understage.catalog.store.changes import select_version
from understage.catalog.store.count_entities import Text
from understage.catalog.store.select_served import (
    Sums,
    select_column,
    select_hashes,
    select_served,
    select_sums,
    select_values,
    select_written,
)
from understage.catalog.store.version_reader import VersionReader
from understage.platform.database import Database

log = structlog.get_logger(__name__)

MOST_BYTES = 256 << 20
# Rows of all columns, for each entity: a page of the stock frontend asks for ten keys or so.
MOST_ROWS = 24
BATCH = 1000
# A transaction may have been committed after one that wrote later.
OVERLAP_MS = 200
# The first snapshot is of everything: it waits until nothing has changed for a while, though not for ever.
QUIET_SECONDS = 1.0
PATIENCE_SECONDS = 30.0
# One that is there follows at once after a while without changes, and takes a tenth of the time at most.
FOLLOW_SECONDS = 0.02
SHARE = 10
# For how long after a question the snapshot follows, so that the next one finds it.
ASKED_SECONDS = 60.0
# A replica of the first release notes no changes: the table itself is compared while the snapshot is used.
CHECK_SECONDS = 5.0
TRUSTED_SECONDS = 10.0
TOO_LARGE_SECONDS = 600.0


class Served:
    """One a process. `most_bytes` of JSON are kept; 0: nothing is."""

    def __init__(self, database: Database, most_bytes: int = MOST_BYTES) -> None:
        self._database = database
        self._most_bytes = most_bytes
        self._versions = VersionReader(database)
        self._snapshot: Snapshot | None = None
        self._is_stale = False
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._next_round = 0.0
        self._asked_at = 0.0

    async def close(self) -> None:
        """End what goes on in the background."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._versions.close()

    async def find(
        self,
        predicate: Predicate = EVERYTHING,
        *,
        order: str | None = None,
        text: Text | None = None,
        values: Iterable[str | None] = (),
    ) -> Snapshot | None:
        """A snapshot of now that can answer a question about these conditions; None: the database has to.

        `values` are further texts of the question: of texts with zero bytes the database itself has to say what it thinks.
        """
        keys: set[str] = set()
        texts = [value for value in values if value is not None]
        _look_into(predicate, keys, texts)
        if order is not None:
            keys.add(order)
        if text is not None:
            keys.update(field.lower() for field in text[1])
            texts.append(text[0])
        if "\0" in "".join([*keys, *texts]) or not self._most_bytes:
            return None
        snapshot = await self._current()
        if snapshot is None:
            return None
        for key in keys - snapshot.columns.keys():
            if key in snapshot.refused or not await self._load_column(snapshot, key):
                return None
        # One may have had to make place for another.
        return snapshot if keys <= snapshot.columns.keys() else None

    async def _current(self) -> Snapshot | None:
        snapshot = self._snapshot
        self._asked_at = time.monotonic()
        if snapshot is None or self._is_stale:
            self._follow()
            return None
        try:
            version = await self._versions.read()
        except Exception:
            # Asked for the entities, the database says better what is wrong.
            log.debug("the version of what is served is not known", exc_info=True)
            return None
        age = time.monotonic() - snapshot.checked_at
        self._is_stale = snapshot is self._snapshot and version != snapshot.version
        if self._is_stale or age > CHECK_SECONDS:
            self._follow()
        return snapshot if version == snapshot.version and age < TRUSTED_SECONDS else None

    async def _load_column(self, snapshot: Snapshot, key: str) -> bool:
        async with self._database.read(is_one_snapshot=True) as connection:
            # As the first statement it says of which moment the rows are.
            if await select_version(connection) != snapshot.version:
                return False
            return await _read_column(connection, snapshot, key)

    def _follow(self) -> None:
        if (self._task is None or self._task.done()) and time.monotonic() >= self._not_before:
            self._task = asyncio.create_task(self._bring_up_to_date())

    async def _bring_up_to_date(self) -> None:
        try:
            if self._snapshot is not None and not self._is_stale and await self._is_as_it_was(self._snapshot):
                return
            self._is_stale = True
            while self._is_stale and time.monotonic() - self._asked_at < ASKED_SECONDS:
                await (self._wait_for_quiet() if self._snapshot is None else self._wait_for_turn())
                began = time.monotonic()
                new = await self._load(self._snapshot)
                if new is None:
                    return
                self._next_round = time.monotonic() + SHARE * (time.monotonic() - began)
                self._snapshot, self._is_stale = new, await self._versions.read() != new.version
        except Exception:
            log.warning("what is served could not be read into memory, the database answers", exc_info=True)
            self._not_before = time.monotonic() + QUIET_SECONDS

    async def _is_as_it_was(self, snapshot: Snapshot) -> bool:
        async with self._database.read() as connection:
            is_same = await select_sums(connection) == snapshot.sums
        if is_same:
            snapshot.checked_at = time.monotonic()
        return is_same

    async def _wait_for_quiet(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        version = None
        while (now := await self._versions.read()) != version and time.monotonic() < deadline:
            version = now
            await asyncio.sleep(QUIET_SECONDS)

    async def _wait_for_turn(self) -> None:
        """Together with what changes in the same moment, and not more often than may be."""
        await asyncio.sleep(max(FOLLOW_SECONDS, self._next_round - time.monotonic()))

    async def _load(self, last: Snapshot | None) -> Snapshot | None:
        """All that is served, as of one moment; what has the hash that it had in the last snapshot is taken from there."""
        began = time.monotonic()
        async with self._database.read(is_one_snapshot=True) as connection:
            version = await select_version(connection)
            sums = await select_sums(connection)
            if last is not None and (written := await _updates(connection, last, sums)):
                served = await select_served(connection, sorted(written))
                if all(map(last.has, served)):
                    snapshot = last.updated(version, sums, served, began, written)
                    await _take_columns(connection, snapshot, last, sorted(written))
                    return snapshot
            hashes = await select_hashes(connection)
            known = {} if last is None else {id_: last.entity(number) for id_, number in last.numbers.items()}
            entities = {
                id_: known[id_] for id_, (hash_, _) in hashes.items() if id_ in known and known[id_].hash == hash_
            }
            wanted = sorted(hashes.keys() - entities.keys())
            size = sum(len(entity.body) for entity in entities.values())
            for start in range(0, len(wanted), BATCH):
                found = await select_served(connection, wanted[start : start + BATCH])
                size += sum(len(entity.body) for entity in found)
                if size > self._most_bytes:
                    log.info("what is served is too large to be kept in memory, the database answers", bytes=size)
                    self._snapshot, self._not_before = None, time.monotonic() + TOO_LARGE_SECONDS
                    return None
                entities.update((entity.id, entity) for entity in found)
            # In a thread, so that the API answers meanwhile.
            times = {id_: at for id_, (_, at) in hashes.items()}
            snapshot = await asyncio.to_thread(Snapshot, version, sums, entities.values(), began, times)
            if last is not None:
                await _take_columns(connection, snapshot, last, wanted)
        return snapshot


async def _updates(connection: AsyncConnection, last: Snapshot, sums: Sums) -> dict[int, int]:
    """When those entities were written that were since the last snapshot; nothing unless it is sure that these are all changes.

    Whatever else happened, the sums differ: then all hashes have to be compared.
    """
    written = await select_written(connection, last.newest - OVERLAP_MS, BATCH)
    if len(written) == BATCH or not written.keys() <= last.numbers.keys():
        return {}
    later = sum(at - last.written[id_] for id_, at in written.items())
    count, ids, times = last.sums
    return written if sums == (count, ids, times + later) else {}


async def _take_columns(connection: AsyncConnection, snapshot: Snapshot, last: Snapshot, changed: list[int]) -> None:
    """The columns that the last snapshot had, so that the next question need not read them: as they were, or anew."""
    columns = dict(last.columns)
    is_close = snapshot.ids == last.ids and len(changed) <= BATCH
    rows = await select_values(connection, changed, columns) if is_close else []
    for key, column in columns.items():
        now = [(value, snapshot.numbers[id_]) for of, value, id_ in rows if of == key]
        if is_close and column.has_rows(now, {snapshot.numbers[id_] for id_ in changed}):
            snapshot.columns[key] = column
        else:
            await _read_column(connection, snapshot, key)


async def _read_column(connection: AsyncConnection, snapshot: Snapshot, key: str) -> bool:
    """Whether the snapshot has the column now: one with too many rows it has not. Of the same version, or the rows of others."""
    most = MOST_ROWS * len(snapshot.ids) + BATCH
    rows = await select_column(connection, key, most)
    if len(rows) >= most or not all(id_ in snapshot.numbers for _, id_ in rows):
        snapshot.refused.add(key)
        return False
    numbered = [(value, snapshot.numbers[id_]) for value, id_ in rows]
    column = await asyncio.to_thread(Column, numbered, len(snapshot.ids))
    while snapshot.columns and sum(other.rows for other in snapshot.columns.values()) + column.rows > most:
        del snapshot.columns[next(iter(snapshot.columns))]
    snapshot.columns[key] = column
    return True


def _look_into(predicate: Predicate, keys: set[str], texts: list[str]) -> None:
    """Collect the keys and the other texts of a predicate."""
    match predicate:
        case Has(key):
            keys.add(key)
        case In(key, values):
            keys.add(key)
            texts.extend(values)
        case StartsWith(key, prefix):
            keys.add(key)
            texts.append(prefix)
        case All(of) | Any(of):
            for item in of:
                _look_into(item, keys, texts)
        case Not(of):
            _look_into(of, keys, texts)
