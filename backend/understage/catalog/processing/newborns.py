"""Children that nobody had before are processed before they are stored: they come in complete, and are served at once.

Called by `processing.rounds` for the outcomes of a round before they are committed. The ordinary road writes a child, claims it,
reads it, writes what became of it, claims it for stitching, reads it and writes its final form; here it is written once. What
cannot go this way is left for the ordinary road, which the commit of the parent begins: locations, children with children or
errors of their own, and those that wait for something, which replicas share and where one holds up nobody.
"""

import asyncio
import random
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.processing import measures
from understage.catalog.processing.commit import still_ours
from understage.catalog.processing.one_by_one import OneByOne
from understage.catalog.processing.orchestrator import Orchestrator
from understage.catalog.processing.outcome import Outcome
from understage.catalog.processing.run_entity import Breath
from understage.catalog.stitching.final_entity import FinalForm, build_from
from understage.catalog.stitching.measures import stitched
from understage.catalog.store.changes import record_change
from understage.catalog.store.references import NewReference, insert_references
from understage.catalog.store.replace_refresh_keys import insert_refresh_keys
from understage.catalog.store.replace_relations import insert_relations, select_relations
from understage.catalog.store.retry import LostRace, write_with_retry
from understage.catalog.store.select_states import select_states
from understage.catalog.store.select_stitch_inputs import StitchInput
from understage.catalog.store.stitch_queue import LAST_LOOK_MS, enqueue_stitch
from understage.catalog.store.write_final import insert_final, insert_search
from understage.catalog.store.write_states import (
    ProcessedEntity,
    UnprocessedEntity,
    insert_processed,
    schedule_processed,
)
from understage.errors import UnderstageError
from understage.platform.database import Database

log = structlog.get_logger(__name__)

CHUNK = 1000
WRITES = 3
RELATIVES_MS = 1000
"""How much later those have their turn whom the next chunk will name again: the team that owns all of them."""
# Requests for final forms of entities that are under way are kept for a minute: what was built must be there before.
LONGEST_SECONDS = LAST_LOOK_MS / 1000 / 2

Said = dict[str, set[tuple[str, str]]]
"""Relations, as types and targets, by the reference of their source."""


@dataclass(slots=True)
class Newborn:
    """A child on its way: whose it is, what came in, and what became of it."""

    parent: Outcome
    came_in: UnprocessedEntity
    outcome: Outcome
    form: FinalForm | None = None

    @property
    def ref(self) -> str:
        """Its reference."""
        return self.came_in.entity_ref

    @property
    def kind(self) -> str:
        """Its kind, in lower case."""
        return self.ref.partition(":")[0]


class Newborns:
    """Brings up the children of one process. `interval` is the shortest and longest pause of an entity, in seconds.

    `on_commit` is called after each chunk, which may have asked for the final forms of others.
    """

    def __init__(
        self,
        database: Database,
        orchestrator: Orchestrator,
        *,
        interval: tuple[float, float],
        on_commit: Callable[[], None],
    ) -> None:
        self._database = database
        self._orchestrator = orchestrator
        self._interval = interval
        self._on_commit = on_commit
        self._is_stopped = False

    async def bring_up(self, parents: Sequence[Outcome], keep: Callable[[], Awaitable[None]]) -> None:
        """Process and store the new children of these, a thousand at a time; three chunks are written while the next is made.

        `keep` is called between two chunks, so that the claims of the parents do not end meanwhile.
        """
        children = _candidates(parents)
        if children:
            async with self._database.read() as connection:
                known = await select_states(connection, list(children))
            children = {ref: child for ref, child in children.items() if ref not in known}
        queue = deque(children.values())
        writes: deque[tuple[asyncio.Task[None], Said]] = deque()
        is_slow = False
        try:
            while queue and not is_slow and not self._is_stopped:
                processed, is_slow = await self._process([queue.popleft() for _ in range(min(CHUNK, len(queue)))])
                began = time.monotonic()
                said = _said_by(processed)
                newborns = await self._build(processed, [*(said for _, said in writes), said])
                if len(writes) == WRITES:
                    await writes.popleft()[0]
                await keep()
                write = self._write(newborns, began, has_more=bool(queue))
                writes.append((asyncio.create_task(write), said))
            while writes:
                await writes.popleft()[0]
        finally:
            await asyncio.gather(*(write for write, _ in writes), return_exceptions=True)

    def stop(self) -> None:
        """Leave the rest to whoever processes the parents next."""
        self._is_stopped = True

    async def _process(self, chunk: Sequence[tuple[Outcome, UnprocessedEntity]]) -> tuple[list[Newborn], bool]:
        """Those that can be stored now, by reference, and whether many have to wait for something."""
        parents = {child.entity_ref: parent for parent, child in chunk}
        processed = [early for parent, child in chunk if (early := parent.take_early(child)) is not None]
        known = {child.entity_ref for child, _ in processed}
        run = OneByOne(self._orchestrator, (child for _, child in chunk if child.entity_ref not in known))
        await run.run()
        processed += run.done
        newborns = [
            Newborn(parents[child.entity_ref], child, outcome) for child, outcome in processed if _is_plain(outcome)
        ]
        return sorted(newborns, key=lambda newborn: newborn.ref), run.is_slow

    async def _build(self, newborns: list[Newborn], said: Iterable[Said]) -> list[Newborn]:
        """Give them their final forms, of what is said of them here and by others; those that cannot be served are left out."""
        async with self._database.read() as connection:
            stored = await select_relations(connection, [item.ref for item in newborns])
        related: Said = {item.ref: set() for item in newborns}
        for source, type_, target in stored:
            related[source].add((type_, target))
        for relations in said:
            for ref in related.keys() & relations.keys():
                related[ref] |= relations[ref]
        breath = Breath()
        for item in newborns:
            item.form = _final_form(item, sorted(related[item.ref]))
            await breath.take()
        return [item for item in newborns if item.form is not None]

    async def _write(self, newborns: list[Newborn], began: float, *, has_more: bool) -> None:
        if not newborns:
            return
        look_again_ms = int(random.uniform(*self._interval) * 1000)
        relatives_ms = RELATIVES_MS if has_more else 0

        async def write(connection: AsyncConnection) -> int:
            count = await _write_newborns(connection, newborns, look_again_ms, relatives_ms)
            if time.monotonic() - began > LONGEST_SECONDS:
                raise LostRace
            return count

        try:
            written = await write_with_retry(self._database, write, is_derived=True)
        except (DBAPIError, LostRace) as error:
            reason = str(getattr(error, "orig", None) or error or "it took too long")
            log.warning("new entities could not be written all at once, they go the ordinary way", error=reason)
            return
        if written:
            measures.processed.add(written, {"result": "changed"})
            stitched.add(written, {"result": "changed"})
            self._on_commit()


