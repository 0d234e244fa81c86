"""Unregisters locations whose file or repository went, and registers them anew where it moved. Called by `scm.bridge`."""

from collections import Counter
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.catalog.providers.location_store import LocationStore, entity_of, new_row
from understage.catalog.providers.mutation import apply_delta
from understage.catalog.scm.bridge import count_action
from understage.catalog.scm.event import ScmEvent, names_repository
from understage.catalog.store.locations import LocationRow, delete_location, insert_location, select_locations
from understage.catalog.store.retry import LostRace, write_with_retry
from understage.catalog.store.select_locations_below import select_locations_at, select_locations_below
from understage.config.catalog_settings import ScmEvents
from understage.model.ref import LocationRef
from understage.platform.database import Database

log = structlog.get_logger(__name__)


class ScmLocations:
    """Changes the registered locations, all that one message means in one transaction."""

    def __init__(self, database: Database, settings: ScmEvents, wake: Callable[[], None]) -> None:
        self._database = database
        self._settings = settings
        self._wake = wake

    async def act(self, events: Sequence[ScmEvent]) -> None:
        """Do what `catalog.scmEvents` allows."""
        wanted = [event for event in events if self._is_wanted(event)]
        if not wanted:
            return

        async def change(write: AsyncConnection) -> Counter[str]:
            try:
                return await _change(write, wanted)
            except IntegrityError as error:
                # Another replica registered one of the targets at the same moment: the next try finds it there.
                raise LostRace from error

        done = await write_with_retry(self._database, change)
        for action, count in done.items():
            count_action(action, count)
        if done.total():
            log.info("locations were changed by events of forges", **done)
            self._wake()

    def _is_wanted(self, event: ScmEvent) -> bool:
        if event.type in ("location.deleted", "repository.deleted"):
            return self._settings.unregister and (event.type == "location.deleted" or names_repository(event.url))
        if event.type == "location.moved":
            return self._settings.move
        return event.type == "repository.moved" and self._settings.move and _can_move(event)


async def _change(write: AsyncConnection, events: Sequence[ScmEvent]) -> Counter[str]:
    """Find out what goes and what comes, then write both. Returns how many locations were touched, by action."""
    done: Counter[str] = Counter()
    gone: dict[str, LocationRow] = {}
    targets: dict[str, None] = {}
    deleted = [event.url for event in events if event.type == "location.deleted"]
    moved = {event.url: event.to_url for event in events if event.type == "location.moved"}
    for row in await select_locations_at(write, sorted({*deleted, *moved})):
        gone[row.id] = row
        done["delete"] += 1
        if row.target in moved:
            targets[moved[row.target]] = None
            done["create"] += 1
    for event in events:
        if event.type == "repository.deleted":
            for row in await select_locations_below(write, event.url.rstrip("/")):
                gone[row.id] = row
                done["delete"] += 1
        elif event.type == "repository.moved":
            base = event.url.rstrip("/")
            for row in await select_locations_below(write, base):
                gone[row.id] = row
                targets[event.to_url.rstrip("/") + row.target.removeprefix(base)] = None
                done["move"] += 1
    await _apply(write, list(gone.values()), list(targets))
    return done


async def _apply(write: AsyncConnection, gone: Sequence[LocationRow], targets: Sequence[str]) -> None:
    if not gone and not targets:
        return
    for row in gone:
        await delete_location(write, row.id)
    rows = await select_locations(write)
    registered = {row.target for row in rows if row.type == "url"}
    taken = {row.entity_ref for row in rows}
    new: list[LocationRow] = []
    for target in targets:
        if target not in registered:
            row = new_row(LocationRef.parse(f"url:{target}"), taken)
            taken.add(row.entity_ref)
            new.append(row)
            await insert_location(write, row)
    given = [entity_of(row) for row in new]
    back = {entity.entity_ref for entity in given}
    await apply_delta(write, LocationStore.name, given, [row.entity_ref for row in gone if row.entity_ref not in back])


def _can_move(event: ScmEvent) -> bool:
    return event.url != event.to_url and names_repository(event.url) and names_repository(event.to_url)
