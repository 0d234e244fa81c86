"""What is read of Applications, and what a collection asks for and stores."""

from collections.abc import Mapping
from typing import Any

import pytest

from understage.errors import ForeignError
from understage.identity.credentials import Credentials
from understage.identity.outgoing import Answer
from understage.measures.argocd import place_of, read_health, read_syncs
from understage.measures.catalog import Plugins
from understage.measures.collection import Collection
from understage.measures.events import Health, parse_time
from understage.measures.store.select_deployed import (
    select_deployments,
    select_first_production,
    select_healths,
    select_starts,
)
from understage.platform.database import Database
from understage.sdk.testing import FakeArgoCd, FakeArgoCds

COMMIT, OTHER = "a" * 40, "b" * 40
ME = Credentials.service("plugin:understage")


def at(text: str) -> int:
    return parse_time(text, "a test's time")


NOW = at("2026-03-10T00:00:00Z")


def application(name: str = "ledger-production", **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"environment": "production", **labels}}, "spec": {}}


def status(health: str, since: str | None, *history: tuple[Any, str]) -> dict[str, Any]:
    return {
        "health": {"status": health, **({} if since is None else {"lastTransitionTime": since})},
        "history": [
            {"id": index, "deployedAt": when, **({"revisions": what} if isinstance(what, list) else {"revision": what})}
            for index, (what, when) in enumerate(history)
        ],
    }


def test_syncs_of_one_source_and_of_several() -> None:
    history = status(
        "Healthy",
        None,
        (COMMIT, "2026-03-04T10:00:00Z"),
        ([COMMIT, COMMIT], "2026-03-05T10:00:00Z"),
        (["1.2.3", OTHER], "2026-03-06T10:00:00Z"),
        (OTHER, "soon"),
    )
    one, two, three = read_syncs({**application(), "status": history})
    assert (one.revision, one.commits, one.at) == (COMMIT, ((0, COMMIT),), at("2026-03-04T10:00:00Z"))
    assert (two.revision, two.commits) == (COMMIT, ((0, COMMIT),))
    assert (three.revision, three.commits, three.id) == (f"1.2.3+{OTHER}", ((1, OTHER),), 2)
    for broken in ({}, {"status": None}, {"status": {"history": "x"}}, {"status": {"history": [None, {"id": 1}]}}):
        assert read_syncs({**application(), **broken}) == []


