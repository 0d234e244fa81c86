"""Incremental providers: bursts, marks, rests, what is removed and when, and what people can do about it by API."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient, Response
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import text
from tests.store.catalog_bench import Bench, running
from tests.store.test_providers import person

from understage.catalog.access import Access
from understage.catalog.api.incremental import create_incremental_router
from understage.catalog.providers.incremental import IncrementalIngestion
from understage.catalog.providers.incremental_control import IncrementalControl
from understage.catalog.scheduling import DatabaseScheduler
from understage.catalog.store.ingestions import Ingestion
from understage.errors import InputError
from understage.identity.authorizer import Authorizer
from understage.identity.credentials import Credentials
from understage.identity.permissions import Decision, Permission, Query
from understage.platform.database import Database
from understage.platform.plugin import create_plugin
from understage.sdk import IncrementalOptions, Page, ProvidedEntity

ONE_PAGE = timedelta(microseconds=1)
DAY_MS = 24 * 3600 * 1000


def options(**more: Any) -> IncrementalOptions:
    given = {"burst_length": timedelta(hours=1), "rest_length": timedelta(hours=1), **more}
    return IncrementalOptions(burst_interval=timedelta(seconds=5), **given)


class Source:
    """Pages of people, by number; what is not a list of names is raised or given as it is."""

    def __init__(self, pages: Sequence[Any], **more: Any) -> None:
        self.name = "assets"
        self.options = options(**more)
        self.content = list(pages)
        self.asked: list[Any] = []
        self.closed = 0

    async def pages(self, cursor: Any) -> AsyncGenerator[Page, None]:
        try:
            for number in range(0 if cursor is None else cursor["page"] + 1, len(self.content)):
                self.asked.append(number)
                found = self.content[number]
                if isinstance(found, Exception):
                    raise found
                if isinstance(found, asyncio.Event):
                    await found.wait()
                    found = []
                entities = [item if isinstance(item, ProvidedEntity) else person(item, "assets") for item in found]
                yield Page(entities, {"page": number}, is_last=number == len(self.content) - 1)
        finally:
            self.closed += 1


class Replica:
    """The service's side of a provider, run by hand."""

    def __init__(self, bench: Bench, source: Source) -> None:
        self.bench = bench
        self.source = source
        self.scheduler = DatabaseScheduler(bench.database)
        self.ingestion = IncrementalIngestion(bench.database, source, self.scheduler, bench.engine.wake)
        self.control = IncrementalControl(bench.database, self.scheduler, ["assets"])

    async def run(self) -> Ingestion:
        await self.ingestion.run()
        return await self.now()

    async def now(self) -> Ingestion:
        found = (await self.control.status("assets")).ingestion
        assert found is not None
        return found

    async def again(self) -> Ingestion:
        """A whole new cycle."""
        await self.control.start(await self.now())
        return await self.run()

    async def names(self) -> list[str]:
        await self.bench.settle()
        return [ref.removeprefix("user:default/") for ref in await self.bench.names()]

    async def pause(self, ingestion: Ingestion) -> int:
        """How long until the next action, in seconds, more or less."""
        async with self.bench.database.read() as connection:
            return round((ingestion.next_action_at - await _now(connection)) / 1000 / 60)


async def _now(connection: Any) -> int:
    sqlite = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    postgres = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    query = sqlite if connection.dialect.name == "sqlite" else postgres
    return int((await connection.execute(text(query))).scalar_one())


@asynccontextmanager
async def replica(database: Database, folder: Path, pages: Sequence[Any], **more: Any) -> AsyncIterator[Replica]:
    async with running(database, folder, orphanProviderStrategy="keep") as bench:
        yield Replica(bench, Source(pages, **more))


