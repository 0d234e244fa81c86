"""What the providers give, against fakes: no service, no network."""

import asyncio
import json
from typing import Any

import pytest
from acme_providers.assets import AssetsProvider
from acme_providers.people import PeopleProvider

from understage.sdk import ForeignError, HttpResponse, ProviderSetup
from understage.sdk.testing import (
    FakeHttp,
    FakeProviderConnection,
    FakeReader,
    FakeScheduler,
    check_incremental_provider,
    check_provider,
)

URL = "https://source.acme.example"
PEOPLE = [{"login": login, "name": login.title(), "teams": ["core"]} for login in ("ada", "bob")]
ASSETS = {
    "": {"assets": [{"id": "db-1", "type": "database", "team": "core"}], "next": "db-1"},
    "db-1": {"assets": [{"id": "db-2", "type": "database", "team": "core"}], "next": "db-2"},
    "db-2": {"assets": [{"id": "queue", "type": "queue", "team": "core"}], "next": None},
}


def setup(answers: dict[str, Any], scheduler: FakeScheduler | None = None, status: int = 200) -> ProviderSetup:
    http = FakeHttp(
        {("GET", url): HttpResponse(status, {}, json.dumps(body).encode()) for url, body in answers.items()}
    )
    configured = {"acmePeople": {"url": URL}, "acmeAssets": {"url": URL}}
    config = {"catalog": {"providers": configured}}
    return ProviderSetup(FakeReader(), http, scheduler or FakeScheduler(), config)


def test_the_people_of_the_directory() -> None:
    scheduler = FakeScheduler()
    provider = PeopleProvider(setup({URL: PEOPLE}, scheduler))
    connection = asyncio.run(check_provider(provider, scheduler=scheduler))
    assert sorted(connection.entities) == ["user:default/ada", "user:default/bob"]


def test_a_directory_that_fails_takes_nobody_away() -> None:
    scheduler = FakeScheduler()
    provider = PeopleProvider(setup({URL: []}, scheduler, status=502))
    connection = FakeProviderConnection()
    with pytest.raises(ForeignError, match="the directory answered 502"):
        asyncio.run(check_provider(provider, connection, scheduler=scheduler))
    assert connection.mutations == 0


def test_all_assets_from_any_page_on() -> None:
    provider = AssetsProvider(setup({f"{URL}?after={after}": page for after, page in ASSETS.items()}))
    pages = asyncio.run(check_incremental_provider(provider))
    assert [page.entities[0].entity["metadata"]["name"] for page in pages] == ["db-1", "db-2", "queue"]
