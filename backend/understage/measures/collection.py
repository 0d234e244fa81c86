"""Looks at Argo CD and at tasks that ended, and stores what is new. Scheduled by `app`: one replica at a time has its turn.

What cannot be reached does not keep the rest from being stored; it is told at the end, and asked again the next time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from understage.errors import ForeignError, UnderstageError
from understage.measures.argocd import Sync, finished_at, name_of, place_of, read_health, read_syncs
from understage.measures.catalog import PAGE, Plugins
from understage.measures.events import Deployment, Health, Service, parse_time
from understage.measures.figures import DAY
from understage.measures.service import Clock
from understage.measures.store.note_tasks import note_tasks
from understage.measures.store.select_known import (
    select_known_deployments,
    select_known_tasks,
    select_last_healths,
)
from understage.measures.store.write_events import insert_deployments, insert_healths, insert_starts
from understage.platform.database import Database
from understage.sdk.ports import ArgoCd, ArgoCds

log = structlog.get_logger(__name__)

REMEMBERED = 90 * DAY
"""For how long a task is remembered as looked at; older ones are not asked about."""


class _Seen(NamedTuple):
    """An Application whose history is stored as of the sync that ended at `finished_at`; `last_sync` is its newest entry's."""

    finished_at: str | None
    last_sync: int | None


class Collection:
    """The sources that are asked."""

    def __init__(self, database: Database, argocds: ArgoCds, plugins: Plugins, clock: Clock) -> None:
        self._database = database
        self._argocds = argocds
        self._plugins = plugins
        self._clock = clock
        self._seen: dict[tuple[str, str], _Seen] = {}

    async def run(self) -> None:
        """One look at everything. Raises ForeignError with all that could not be reached."""
        failures = []
        try:
            await self._look_at_tasks()
            services = await self._plugins.services_by_application()
        except UnderstageError as error:
            failures.append(error.message)
            services = {}
        for name in self._argocds.names():
            try:
                await self._look_at(self._argocds.get(name), services)
            except UnderstageError as error:
                failures.append(error.message)
        if failures:
            raise ForeignError("; ".join(failures))

    async def _look_at(self, argocd: ArgoCd | None, services: Mapping[str, Service]) -> None:
        if argocd is None:
            return
        applications = {name_of(each): each for each in await argocd.list_applications()}
        async with self._database.read() as connection:
            known = await select_known_deployments(connection, sorted(applications))
            seen = await select_last_healths(connection, sorted(applications))
        now = self._clock()
        deployments: list[Deployment] = []
        healths: list[Health] = []
        looked: dict[tuple[str, str], _Seen] = {}
        for name, application in applications.items():
            place = place_of(application, services)
            if place is None:
                continue
            last, ended = self._seen.get((argocd.name, name)), finished_at(application)
            if last is None or ended is None or last.finished_at != ended:
                # Lists have no history. What ends meanwhile is seen the next time, as it is not what was listed.
                application = await argocd.get_application(name) or application
                syncs = read_syncs(application)
                deployments += [
                    Deployment(
                        name,
                        sync.revision,
                        sync.at,
                        *place,
                        committed_at=await _commit_time(argocd, sync),
                        source="argocd",
                    )
                    for sync in syncs
                    if (name, sync.revision, sync.at) not in known
                ]
                last = _Seen(ended, max((sync.at for sync in syncs), default=None))
                looked[argocd.name, name] = last
            health = read_health(application, last.last_sync, now)
            if health is not None and _is_news(health, seen.get(name), last.last_sync):
                healths.append(health)
        async with self._database.write() as connection:
            stored = await insert_deployments(connection, deployments)
            stored += await insert_healths(connection, healths)
        self._seen.update(looked)
        if stored:
            log.info("stored events of Argo CD", instance=argocd.name, events=stored)

    async def _look_at_tasks(self) -> None:
        now = self._clock()
        for page in range(1000):
            tasks = await self._plugins.ended_tasks(page)
            fresh = [task for task in tasks if parse_time(task["createdAt"], "createdAt") > now - REMEMBERED]
            new = await self._unknown(fresh)
            starts = [start for task in new for start in await self._plugins.start_of(task)]
            async with self._database.write() as connection:
                await insert_starts(connection, starts)
                await note_tasks(connection, [task["id"] for task in new], now, forget_before=now - 2 * REMEMBERED)
            # Tasks end in another order than they began: a page on which all are known may be followed by one with a new one,
            # which was created long ago. It is waited for up to a page.
            if not new or len(tasks) < PAGE:
                return

    async def _unknown(self, tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        async with self._database.read() as connection:
            known = await select_known_tasks(connection, [task["id"] for task in tasks])
        return [task for task in tasks if task["id"] not in known]


def _is_news(health: Health, before: Health | None, last_sync: int | None) -> bool:
    """Whether a health is another one than was seen last; healthy with a later sync is one."""
    if before is None or before.status != health.status:
        return True
    return health.status == "Healthy" and last_sync is not None and before.at < last_sync


async def _commit_time(argocd: ArgoCd, sync: Sync) -> int | None:
    """When the newest of a sync's commits was made."""
    dates = [
        await argocd.get_revision_date(sync.application, revision, history_id=sync.id, source=source)
        for source, revision in sync.commits
    ]
    times = [parse_time(date, "date of a revision") for date in dates if date is not None]
    return max(times, default=None)
