"""Snapshots that no task points at: a run wrote them and died before its commit. Called by `service`, now and then."""

import structlog

from understage.platform.database import Database
from understage.scaffolder.store.select_locations import select_locations
from understage.scaffolder.workspace import SnapshotStore

log = structlog.get_logger(__name__)

TASK_ID_LENGTH = 36


async def collect_leftovers(database: Database, store: SnapshotStore) -> int:
    """Delete them; returns how many.

    Names are listed before the rows are read. So what a row does not point at by then, of a task that nobody runs, was
    written by a run that has ended: no commit will ever name it. Tasks under way are left to their own runs.
    """
    names = await store.names()
    if not names:
        return 0
    async with database.read() as connection:
        known = await select_locations(connection, {name[:TASK_ID_LENGTH] for name in names})
    count = 0
    for name in names:
        is_running, location = known.get(name[:TASK_ID_LENGTH], (False, None))
        if is_running or name == location:
            continue
        await store.delete(name)
        count += 1
    if count:
        log.info("snapshots that no task needs were removed", count=count)
    return count