def _candidates(parents: Sequence[Outcome]) -> dict[str, tuple[Outcome, UnprocessedEntity]]:
    """The children that may go this way, by reference, each under the first that emits it: the name is its."""
    found: dict[str, tuple[Outcome, UnprocessedEntity]] = {}
    for parent in parents:
        if parent.result.ok:
            for child in parent.children:
                if not child.entity_ref.startswith("location:"):
                    found.setdefault(child.entity_ref, (parent, child))
    return found


def _said_by(newborns: Iterable[Newborn]) -> Said:
    said: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for item in newborns:
        for source, type_, target in item.outcome.result.relations:
            said[source].add((type_, target))
    return said


def _is_plain(outcome: Outcome) -> bool:
    return outcome.result.ok and not outcome.children and not outcome.result.superseded


def _final_form(item: Newborn, relations: list[tuple[str, str]]) -> FinalForm | None:
    entity, uid = item.outcome.result.entity, item.outcome.claimed.uid
    assert entity is not None
    try:
        return build_from(entity, StitchInput(0, uid, item.ref, None, "[]", None, False, relations))
    except (UnderstageError, TypeError):
        # The ordinary road tells of it.
        return None


async def _write_newborns(
    connection: AsyncConnection, newborns: Sequence[Newborn], look_again_ms: int, relatives_ms: int
) -> int:
    parents = list({id(item.parent): item.parent for item in newborns}.values())
    ours = await still_ours(connection, parents, is_shared=True)
    known = await select_states(connection, [item.ref for item in newborns])
    born = [item for item in newborns if item.parent.claimed.id in ours and item.ref not in known]
    if not born:
        return 0
    ids = await insert_processed(connection, [_row(item) for item in born])
    by_id = dict(zip(ids, born, strict=True))
    await insert_references(connection, [NewReference(None, item.parent.claimed.entity_ref, item.ref) for item in born])
    await insert_relations(connection, {id_: item.outcome.result.relations for id_, item in by_id.items()})
    await insert_refresh_keys(connection, {id_: item.outcome.result.refresh_keys for id_, item in by_id.items()})
    forms = [(id_, item, item.form) for id_, item in by_id.items() if item.form is not None]
    finals = [(id_, item.outcome.claimed.uid, item.ref, *form.stored) for id_, item, form in forms]
    await insert_final(connection, finals)
    await insert_search(connection, {(id_, item.kind): form.values for id_, item, form in forms})
    await schedule_processed(connection, ids, look_again_ms=look_again_ms)
    told_of = {relation.source for item in born for relation in item.outcome.result.relations}
    await enqueue_stitch(connection, told_of - {item.ref for item in born}, delay_ms=relatives_ms)
    await record_change(connection)
    return len(born)


def _row(item: Newborn) -> ProcessedEntity:
    outcome = item.outcome
    assert outcome.entity_json is not None
    return ProcessedEntity(outcome.claimed.uid, item.came_in, outcome.entity_json, outcome.hash(()), outcome.cache)
