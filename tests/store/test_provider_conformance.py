"""What a provider's test sees of the fake connection is what the service does; and the checks find what is wrong."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.store.catalog_bench import running
from tests.store.test_providers import People, person

from understage.errors import InputError
from understage.platform.database import Database
from understage.sdk import IncrementalOptions, Page, ProvidedEntity, ProviderConnection
from understage.sdk.testing import FakeProviderConnection, check_incremental_provider, check_provider

NAMES = st.sampled_from(["ada", "Bob", "eve", "zoe"])
GOOD = st.builds(lambda name, team: person(name, "k", memberOf=[team]), NAMES, st.sampled_from(["a", "b"]))
BAD = st.sampled_from([ProvidedEntity({}), ProvidedEntity({"kind": "User", "metadata": {"name": "x"}})])
REFS = st.sampled_from(["user:default/ada", "User:default/BOB", "user:eve", "user:default/nobody"])
MALFORMED = st.sampled_from(["", "a:b:c", "user:default/"])


def distinct(entities: st.SearchStrategy[ProvidedEntity], most: int) -> st.SearchStrategy[list[ProvidedEntity]]:
    return st.lists(entities, max_size=most, unique_by=lambda each: str(each.entity.get("metadata")).lower())


MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("all"), distinct(GOOD, 4), st.just([])),
        st.tuples(st.just("delta"), distinct(GOOD, 2), st.lists(REFS | GOOD, max_size=2)),
        st.tuples(st.sampled_from(["all", "delta"]), distinct(GOOD | BAD, 3), st.lists(MALFORMED | BAD, max_size=1)),
    ),
    max_size=6,
)
Mutation = tuple[str, list[ProvidedEntity], list[str | ProvidedEntity]]


async def apply(connection: ProviderConnection, mutation: Mutation) -> str | None:
    """Apply one; what it was refused with."""
    kind, added, removed = mutation
    try:
        if kind == "all":
            await connection.replace_all(added)
        else:
            await connection.apply_delta(added, removed)
    except InputError as error:
        return error.message
    return None


async def test_the_fake_does_what_the_service_does(database: Database, tmp_path: Path) -> None:
    people = People()
    async with running(database, tmp_path, providers=[people], processingInterval=False) as bench:
        loop = asyncio.get_running_loop()

        async def stored() -> dict[str, str]:
            async with bench.database.read() as connection:
                query = (
                    "SELECT entity_ref, unprocessed_entity FROM refresh_state "
                    "JOIN refresh_state_references ON target_entity_ref = entity_ref WHERE source_key = 'people'"
                )
                return {row.entity_ref: row.unprocessed_entity for row in await connection.execute(text(query))}

        async def compare(mutations: Sequence[Mutation]) -> None:
            fake = FakeProviderConnection()
            await people.connection.replace_all([])
            for mutation in mutations:
                assert await apply(fake, mutation) == await apply(people.connection, mutation)
                assert sorted(fake.entities) == sorted(await stored())
            found = await stored()
            for ref, provided in fake.entities.items():
                assert f'"memberOf":["{provided.entity["spec"]["memberOf"][0]}"]' in found[ref]

        @given(mutations=MUTATIONS)
        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        def check(mutations: Sequence[Mutation]) -> None:
            asyncio.run_coroutine_threadsafe(compare(mutations), loop).result(60)

        await asyncio.to_thread(check)


class Given:
    """A provider that gives these when it is connected."""

    def __init__(self, *calls: Sequence[ProvidedEntity], name: str = "given") -> None:
        self.name = name
        self._calls = list(calls)

    async def connect(self, connection: ProviderConnection) -> None:
        await connection.replace_all(self._calls.pop(0) if len(self._calls) > 1 else self._calls[0])


async def test_a_good_provider_passes() -> None:
    connection = await check_provider(Given([person("ada"), person("bob")]))
    assert sorted(connection.entities) == ["user:default/ada", "user:default/bob"]


def without_places(entity: Mapping[str, Any]) -> ProvidedEntity:
    return ProvidedEntity({**entity, "metadata": {"name": "ada"}})


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (
            Given([without_places(person("ada").entity)]),
            "does not have the annotation backstage.io/managed-by-location",
        ),
        (Given([person("ada")], [person("bob")]), "a second start must give the same entities"),
        (Given([person("ada", memberOf=(1, 2))]), "entities must be JSON"),
        (Given([], name=" "), "can be no name of a provider"),
    ],
)
async def test_the_check_says_what_is_wrong(provider: Given, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        await check_provider(provider)


class Pages:
    """A provider of these pages."""

    name = "pages"
    options = IncrementalOptions(timedelta(seconds=5), timedelta(seconds=1), timedelta(hours=1))

    def __init__(self, *pages: Page, forgets: bool = False) -> None:
        self._pages = pages
        self._forgets = forgets

    async def pages(self, cursor: Any) -> AsyncGenerator[Page, None]:
        for page in self._pages[0 if cursor is None or self._forgets else cursor :]:
            yield page


def page(number: int, *names: str, last: bool = False, cursor: Any = None) -> Page:
    return Page([person(name) for name in names], number if cursor is None else cursor, is_last=last)


async def test_good_pages_pass() -> None:
    pages = await check_incremental_provider(Pages(page(1, "ada"), page(2), page(3, "bob", last=True)))
    assert len(pages) == 3


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (Pages(), "there must be at least one page"),
        (Pages(page(1, "ada")), "the last page must say that it is the last"),
        (Pages(page(1, "ada", "Ada", last=True)), "user:default/ada stands twice"),
        (Pages(page(1, "ada", last=True, cursor=(1, 2))), "must be JSON"),
        (Pages(page(1, "ada"), page(2, "bob", last=True), forgets=True), "must follow the cursor"),
        (Pages(Page([ProvidedEntity({})], 1, is_last=True)), "Malformed entity envelope"),
    ],
)
async def test_the_check_says_what_is_wrong_with_pages(provider: Pages, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        await check_incremental_provider(provider)