async def test_a_cycle_gives_all_pages_and_then_rests(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada", "bob"], ["eve"], []]) as it:
        ingestion = await it.run()
        assert await it.names() == ["ada", "bob", "eve"]
        assert (ingestion.status, ingestion.next_action, ingestion.attempts) == ("resting", "rest", 0)
        assert await it.pause(ingestion) == 60
        marks = await it.control.marks(ingestion)
        assert [(mark.sequence, mark.cursor) for mark in marks] == [
            (2, {"page": 2}),
            (1, {"page": 1}),
            (0, {"page": 0}),
        ]
        # It rests: looking in again asks the source for nothing.
        snapshot = await it.bench.snapshot()
        assert (await it.run()).status == "resting"
        assert it.source.asked == [0, 1, 2]
        assert it.source.closed == 1
        assert await it.bench.snapshot() == snapshot


async def test_what_is_given_the_same_again_is_not_written(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada"], ["eve"]]) as it:
        await it.run()
        await it.bench.settle()
        snapshot = await it.bench.snapshot()
        assert (await it.again()).status == "resting"
        assert it.source.asked == [0, 1, 0, 1]
        await it.bench.settle()
        assert await it.bench.snapshot() == snapshot


async def test_what_is_gone_is_removed_with_the_last_page_only(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada", "bob"], ["eve"]], burst_length=ONE_PAGE) as it:
        await it.run()
        await it.run()
        it.source.content = [["ada"], ["new"]]
        first = await it.again()
        assert first.status == "interstitial"
        assert await it.names() == ["ada", "bob", "eve"]
        assert (await it.run()).status == "resting"
        assert await it.names() == ["ada", "new"]


async def test_each_burst_goes_on_after_the_last_mark(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada"], ["bob"], ["eve"]], burst_length=ONE_PAGE) as it:
        for expected in (["ada"], ["ada", "bob"]):
            ingestion = await it.run()
            assert (ingestion.status, ingestion.next_action) == ("interstitial", "ingest")
            assert await it.names() == expected
        assert (await it.run()).status == "resting"
        assert it.source.asked == [0, 1, 2]
        assert it.source.closed == 3, "between two bursts the source is closed"


async def test_a_burst_that_fails_is_tried_again_from_its_mark(database: Database, tmp_path: Path) -> None:
    backoff = (timedelta(minutes=10), timedelta(minutes=20))
    async with replica(database, tmp_path, [["ada"], OSError("no route"), ["eve"]], backoff=backoff) as it:
        for attempt, minutes in ((1, 10), (2, 20), (3, 20)):
            ingestion = await it.run()
            assert (ingestion.status, ingestion.next_action, ingestion.attempts) == ("backing off", "backoff", attempt)
            assert ingestion.last_error == "OSError: no route"
            assert await it.pause(ingestion) == minutes
            asked = list(it.source.asked)
            await it.run()
            assert it.source.asked == asked, "it waits"
            await it.control.trigger(ingestion)
        assert it.source.asked == [0, 1, 1, 1]
        assert await it.names() == ["ada"]
        it.source.content[1] = ["bob"]
        ingestion = await it.run()
        assert (ingestion.status, ingestion.attempts, ingestion.last_error) == ("resting", 0, None)
        assert await it.names() == ["ada", "bob", "eve"]


async def test_metrics_tell_when_it_began_and_how_it_ended(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the stock names, with the stock attributes; times in seconds."""
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("test")
    for part in ("started", "completed"):
        gauge = meter.create_gauge(f"catalog_incremental.ingestions.{part}")
        monkeypatch.setattr(f"understage.catalog.providers.incremental._{part}", gauge)

    def told() -> dict[tuple[str, str], float]:
        data = reader.get_metrics_data()
        assert data is not None
        return {
            (metric.name.rpartition(".")[2], str(dict(point.attributes or {}))): point.value
            for metric in data.resource_metrics[0].scope_metrics[0].metrics
            for point in metric.data.data_points
        }

    before = time.time()
    async with replica(sqlite_database, tmp_path, [["ada"], OSError("no route")]) as it:
        await it.run()
        failed = told()
        it.source.content = [["ada"], ["eve"]]
        await it.again()
    name = "{'providerName': 'assets'"
    began, wrong, done = name + "}", name + ", 'status': 'failed'}", name + ", 'status': 'completed'}"
    assert failed.keys() == {("started", began), ("completed", wrong)}
    both = told()
    assert both.keys() == {*failed, ("completed", done)}
    assert before <= failed["started", began] <= failed["completed", wrong] <= both["started", began]
    assert both["started", began] <= both["completed", done] <= time.time()


async def test_a_malformed_entity_refuses_its_page_as_a_whole(database: Database, tmp_path: Path) -> None:
    bad = ProvidedEntity({"kind": "User", "metadata": {"name": "x"}})
    async with replica(database, tmp_path, [["ada"], ["bob", bad], ["eve"]]) as it:
        ingestion = await it.run()
        assert ingestion.status == "backing off"
        assert "Malformed entity envelope" in str(ingestion.last_error)
        assert await it.names() == ["ada"]
        assert len(await it.control.marks(ingestion)) == 1


async def test_pages_that_just_end_remove_nothing(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada"], ["eve"]]) as it:
        await it.run()

        async def broken_off(cursor: Any) -> AsyncGenerator[Page, None]:
            yield Page([person("ada", "assets")], {"page": 0})

        it.source.pages = broken_off  # type: ignore[method-assign]
        ingestion = await it.again()
        assert (ingestion.status, ingestion.attempts) == ("backing off", 1)
        assert "without one that is the last" in str(ingestion.last_error)
        assert await it.names() == ["ada", "eve"]


@pytest.mark.parametrize(
    ("more", "second", "left", "said"),
    [
        ({}, [[]], [], None),
        ({"reject_empty_source_collections": True}, [[]], ["a", "b", "c", "d"], "The source gave nothing at all!"),
        ({"reject_empty_source_collections": True}, [["a"]], ["a"], None),
        ({"reject_removals_above_percentage": 50}, [["a", "b"]], ["a", "b", "c", "d"], "remove 100% of matching"),
        ({"reject_removals_above_percentage": 50}, [["a", "b", "c"]], ["a", "b", "c"], None),
        ({"reject_removals_above_percentage": 50}, [[]], ["a", "b", "c", "d"], "remove 100% of matching"),
        ({"reject_removals_above_percentage": 50}, [["a", "b", "c", "d"]], ["a", "b", "c", "d"], None),
    ],
)
async def test_a_source_that_lost_much_is_not_believed(
    database: Database, tmp_path: Path, more: dict[str, Any], second: list[Any], left: list[str], said: str | None
) -> None:
    async with replica(database, tmp_path, [["a", "b"], ["c", "d"]], **more) as it:
        await it.run()
        it.source.content = second
        ingestion = await it.again()
        assert ingestion.status == "resting"
        assert await it.names() == left
        if said is None:
            assert ingestion.last_error is None
        else:
            assert str(ingestion.last_error).startswith("REMOVAL_THRESHOLD exceeded on ingestion mark ")
            assert said in str(ingestion.last_error)


async def test_a_cancel_stops_a_burst_at_its_next_page(database: Database, tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with replica(database, tmp_path, [["ada"], gate, ["eve"]]) as it:
        burst = asyncio.create_task(it.ingestion.run())
        while it.source.asked != [0, 1]:
            await asyncio.sleep(0.01)
        await it.control.cancel(await it.now())
        gate.set()
        await burst
        ingestion = await it.now()
        assert (ingestion.status, ingestion.next_action) == ("resting", "rest")
        assert await it.pause(ingestion) == 24 * 60
        assert it.source.asked == [0, 1]
        assert await it.names() == ["ada"]


async def test_a_replica_that_stalled_writes_nothing_when_it_wakes_up(database: Database, tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with replica(database, tmp_path, [["ada"], gate, ["eve"]]) as stalled:
        burst = asyncio.create_task(stalled.ingestion.run())
        while stalled.source.asked != [0, 1]:
            await asyncio.sleep(0.01)
        other = Replica(stalled.bench, Source([["ada"], ["bob"], ["eve"], ["zoe"]], burst_length=ONE_PAGE))
        await other.run()
        await other.run()
        assert other.source.asked == [1, 2], "it goes on where the first one was"
        gate.set()
        await burst
        assert stalled.source.asked == [0, 1]
        assert [mark.sequence for mark in await other.control.marks(await other.now())] == [2, 1, 0]
        assert (await other.run()).status == "resting"
        assert await other.names() == ["ada", "bob", "eve", "zoe"]


async def test_a_running_service_begins_by_itself(database: Database, tmp_path: Path) -> None:
    source = Source([["ada"], ["bob"]])
    async with running(database, tmp_path, providers=[source]) as bench:
        assert await bench.engine.incremental.names() == ["assets"]
        async with asyncio.timeout(20):
            while await bench.names() != ["user:default/ada", "user:default/bob"]:
                await asyncio.sleep(0.05)
    disabled = {"assets": {"disabled": True}}
    async with running(database, tmp_path, providers=[Source([])], providerOptions=disabled) as bench:
        assert await bench.names() == [], "what a disabled provider gave goes, as that of any other"


@pytest.mark.parametrize(
    "wrong",
    [
        {"burst_length": timedelta(0)},
        {"rest_length": timedelta(seconds=-1)},
        {"backoff": ()},
    ],
)
async def test_options_that_cannot_be(sqlite_database: Database, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="assets"):
        async with running(sqlite_database, tmp_path, providers=[Source([], **wrong)]):
            pass


async def test_bursts_are_at_least_five_seconds_apart(sqlite_database: Database, tmp_path: Path) -> None:
    source = Source([])
    source.options = IncrementalOptions(timedelta(seconds=4), timedelta(seconds=1), timedelta(0))
    with pytest.raises(InputError, match="burst_interval of assets must be at least 5 seconds"):
        async with running(sqlite_database, tmp_path, providers=[source]):
            pass


class Policy(Authorizer):
    """Allows the permissions of some names."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed

    async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        return ["ALLOW" if query.permission.name in self.allowed else "DENY" for query in queries]

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        return permission.name in self.allowed

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        raise AssertionError("these endpoints refuse in words of their own")


READ, MANAGE = "catalog.ingestion.read", "catalog.ingestion.manage"


class Api:
    """The endpoints over a replica."""

    def __init__(self, it: Replica, *allowed: str) -> None:
        async def authenticate(_request: Request) -> Credentials:
            return Credentials.user("user:default/ada", "token")

        router = create_incremental_router(Access(Policy(*allowed)), it.control)
        web = FastAPI()
        web.mount("/api/catalog", create_plugin("catalog", [router], authenticate=authenticate))
        self._http = AsyncClient(transport=ASGITransport(web), base_url="http://test/api/catalog/incremental")

    async def ask(self, method: str, path: str) -> Response:
        return await self._http.request(method, path)

    async def body(self, method: str, path: str, status: int = 200) -> Any:
        answer = await self.ask(method, path)
        assert answer.status_code == status, answer.text
        return answer.json()


async def test_the_api_tells_how_a_provider_is_doing(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada"], ["eve"]], burst_length=ONE_PAGE) as it:
        api = Api(it, READ, MANAGE)
        assert await api.body("GET", "/health") == {"healthy": True}
        assert await api.body("GET", "/providers") == {"success": True, "providers": ["assets"]}
        waiting = {"success": True, "status": {"current_action": "rest complete, waiting to start"}}
        assert await api.body("GET", "/providers/assets") == waiting
        assert (await api.body("GET", "/providers/assets/marks"))[
            "message"
        ] == "No records yet (provider is restarting)"
        for action, said in (
            ("trigger", "Unable to trigger next action (provider is restarting)"),
            ("start", "Provider is already restarting"),
            ("cancel", "Provider is currently restarting, please wait."),
        ):
            assert await api.body("POST", f"/providers/assets/{action}") == {"success": True, "message": said}
        await it.run()
        body = await api.body("GET", "/providers/assets")
        assert body["status"]["current_action"] == "interstitial"
        assert body["status"]["next_action_at"].endswith("Z")
        assert body["last_error"] is None
        [mark] = (await api.body("GET", "/providers/assets/marks"))["records"]
        assert sorted(mark) == ["created_at", "cursor", "id", "ingestion_id", "sequence"]
        assert (mark["cursor"], mark["sequence"]) == ({"page": 0}, 0)


async def test_the_api_of_a_provider_that_is_not_there(sqlite_database: Database, tmp_path: Path) -> None:
    async with replica(sqlite_database, tmp_path, []) as it:
        api = Api(it, READ, MANAGE)
        missing = "Provider 'nope' not found"
        told = {"success": False, "status": {}, "last_error": missing}
        assert await api.body("GET", "/providers/nope", 404) == told
        assert await api.body("GET", "/providers/nope/marks", 404) == told
        for action in ("trigger", "start", "cancel"):
            answer = await api.body("POST", f"/providers/nope/{action}", 404)
            assert answer == {"success": False, "message": missing}
        assert await api.body("DELETE", "/providers/nope", 404) == {"success": False, "message": missing}
        assert (await api.ask("POST", "/providers/assets/explode")).status_code == 404
        assert await api.body("GET", "/providers") == {"success": True, "providers": ["assets"]}


async def test_the_api_starts_cancels_and_forgets(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada"], ["eve"]], burst_length=ONE_PAGE) as it:
        api = Api(it, READ, MANAGE)
        await it.run()
        # Broken off: the next cycle begins with the first page.
        assert (await api.body("POST", "/providers/assets/start"))["message"] == "assets: Next cycle triggered."
        assert (await it.now()).status == "canceling"
        await it.run()
        assert it.source.asked == [0, 0]
        await it.run()
        assert (await api.body("POST", "/providers/assets/start"))["success"]
        assert (await it.control.status("assets")).ingestion is None
        await it.run()
        message = (await api.body("POST", "/providers/assets/cancel"))["message"]
        assert message == "assets: Current ingestion canceled."
        assert (await it.now()).status == "resting"
        cleared = await api.body("DELETE", "/providers/assets/marks")
        assert cleared["message"] == "Expired marks for provider 'assets' removed."
        assert cleared["deletions"]["deletions"]["ingestionsDeleted"] == 2
        assert cleared["deletions"]["deletions"]["marksDeleted"] == 3
        purged = await api.body("DELETE", "/providers/assets")
        assert purged == {"provider": "assets", "ingestionsDeleted": 1, "marksDeleted": 1, "markEntitiesDeleted": 1}
        assert await it.pause(await it.now()) == 24 * 60
        assert (await api.body("POST", "/cleanup")) == {
            "ingestionsDeleted": 1,
            "ingestionMarksDeleted": 0,
            "markEntitiesDeleted": 0,
        }
        assert (await api.body("POST", "/providers/assets/trigger"))["message"] == "assets: Next action triggered."
        await it.run()
        assert it.source.asked[-1] == 0
        assert await it.names() == ["ada", "eve"], "what was given stays, whatever is forgotten"


async def test_two_cycles_at_once_are_unhealthy(database: Database, tmp_path: Path) -> None:
    async with replica(database, tmp_path, [["ada"]]) as it:
        await it.run()
        async with database.write() as connection:
            await connection.execute(
                text(
                    "INSERT INTO ingestions (id, provider_name, status, next_action, next_action_at, created_at, "
                    "completion_ticket) VALUES ('x', 'assets', 'bursting', 'ingest', 0, 0, 'strange')"
                )
            )
        assert await Api(it, READ).body("GET", "/health") == {"healthy": False, "duplicateIngestions": ["assets"]}


@pytest.mark.parametrize(
    ("allowed", "method", "path", "status"),
    [
        ((), "GET", "/health", 403),
        ((MANAGE,), "GET", "/providers/assets", 403),
        ((READ,), "GET", "/providers/assets", 200),
        ((READ,), "POST", "/providers/assets/start", 403),
        ((READ,), "DELETE", "/providers/assets", 403),
        ((READ,), "DELETE", "/providers/assets/marks", 403),
        ((READ,), "POST", "/cleanup", 403),
        ((MANAGE,), "POST", "/cleanup", 200),
        ((READ,), "GET", "/providers/assets/marks", 200),
    ],
)
async def test_reading_and_managing_are_two_permissions(
    sqlite_database: Database, tmp_path: Path, allowed: tuple[str, ...], method: str, path: str, status: int
) -> None:
    async with replica(sqlite_database, tmp_path, [["ada"]]) as it:
        answer = await Api(it, *allowed).ask(method, path)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["error"] == {"name": "NotAllowedError", "message": "Unauthorized"}
