"""Keeps a snapshot of what is served in this process, as long as it is not too large and no replica has changed anything.

The API asks `find` before it asks the database. The version of what is served is looked at for every answer, so that a change
that any replica has committed is in the next answer of every replica. Where there is no snapshot of that version, the database
answers; meanwhile the snapshot is brought up to date by what differs, once nothing has changed for a moment.
"""

import asyncio
import time
from collections.abc import Iterable

import structlog

from understage.catalog.predicate import EVERYTHING, All, Any, Has, In, Not, Predicate, StartsWith
from understage.catalog.query.column import Column
from understage.catalog.query.snapshot import Snapshot
from understage.catalog.store.changes import Version
from understage.catalog.store.count_entities import Text
from understage.catalog.store.select_served import (
    select_column,
    select_hashes,
    select_served,
    select_sums,
    select_values,
)
from understage.catalog.store.version_reader import VersionReader
from understage.platform.database import Database

log = structlog.get_logger(__name__)

MOST_BYTES = 256 << 20
# Rows of all columns, for each entity: a page of the stock frontend asks for ten keys or so.
MOST_ROWS = 24
BATCH = 1000
QUIET_SECONDS = 1.0
# A snapshot that is there already follows sooner; together with what it costs it takes a twentieth of the time at most.
FOLLOW_SECONDS = 0.25
SHARE = 20
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
        self._took = 0.0

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
        most = MOST_ROWS * len(snapshot.ids) + BATCH
        async with self._database.read() as connection:
            rows = await select_column(connection, key, most)
        # Nothing was committed between the version of the snapshot and this one, so the rows are of the snapshot's version.
        if await self._versions.read() != snapshot.version:
            return False
        if len(rows) >= most or not all(id_ in snapshot.numbers for _, id_ in rows):
            snapshot.refused.add(key)
            return False
        numbered = [(value, snapshot.numbers[id_]) for value, id_ in rows]
        column = await asyncio.to_thread(Column, numbered, len(snapshot.ids))
        while snapshot.columns and sum(other.rows for other in snapshot.columns.values()) + column.rows > most:
            del snapshot.columns[next(iter(snapshot.columns))]
        snapshot.columns[key] = column
        return True

    def _follow(self) -> None:
        if (self._task is None or self._task.done()) and time.monotonic() >= self._not_before:
            self._task = asyncio.create_task(self._bring_up_to_date())

    async def _bring_up_to_date(self) -> None:
        try:
            snapshot = self._snapshot
            if snapshot is not None and not self._is_stale:
                async with self._database.read() as connection:
                    sums = await select_sums(connection)
                if sums == snapshot.sums:
                    snapshot.checked_at = time.monotonic()
                    return
            await asyncio.sleep(QUIET_SECONDS if snapshot is None else max(FOLLOW_SECONDS, SHARE * self._took))
            began = time.monotonic()
            version = await self._versions.read()
            await asyncio.sleep(QUIET_SECONDS if snapshot is None else FOLLOW_SECONDS)
            if await self._versions.read() != version:
                return
            new = await self._load(version, snapshot)
            if new is not None and await self._versions.read() == version:
                self._snapshot, self._is_stale = new, False
            self._took = time.monotonic() - began - FOLLOW_SECONDS
        except Exception:
            log.warning("what is served could not be read into memory, the database answers", exc_info=True)
            self._not_before = time.monotonic() + QUIET_SECONDS

    async def _load(self, version: Version, last: Snapshot | None) -> Snapshot | None:
        """All that is served; what has the hash that it had in the last snapshot is taken from there."""
        began = time.monotonic()
        async with self._database.read() as connection:
            sums = await select_sums(connection)
            hashes = await select_hashes(connection)
        known = {} if last is None else {id_: last.entity(number) for id_, number in last.numbers.items()}
        entities = {id_: known[id_] for id_, hash_ in hashes.items() if id_ in known and known[id_].hash == hash_}
        wanted = sorted(hashes.keys() - entities.keys())
        size = sum(len(entity.body) for entity in entities.values())
        for start in range(0, len(wanted), BATCH):
            async with self._database.read() as connection:
                found = await select_served(connection, wanted[start : start + BATCH])
            size += sum(len(entity.body) for entity in found)
            if size > self._most_bytes:
                log.info("what is served is too large to be kept in memory, the database answers", bytes=size)
                self._snapshot, self._not_before = None, time.monotonic() + TOO_LARGE_SECONDS
                return None
            entities.update((entity.id, entity) for entity in found)
        if entities.keys() != hashes.keys():
            return None
        # In a thread, so that the API answers meanwhile.
        snapshot = await asyncio.to_thread(Snapshot, version, sums, entities.values(), began)
        if last is not None:
            await self._keep_columns(snapshot, last, wanted)
        return snapshot

    async def _keep_columns(self, snapshot: Snapshot, last: Snapshot, changed: list[int]) -> None:
        """Those columns that are as they were; the others are loaded when they are asked for."""
        if snapshot.ids != last.ids or len(changed) > BATCH:
            return
        columns = dict(last.columns)
        async with self._database.read() as connection:
            rows = await select_values(connection, changed, columns)
        for key, column in columns.items():
            now = [(value, snapshot.numbers[id_]) for of, value, id_ in rows if of == key]
            if column.has_rows(now, {snapshot.numbers[id_] for id_ in changed}):
                snapshot.columns[key] = column


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
