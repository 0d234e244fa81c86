"""Work that repeats: one replica at a time, lost runs taken over, failures noted and tried again, triggers and cancels."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sqlalchemy import text
from structlog.testing import capture_logs

import understage.catalog.scheduling as scheduling
from understage.catalog.api.scheduler import create_scheduler_router
from understage.catalog.scheduling import DatabaseScheduler
from understage.errors import ConflictError, ForeignError, InputError, NotFoundError
from understage.platform.database import Database
from understage.sdk import Schedule

HOURLY = Schedule(timedelta(hours=1), timedelta(minutes=10))
BY_HAND = Schedule("manual", timedelta(minutes=10))


@asynccontextmanager
async def running(*schedulers: DatabaseScheduler) -> AsyncIterator[None]:
    for scheduler in schedulers:
        await scheduler.start()
    try:
        yield
    finally:
        for scheduler in schedulers:
            await scheduler.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def until_ended(database: Database, task_id: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            found = await row(database, task_id)
            if found is not None and found.ended_at is not None and found.ticket is None:
                return found
            await asyncio.sleep(0.01)


async def row(database: Database, task_id: str) -> Any:
    async with database.read() as connection:
        found = await connection.execute(text("SELECT * FROM scheduled_tasks WHERE id = :id"), {"id": task_id})
        return found.first()


async def make_due(database: Database, task_id: str, **columns: int) -> None:
    sets = "".join(f", {name} = :{name}" for name in columns)
    async with database.write() as connection:
        statement = f"UPDATE scheduled_tasks SET next_run_at = 1{sets} WHERE id = :id"
        await connection.execute(text(statement), {"id": task_id, **columns})


class Work:
    """A job that counts its runs, and waits for `gate` in each."""

    def __init__(self) -> None:
        self.begun = self.ended = self.stopped = self.together = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> None:
        self.begun += 1
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            await self.gate.wait()
            self.ended += 1
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        finally:
            self.together -= 1


async def test_a_new_task_runs_at_once_and_again_when_it_is_due(database: Database) -> None:
    work, scheduler = Work(), DatabaseScheduler(database)
    scheduler.schedule("t", HOURLY, work)
    async with running(scheduler):
        ended = await until_ended(database, "t")
        assert work.ended == 1
        assert ended.next_run_at - ended.started_at > 3_500_000
        await make_due(database, "t")
        await until(lambda: work.ended == 2)


async def test_replicas_take_turns(database: Database) -> None:
    work = Work()
    work.gate.clear()
    replicas = [DatabaseScheduler(database) for _ in range(3)]
    for replica in replicas:
        replica.schedule("t", HOURLY, work)
    async with running(*replicas):
        await until(lambda: work.begun == 1)
        await make_due(database, "t")
        await asyncio.sleep(2.5)  # each of the others looks twice
        assert work.begun == 1
        work.gate.set()
        await until_ended(database, "t")
        for number in range(2, 6):
            await make_due(database, "t")
            await until(lambda number=number: work.ended == number)  # type: ignore[misc]
            await until_ended(database, "t")  # what the end of a run writes would overwrite ours
    assert work.most == 1


async def test_a_run_that_was_lost_with_its_replica_is_taken_over(database: Database) -> None:
    work, scheduler = Work(), DatabaseScheduler(database)
    scheduler.schedule("t", BY_HAND, work)
    async with running(scheduler):
        await until(lambda: scheduler._tasks["t"].is_registered)
        far = 4_000_000_000_000
        async with database.write() as connection:
            held = "UPDATE scheduled_tasks SET ticket = 'dead', lease_until = :far, next_run_at = 1"
            await connection.execute(text(held), {"far": far})
        await asyncio.sleep(1.5)
        assert work.begun == 0
        await make_due(database, "t", lease_until=1)
        await until(lambda: work.ended == 1)


async def test_a_replica_that_lost_its_lease_stops_its_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "RENEWAL_SECONDS", 0.05)
    work, scheduler = Work(), DatabaseScheduler(database)
    work.gate.clear()
    scheduler.schedule("t", HOURLY, work)
    async with running(scheduler):
        await until(lambda: work.begun == 1)
        before = await row(database, "t")
        await asyncio.sleep(0.2)
        assert (await row(database, "t")).lease_until > before.lease_until
        async with database.write() as connection:
            await connection.execute(text("UPDATE scheduled_tasks SET ticket = 'other'"))
        await until(lambda: work.stopped == 1)
        assert (await row(database, "t")).ticket == "other"


async def test_a_stop_breaks_off_and_the_next_start_runs_again(database: Database) -> None:
    work, scheduler = Work(), DatabaseScheduler(database)
    work.gate.clear()
    scheduler.schedule("t", HOURLY, work)
    async with running(scheduler):
        await until(lambda: work.begun == 1)
    assert (work.stopped, (await row(database, "t")).ticket) == (1, None)
    work.gate.set()
    second = DatabaseScheduler(database)
    second.schedule("t", HOURLY, work)
    async with running(second):
        await until(lambda: work.ended == 1)


async def test_a_restart_keeps_the_time_unless_the_new_schedule_wants_it_sooner(database: Database) -> None:
    times = []
    for hours in (3, 3, 1, 2):
        scheduler = DatabaseScheduler(database)
        scheduler.schedule("t", Schedule(timedelta(hours=hours), timedelta(minutes=1), timedelta(hours=9)), Work())
        async with running(scheduler):
            await until(lambda scheduler=scheduler: scheduler._tasks["t"].is_registered)  # type: ignore[misc]
        times.append((await row(database, "t")).next_run_at)
    first, second, third, fourth = times
    hour = 3_600_000
    assert first - second == pytest.approx(6 * hour, abs=60_000)  # nine hours of delay, then three of pause
    assert second - third == pytest.approx(2 * hour, abs=60_000)
    assert fourth == third


@pytest.mark.parametrize(
    ("error", "said"),
    [(ForeignError("the forge does not answer"), "the forge does not answer"), (KeyError("x"), "'x'")],
)
async def test_a_failure_is_told_counted_and_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    metrics = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[metrics]).get_meter("test")
    monkeypatch.setattr(scheduling, "_runs", meter.create_counter("backend_tasks.task.runs.count"))
    attempts = 0

    async def fail_once() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise error

    scheduler = DatabaseScheduler(database)
    scheduler.schedule("t", HOURLY, fail_once)
    with capture_logs() as logs:
        async with running(scheduler):
            assert (await until_ended(database, "t")).error == said
            await make_due(database, "t")
            await until(lambda: attempts == 2)
            await until(lambda: not scheduler._running)
    assert (await row(database, "t")).error is None
    [line] = [entry for entry in logs if entry["log_level"] == "error"]
    assert (line["task"], line["error"]) == ("t", said)
    assert "what it gave before stays" in line["event"]
    data = metrics.get_metrics_data()
    assert data is not None
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    counts = {dict(point.attributes or {})["result"]: point.value for point in points}  # type: ignore[union-attr]
    assert counts == {"started": 2, "failed": 1, "completed": 1}


async def test_a_run_that_takes_too_long_fails(database: Database) -> None:
    work, scheduler = Work(), DatabaseScheduler(database)
    work.gate.clear()
    scheduler.schedule("t", Schedule(timedelta(hours=1), timedelta(milliseconds=50)), work)
    async with running(scheduler):
        assert "longer than its timeout of 0.05 seconds" in (await until_ended(database, "t")).error
    assert work.stopped == 1


async def test_a_local_task_runs_in_each_process(database: Database) -> None:
    work = Work()
    local = Schedule(timedelta(milliseconds=20), timedelta(seconds=5), scope="local")
    replicas = [DatabaseScheduler(database) for _ in range(2)]
    for replica in replicas:
        replica.schedule("t", local, work)
    async with running(*replicas):
        await until(lambda: work.ended >= 4)
    assert await row(database, "t") is None


async def test_a_manual_task_waits_for_its_trigger_and_can_be_cancelled(database: Database) -> None:
    work, scheduler = Work(), DatabaseScheduler(database)
    work.gate.clear()
    scheduler.schedule("t", BY_HAND, work)
    app = FastAPI()
    app.include_router(create_scheduler_router(scheduler))
    transport = httpx.ASGITransport(app)
    async with running(scheduler), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await until(lambda: scheduler._tasks["t"].is_registered)
        [task] = (await client.get("/.backstage/scheduler/v1/tasks")).json()["tasks"]
        assert task == {
            "taskId": "t",
            "pluginId": "catalog",
            "scope": "global",
            "settings": {"version": 2, "cadence": "manual", "timeoutAfterDuration": "PT10M"},
            "taskState": {"status": "idle"},
            "workerState": {"status": "idle"},
        }
        assert (await client.post("/.backstage/scheduler/v1/tasks/t/trigger")).status_code == 200
        await until(lambda: work.begun == 1)
        [task] = (await client.get("/.backstage/scheduler/v1/tasks")).json()["tasks"]
        assert (task["taskState"]["status"], task["workerState"]) == ("running", {"status": "running"})
        with pytest.raises(ConflictError, match="Task t is currently running"):
            await scheduler.trigger("t")
        assert (await client.post("/.backstage/scheduler/v1/tasks/t/cancel")).status_code == 200
        await until(lambda: work.stopped == 1)
        with pytest.raises(ConflictError, match="Task t is not running"):
            await scheduler.cancel("t")
        with pytest.raises(NotFoundError, match="Task other does not exist"):
            await scheduler.trigger("other")
        assert (await row(database, "t")).error == "Task was cancelled"
        await asyncio.sleep(1.2)
    assert work.begun == 1


async def test_two_tasks_of_one_name_are_refused(sqlite_database: Database) -> None:
    scheduler = DatabaseScheduler(sqlite_database)
    scheduler.schedule("t", HOURLY, Work())
    with pytest.raises(InputError, match="two scheduled tasks have the id t"):
        scheduler.schedule("t", HOURLY, Work())
