"""What this process has claimed and not finished: entities that were due by themselves, and whole buckets.

Kept by `processing.rounds`. Entities of a bucket that take long are taken out of it, so that the bucket can be given back
and others of it can be refreshed meanwhile.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.store.claims import (
    TIMEOUT_MS,
    DueEntity,
    claim_bucket,
    claim_due,
    detach_from_bucket,
    release_bucket,
    release_claims,
    renew_claims,
)
from understage.catalog.store.retry import write_with_retry
from understage.platform.database import Database

RENEW_SECONDS = TIMEOUT_MS / 1000 / 3
# How long entities of a bucket may take before they are taken out of it, which costs a write each.
DETACH_SECONDS = 5.0


@dataclass
class _Bucket:
    claim: int
    entities: dict[int, DueEntity]
    since: float = field(default_factory=time.monotonic)

    @property
    def is_ready(self) -> bool:
        """Whether to give it back now."""
        return not self.entities or time.monotonic() - self.since > DETACH_SECONDS


class Holdings:
    """The claims of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._single: dict[int, DueEntity] = {}
        self._buckets: dict[int, _Bucket] = {}
        self._renewed = 0.0

    def __len__(self) -> int:
        return len(self._single) + sum(len(bucket.entities) for bucket in self._buckets.values())

    async def claim(self, room: int, *, interval_ms: int) -> list[DueEntity]:
        """Claim up to `room` entities that are due by themselves, and a bucket that is due if none is held."""
        async with self._database.write(is_derived=True) as connection:
            single = await claim_due(connection, limit=room)
            found = None if self._buckets else await claim_bucket(connection, interval_ms=interval_ms)
            if found is not None and not found[2]:
                # All of it is new, or gone: nothing of it waits for this.
                await release_bucket(connection, found[0], found[1])
                found = None
        if not self:
            self._renewed = time.monotonic()
        self._single.update((entity.id, entity) for entity in single)
        if found is None:
            return single
        bucket, claim, entities = found
        self._buckets[bucket] = _Bucket(claim, {entity.id: entity for entity in entities})
        return [*single, *entities]

    def current(self, entity: DueEntity) -> DueEntity:
        """The claim on an entity as it is now: it may have been taken out of its bucket since."""
        held = self._single.get(entity.id)
        return held if held is not None and held.uid == entity.uid else entity

    def drop(self, entities: Iterable[DueEntity]) -> None:
        """These are finished, or given up; a later claim on one of them stays."""
        for entity in entities:
            held = self._single.get(entity.id)
            if held is not None and held.claim == entity.claim:
                del self._single[entity.id]
            bucket = self._buckets.get(entity.bucket)
            if bucket is not None and bucket.claim == entity.claim:
                bucket.entities.pop(entity.id, None)

    async def keep(self) -> None:
        """After a commit: give back the buckets, detach what is still running, and renew what is held for long."""
        for number, bucket in list(self._buckets.items()):
            if not bucket.is_ready:
                continue
            detached = await write_with_retry(
                self._database, partial(_let_go, number=number, bucket=bucket), is_derived=True
            )
            # One may have been given up meanwhile.
            self._single.update((entity.id, entity) for entity in detached if entity.id in bucket.entities)
            del self._buckets[number]
        if self._single and time.monotonic() - self._renewed > RENEW_SECONDS:
            claims = {entity.claim for entity in self._single.values()}
            async with self._database.write(is_derived=True) as connection:
                await renew_claims(connection, claims)
            self._renewed = time.monotonic()

    async def release_all(self) -> None:
        """Make everything due again, for another start or replica."""
        single, buckets = list(self._single.values()), dict(self._buckets)

        async def release(write: AsyncConnection) -> None:
            await release_claims(write, single)
            for number, bucket in buckets.items():
                await release_bucket(write, number, bucket.claim, due_now=bool(bucket.entities))

        if single or buckets:
            await write_with_retry(self._database, release)
        self._single.clear()
        self._buckets.clear()


async def _let_go(connection: AsyncConnection, *, number: int, bucket: _Bucket) -> list[DueEntity]:
    detached: list[DueEntity] = []
    if bucket.entities:
        detached = await detach_from_bucket(connection, list(bucket.entities.values()))
    await release_bucket(connection, number, bucket.claim)
    return detached