@pytest.mark.parametrize(
    ("health", "since", "expected"),
    [
        ("Healthy", "2026-03-04T10:05:00Z", "2026-03-04T10:05:00Z"),
        # Healthy before the sync and ever since: healthy with it.
        ("Healthy", "2026-03-01T00:00:00Z", "2026-03-04T10:00:00Z"),
        ("Degraded", "2026-03-04T10:05:00Z", "2026-03-04T10:05:00Z"),
        # Degraded before the sync: it is not the sync's doing.
        ("Degraded", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("Degraded", None, "2026-03-10T00:00:00Z"),
        ("Progressing", "2026-03-04T10:05:00Z", None),
    ],
)
def test_health(health: str, since: str | None, expected: str | None) -> None:
    object_ = {**application(), "status": status(health, since, (COMMIT, "2026-03-04T10:00:00Z"))}
    found = read_health(object_, read_syncs(object_)[-1].at, NOW)
    assert (found.at if found else None) == (at(expected) if expected else None)
    assert read_health({**application(), "status": status(health, since)}, None, NOW) is None


def test_whose_an_application_is() -> None:
    assert place_of(application(), {}) == ("component:default/ledger", "production")
    assert place_of(application("x", **{"app.kubernetes.io/name": "Till"}), {}) == (
        "component:default/till",
        "production",
    )
    known = {"ledger-production": "component:books/general-ledger"}
    assert place_of(application(), known) == ("component:books/general-ledger", "production")
    assert place_of({"metadata": {"name": "argo-rollouts"}}, {}) is None


class OtherPlugins:
    """A catalog with one annotated component, and a scaffolder with tasks; notes who asked."""

    def __init__(self, tasks: list[dict[str, Any]]) -> None:
        self.tasks = tasks
        self.asked: list[str] = []

    async def __call__(self, url: str, **_options: Any) -> Answer:
        self.asked.append(url)
        if "/entities/by-query" in url:
            item = {
                "kind": "Component",
                "metadata": {"name": "till", "annotations": {"argocd/app-name": "pos, till-production"}},
            }
            return Answer(200, {"items": [item], "pageInfo": {}})
        if url.endswith("/events"):
            output = {"links": [{"title": "x"}, {"entityRef": "component:default/Ledger"}]}
            return Answer(200, [{"type": "log", "body": {}}, {"type": "completion", "body": {"output": output}}])
        return Answer(200, {"tasks": self.tasks, "totalTasks": len(self.tasks)})

    def plugins(self) -> Plugins:
        async def headers(plugin: str, credentials: Credentials) -> Mapping[str, str]:
            return {"Authorization": f"{credentials.actor_id} at {plugin}"}

        return Plugins(self, headers, lambda plugin: f"https://{plugin}.test", ME)


def task(name: str, created: str, *actions: str) -> dict[str, Any]:
    return {"id": name, "createdAt": created, "spec": {"steps": [{"action": action} for action in actions]}}


async def test_a_collection_stores_each_thing_once(sqlite_database: Database) -> None:
    argocd = FakeArgoCd(
        applications={"ledger-production": application(), "pos": application("pos", environment="staging")},
        statuses={
            "ledger-production": [
                status("Healthy", "2026-03-04T10:05:00Z", (COMMIT, "2026-03-04T10:00:00Z")),
                status(
                    "Degraded",
                    "2026-03-05T10:05:00Z",
                    (COMMIT, "2026-03-04T10:00:00Z"),
                    (OTHER, "2026-03-05T10:00:00Z"),
                ),
            ],
            "pos": [status("Healthy", None, ("1.0.0", "2026-03-04T10:00:00Z"))],
        },
        dates={COMMIT: "2026-03-04T08:00:00Z"},
    )
    other = OtherPlugins(
        [
            task("t1", "2026-03-02T09:00:00.000Z", "fetch:template", "catalog:register"),
            task("t2", "2026-03-01T09:00:00.000Z", "fetch:template"),
            task("t3", "2025-01-01T09:00:00.000Z", "catalog:register"),
        ]
    )
    collection = Collection(sqlite_database, FakeArgoCds([argocd]), other.plugins(), lambda: NOW)
    for _ in range(3):
        await collection.run()
    async with sqlite_database.read() as connection:
        deployments = await select_deployments(connection, ["production"], 0, NOW)
        staging = await select_deployments(connection, ["staging"], 0, NOW)
        healths = await select_healths(connection, ["production"], 0)
        starts = await select_starts(connection)
        reached = await select_first_production(connection, ["production"])
    assert [(each.revision, each.at, each.committed_at) for each in deployments] == [
        (COMMIT, at("2026-03-04T10:00:00Z"), at("2026-03-04T08:00:00Z")),
        (OTHER, at("2026-03-05T10:00:00Z"), None),
    ]
    assert [each.service for each in staging] == ["component:default/till"]
    assert healths == [
        Health("ledger-production", at("2026-03-04T10:05:00Z"), "Healthy"),
        Health("ledger-production", at("2026-03-05T10:05:00Z"), "Degraded"),
    ]
    assert starts == {"component:default/ledger": at("2026-03-02T09:00:00Z")}
    assert reached == {"component:default/ledger": at("2026-03-04T10:05:00Z")}
    assert [url for url in other.asked if url.endswith("/events")] == ["https://scaffolder.test/v2/tasks/t1/events"]


async def test_an_argocd_that_does_not_say_since_when(sqlite_database: Database) -> None:
    """The first look that sees a health dates it; those that see the same add nothing."""
    first, second = (COMMIT, "2026-03-04T10:00:00Z"), (OTHER, "2026-03-05T10:00:00Z")
    looks = [
        ("2026-03-04T10:01:00Z", status("Healthy", None, first)),
        ("2026-03-04T10:02:00Z", status("Healthy", None, first)),
        ("2026-03-04T10:03:00Z", status("Degraded", None, first)),
        ("2026-03-04T10:04:00Z", status("Degraded", None, first)),
        ("2026-03-05T10:05:00Z", status("Degraded", None, first, second)),
        ("2026-03-05T10:06:00Z", status("Healthy", None, first, second)),
    ]
    argocd = FakeArgoCd(
        applications={"ledger-production": application()}, statuses={"ledger-production": [look for _, look in looks]}
    )
    times = iter([at(when) for when, _ in looks for _ in range(2)])
    collection = Collection(sqlite_database, FakeArgoCds([argocd]), OtherPlugins([]).plugins(), lambda: next(times))
    for _ in looks:
        await collection.run()
    async with sqlite_database.read() as connection:
        healths = await select_healths(connection, ["production"], 0)
    assert [(each.status, each.at) for each in healths] == [
        ("Healthy", at("2026-03-04T10:01:00Z")),
        ("Degraded", at("2026-03-04T10:03:00Z")),
        ("Healthy", at("2026-03-05T10:06:00Z")),
    ]


async def test_a_history_is_read_when_a_sync_ended(sqlite_database: Database) -> None:
    def ended(when: str, *history: tuple[Any, str]) -> dict[str, Any]:
        return {**status("Healthy", when, *history), "operationState": {"finishedAt": when}}

    first, second = (COMMIT, "2026-03-04T10:00:00Z"), (OTHER, "2026-03-05T10:00:00Z")
    argocd = FakeArgoCd(
        applications={"ledger-production": application()},
        statuses={"ledger-production": [ended("2026-03-04T10:00:00Z", first)]},
    )
    reads: list[str] = []
    read = argocd.get_application

    async def get_application(name: str) -> dict[str, Any] | None:
        reads.append(name)
        return await read(name)

    argocd.get_application = get_application  # type: ignore[method-assign]
    collection = Collection(sqlite_database, FakeArgoCds([argocd]), OtherPlugins([]).plugins(), lambda: NOW)
    for _ in range(3):
        await collection.run()
    assert len(reads) == 1
    argocd.statuses["ledger-production"] = [ended("2026-03-05T10:00:00Z", first, second)]
    for _ in range(3):
        await collection.run()
    assert len(reads) == 2
    async with sqlite_database.read() as connection:
        assert [each.revision for each in await select_deployments(connection, ["production"], 0, NOW)] == [
            COMMIT,
            OTHER,
        ]
        assert [each.at for each in await select_healths(connection, ["production"], 0)] == [
            at("2026-03-04T10:00:00Z"),
            at("2026-03-05T10:00:00Z"),
        ]


async def test_what_cannot_be_reached_keeps_nothing_else_back(sqlite_database: Database) -> None:
    away = FakeArgoCd(name="away", unreachable="connection refused")
    here = FakeArgoCd(
        name="here",
        applications={"ledger-production": application()},
        statuses={"ledger-production": [status("Healthy", None, (COMMIT, "2026-03-04T10:00:00Z"))]},
    )
    collection = Collection(sqlite_database, FakeArgoCds([away, here]), OtherPlugins([]).plugins(), lambda: NOW)
    with pytest.raises(ForeignError, match=r"Argo CD away at .* cannot be reached: connection refused"):
        await collection.run()
    async with sqlite_database.read() as connection:
        assert len(await select_deployments(connection, ["production"], 0, NOW)) == 1
