"""For tests of providers: a connection in memory, and checks that any provider has to pass.

connection = await check_provider(PeopleProvider(setup))
assert sorted(connection.entities) == ["user:default/ada", "user:default/bob"]
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from understage.errors import InputError
from understage.model.entity import EnvelopeError, check_envelope
from understage.model.ref import EntityRef, LocationRef, entity_ref
from understage.sdk.incremental import IncrementalEntityProvider, Page
from understage.sdk.provider import EntityProvider, ProvidedEntity
from understage.sdk.schedule import Job, Schedule

PLACES = ("backstage.io/managed-by-location", "backstage.io/managed-by-origin-location")
MOST_PAGES = 10_000


@dataclass
class FakeProviderConnection:
    """A `ProviderConnection` for one provider: `entities` is what it gives now, by reference.

    `mutations` counts what was applied, `refreshed` are the keys it asked to refresh. Malformed envelopes refuse the whole
    mutation, as the service does.
    """

    entities: dict[str, ProvidedEntity] = field(default_factory=dict)
    refreshed: list[str] = field(default_factory=list)
    mutations: int = 0

    async def replace_all(self, entities: Sequence[ProvidedEntity]) -> None:
        """See `ProviderConnection`."""
        self.entities = _by_ref(entities)
        self.mutations += 1

    async def apply_delta(
        self, added: Sequence[ProvidedEntity] = (), removed: Sequence[str | ProvidedEntity] = ()
    ) -> None:
        """See `ProviderConnection`."""
        new = _by_ref(added)
        gone = {str(EntityRef.parse(item)) if isinstance(item, str) else _ref(item) for item in removed}
        kept = {ref: entity for ref, entity in self.entities.items() if ref not in gone}
        self.entities = {**kept, **new}
        self.mutations += 1

    async def list_given(self) -> Sequence[ProvidedEntity]:
        """See `ProviderConnection`."""
        return list(self.entities.values())

    async def refresh(self, keys: Sequence[str]) -> None:
        """See `ProviderConnection`."""
        self.refreshed += keys


@dataclass
class FakeScheduler:
    """A `Scheduler` that runs nothing by itself; `tasks` are the schedules and jobs, by id."""

    tasks: dict[str, tuple[Schedule, Job]] = field(default_factory=dict)

    def schedule(self, task_id: str, schedule: Schedule, job: Job) -> None:
        """See `Scheduler`."""
        if task_id in self.tasks:
            raise InputError(f"two scheduled tasks have the id {task_id}; rename one of them")
        self.tasks[task_id] = (schedule, job)

    async def run_all(self) -> None:
        """Run each job once."""
        for _, job in self.tasks.values():
            await job()


async def check_provider(
    provider: EntityProvider,
    connection: FakeProviderConnection | None = None,
    *,
    scheduler: FakeScheduler | None = None,
) -> FakeProviderConnection:
    """Connect a provider twice, as two starts would, and check what it gave; returns the connection.

    With the `scheduler` that the provider was made with, its jobs run after each start. Raises AssertionError, saying what
    is wrong with which entity.
    """
    connection = connection or FakeProviderConnection()
    _check_name(provider.name)
    await _start(provider, connection, scheduler)
    check_entities(connection.entities.values())
    first = dict(connection.entities)
    await _start(provider, connection, scheduler)
    assert connection.entities == first, "a second start must give the same entities while the source is the same"
    assert _is_json(first), "entities must be JSON: texts, numbers, booleans, null, lists and objects"
    return connection


async def check_incremental_provider(provider: IncrementalEntityProvider) -> list[Page]:
    """Read a provider of pages from the beginning, and again from each of its cursors; returns the pages.

    Raises AssertionError, saying what is wrong with which page.
    """
    _check_name(provider.name)
    pages = await _read(provider, None)
    assert pages, "there must be at least one page, empty if need be"
    assert pages[-1].is_last, "the last page must say that it is the last, or nothing will ever be removed"
    assert not any(page.is_last for page in pages[:-1]), "only the last page may say so"
    for page in pages:
        check_entities(page.entities)
        assert json.loads(json.dumps(page.cursor)) == page.cursor, f"the cursor {page.cursor!r} must be JSON"
    for number, page in enumerate(pages[:-1]):
        rest = await _read(provider, json.loads(json.dumps(page.cursor)))
        expected = [_refs(each) for each in pages[number + 1 :]]
        assert [_refs(each) for each in rest] == expected, f"page {number + 1} must follow the cursor {page.cursor!r}"
    return pages


def check_entities(entities: Iterable[ProvidedEntity]) -> None:
    """Check what a provider gives: envelopes, the places entities come from, and that no name stands twice.

    Raises AssertionError.
    """
    seen: set[str] = set()
    for provided in entities:
        try:
            ref = _ref(provided)
        except InputError as error:
            raise AssertionError(f"{error.message}: {provided.entity!r}") from error
        assert ref not in seen, f"{ref} stands twice"
        seen.add(ref)
        annotations = provided.entity["metadata"].get("annotations", {})
        for name in PLACES:
            assert isinstance(annotations.get(name), str), f"{ref} does not have the annotation {name}"
            LocationRef.parse(annotations[name])


async def _start(provider: EntityProvider, connection: FakeProviderConnection, scheduler: FakeScheduler | None) -> None:
    await provider.connect(connection)
    if scheduler is not None:
        await scheduler.run_all()


async def _read(provider: IncrementalEntityProvider, cursor: Any) -> list[Page]:
    pages: list[Page] = []
    async with aclosing(provider.pages(cursor)) as source:
        async for page in source:
            pages.append(page)
            assert len(pages) <= MOST_PAGES, f"there are more than {MOST_PAGES} pages: test with a smaller source"
            if page.is_last:
                break
    return pages


def _refs(page: Page) -> list[str]:
    return sorted(_ref(provided) for provided in page.entities)


def _by_ref(entities: Sequence[ProvidedEntity]) -> dict[str, ProvidedEntity]:
    return {_ref(provided): provided for provided in entities}


def _ref(provided: ProvidedEntity) -> str:
    try:
        check_envelope(provided.entity)
    except EnvelopeError as error:
        raise EnvelopeError(f"Malformed entity envelope, {error.message}") from error
    return entity_ref(provided.entity)


def _is_json(entities: dict[str, ProvidedEntity]) -> bool:
    plain = [provided.entity for provided in entities.values()]
    try:
        return bool(json.loads(json.dumps(plain, allow_nan=False)) == plain)
    except (TypeError, ValueError):
        return False


def _check_name(name: str) -> None:
    assert isinstance(name, str), "a provider must have a name"
    assert name.strip() == name != "", f"{name!r} can be no name of a provider"
