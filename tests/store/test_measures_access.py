"""Whose components figures are about, and who may tell events: by the permissions of the caller."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.store.measured_history import BEGIN, END

from understage.config.measures_settings import MeasuresSettings
from understage.errors import NotAllowedError, NotFoundError
from understage.identity.credentials import Credentials
from understage.identity.outgoing import Answer
from understage.measures.catalog import Plugins
from understage.measures.events import Deployment, parse_time
from understage.measures.figures import Period
from understage.measures.service import Measures, Scope
from understage.platform.database import Database

PERIOD = Period(parse_time(BEGIN, "begin"), parse_time(END, "end"))
OWNED = {"user:default/ada": ["ledger"], "user:default/bob": ["till"], "plugin:understage": ["ledger", "till"]}


async def catalog(url: str, *, headers: Mapping[str, str] | None = None, **_options: Any) -> Answer:
    """A catalog that shows each caller their own components only."""
    who = (headers or {})["Authorization"]
    if who == "user:default/mallory":
        return Answer(403, {"error": {"name": "NotAllowedError"}})
    (wanted,) = parse_qs(urlsplit(url).query)["filter"]
    names = [name for name in OWNED[who] if "metadata.name" not in wanted or f"metadata.name={name}" in wanted]
    return Answer(200, {"items": [{"kind": "Component", "metadata": {"name": name}} for name in names], "pageInfo": {}})


@pytest.fixture
async def measures(database: Database) -> Measures:
    async def headers(_plugin: str, credentials: Credentials) -> Mapping[str, str]:
        return {"Authorization": str(credentials.actor_id)}

    plugins = Plugins(
        catalog, headers, lambda _plugin: "https://catalog.test", Credentials.service("plugin:understage")
    )
    found = Measures(database, MeasuresSettings(), plugins, key=b"key", clock=lambda: PERIOD.end)
    at = PERIOD.begin + 1000
    names = ("ledger", "ledger", "till")
    await found.store(
        [
            Deployment(f"{name}-production", f"r{index}", at + index, f"component:default/{name}", "production")
            for index, name in enumerate(names)
        ],
        [],
        [],
    )
    return found


async def count(measures: Measures, scope: Scope, user: str) -> int:
    figures, _ = await measures.measure(scope, PERIOD, Credentials.user(f"user:default/{user}"))
    return int(figures["deploymentFrequency"]["deployments"])


async def test_everybody_sees_what_they_may_read(measures: Measures) -> None:
    assert await count(measures, Scope(), "ada") == 2
    assert await count(measures, Scope(), "bob") == 1
    assert await count(measures, Scope(service="ledger"), "ada") == 2
    with pytest.raises(NotFoundError, match="or you may not read it"):
        await count(measures, Scope(service="ledger"), "bob")
    with pytest.raises(NotAllowedError):
        await count(measures, Scope(), "mallory")
