"""Tasks from creation to completion: what their creator sees, and what the tables keep."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql
from tests.engines import EngineChoice
from tests.store.scaffolder_bench import FAST, Script, answer, fail, hang, scaffolder

from understage.platform.database import Database
from understage.scaffolder.steps.run import LostTaskError, TaskRun

pytestmark = pytest.mark.usefixtures("task_engine")

TABLES = ("tasks", "task_events", "task_steps", "task_checkpoints", "task_workspaces")


async def test_a_task_runs_its_steps_and_tells_so(database: Database, tmp_path: Path) -> None:
    async with scaffolder(database, tmp_path, Script(one=answer(url="http://x"), two=answer())) as bench:
        task_id = await bench.create("one", "two")
        assert await bench.status(task_id) == "completed"
        events = await bench.events(task_id)
        task = await bench.task(task_id)
    assert [event["body"] for event in events] == [
        {"message": "Starting up task with 2 steps"},
        {"message": "Beginning step Step 1", "stepId": "s1", "status": "processing"},
        {"message": "Finished step Step 1", "stepId": "s1", "status": "completed"},
        {"message": "Beginning step Step 2", "stepId": "s2", "status": "processing"},
        {"message": "Finished step Step 2", "stepId": "s2", "status": "completed"},
        {"message": "Run completed with status: completed", "output": {"s1": {"url": "http://x"}, "s2": {}}},
    ]
    assert [event["type"] for event in events] == ["log"] * 5 + ["completion"]
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert set(task) == {"id", "spec", "status", "createdAt", "lastHeartbeatAt", "createdBy"}
    assert task["createdBy"] == "user:default/anna"
    assert not list((tmp_path / "scaffolder" / "workspaces").iterdir())


async def test_a_task_is_not_found_by_looking_for_it_now_and_then(
    database: Database, tmp_path: Path, task_engine: EngineChoice
) -> None:
    async def note(_run: TaskRun) -> Mapping[str, Any]:
        return {}

    # To Temporal a worker is connected some time after it has started, which is found out by looking.
    times = FAST if task_engine.address else replace(FAST, poll=600)
    async with scaffolder(database, tmp_path, Script(note=note), times=times) as bench:
        await bench.create("note")
        assert await bench.status(await bench.create("note"), seconds=60) == "completed"


async def test_a_failed_step_ends_the_task_with_its_error_and_retry_goes_on_there(
    database: Database, tmp_path: Path
) -> None:
    lucky: list[bool] = []
    seen: list[Mapping[str, str]] = []

    async def write(run: TaskRun) -> Mapping[str, Any]:
        (run.workspace / "kept").write_text("from step 1")
        return {"n": 1}

    async def try_(run: TaskRun) -> Mapping[str, Any]:
        seen.append(dict(run.secrets))
        assert (run.workspace / "kept").read_text() == "from step 1"
        (run.workspace / "half").write_text("of a failed step")
        return await fail(run) if not lucky else {"files": sorted(path.name for path in run.workspace.iterdir())}

    script = Script(write=write, try_=try_)
    async with scaffolder(database, tmp_path, script) as bench:
        task_id = await bench.create("write", "try_", secrets={"token": "first-one"})
        assert await bench.status(task_id) == "failed"
        completion = (await bench.events(task_id))[-1]
        assert completion["body"] == {
            "message": "Run completed with status: failed",
            "error": {"name": "Error", "message": "no luck"},
        }
        lucky.append(True)
        answered = await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"token": "second-one"}})
        assert (answered.status_code, answered.json()) == (201, {"id": task_id})
        assert await bench.status(task_id) == "completed"
        events = await bench.events(task_id)
        again = await bench.http.post(f"/v2/tasks/{task_id}/cancel")
    assert script.ran == [(task_id, "s1"), (task_id, "s2"), (task_id, "s2")]
    assert seen == [{"token": "first-one"}, {"token": "second-one"}]
    assert [event["type"] for event in events].count("completion") == 1
    recovered = [event["body"] for event in events if event["type"] == "recovered"]
    assert recovered == [{"recoverStrategy": "none"}]
    assert events[-1]["body"]["output"] == {"s1": {"n": 1}, "s2": {"files": ["half", "kept"]}}
    assert again.json() == {"status": "cancelled"}


async def test_a_running_task_cannot_be_retried(database: Database, tmp_path: Path) -> None:
    async with scaffolder(database, tmp_path, Script(hang=hang)) as bench:
        task_id = await bench.create("hang")
        await bench.status(task_id, "processing")
        refused = await bench.http.post(f"/v2/tasks/{task_id}/retry")
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == f"Task with taskId {task_id} cannot be retried"


async def test_of_retries_at_once_one_is_taken(database: Database, tmp_path: Path) -> None:
    script = Script(one=answer(), fail=fail)
    async with scaffolder(database, tmp_path, script) as bench:
        task_id = await bench.create("one", "fail")
        assert await bench.status(task_id) == "failed"
        script.actions["fail"] = hang
        asked = [bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"n": str(n)}}) for n in range(5)]
        answers = await asyncio.gather(*asked)
        await bench.until(lambda: len(script.ran) == 3)
        events = await bench.events(task_id)
    assert sorted(answered.status_code for answered in answers) == [201, 409, 409, 409, 409]
    assert script.ran == [(task_id, "s1"), (task_id, "s2"), (task_id, "s2")]
    assert [event["type"] for event in events].count("recovered") == 1


async def test_no_more_tasks_run_at_once_than_may(
    database: Database, tmp_path: Path, task_engine: EngineChoice
) -> None:
    running: list[str] = []
    most: list[int] = []

    async def count(run: TaskRun) -> Mapping[str, Any]:
        running.append(run.task_id)
        most.append(len(running))
        await asyncio.sleep(0.1)
        running.remove(run.task_id)
        return {}

    async with scaffolder(database, tmp_path, Script(count=count), limit=2) as bench:
        ids = [await bench.create("count", "count") for _ in range(6)]
        for task_id in ids:
            assert await bench.status(task_id, seconds=60) == "completed"
    assert max(most) == 2


@pytest.mark.parametrize("text", ["\0\x01\x02\x7f", "half \ud83d of a pair", bytes(range(256)).decode("latin-1")])
async def test_what_is_no_text_does_not_break_a_task(database: Database, tmp_path: Path, text: str) -> None:
    async def talk(run: TaskRun) -> Mapping[str, Any]:
        await run.log(f"before {text} after", step_id="s1")
        return {}

    async with scaffolder(database, tmp_path, Script(talk=talk)) as bench:
        task_id = await bench.create("talk")
        assert await bench.status(task_id) == "completed"
        line = (await bench.messages(task_id))[2]
    assert str(line).startswith("before ")
    assert str(line).endswith(" after")


async def test_cancelling_interrupts_the_running_step_within_a_second(database: Database, tmp_path: Path) -> None:
    script = Script(one=answer(), hang=hang)
    async with scaffolder(database, tmp_path, script) as bench:
        task_id = await bench.create("one", "hang", "one")
        await bench.until(lambda: len(script.ran) == 2)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        answered = await bench.http.post(f"/v2/tasks/{task_id}/cancel")
        assert answered.json() == {"status": "cancelled"}
        assert await bench.status(task_id) == "failed"
        assert time.monotonic() - began < 1
        line, *events = (await bench.events(task_id))[-3:]
    # The stock page reads no further than the event `cancelled`: what it shall show goes before.
    assert (line["type"], line["body"]) == ("log", events[0]["body"])
    assert events[0]["type"] == "cancelled"
    assert events[0]["body"] == {"message": "Step s2 has been cancelled.", "stepId": "s2", "status": "cancelled"}
    assert events[1]["type"] == "completion"
    assert events[1]["body"]["error"] == {
        "name": "Error",
        "message": f"Step s2 (Step 2) of task {task_id} has been cancelled.",
    }
    assert script.ran == [(task_id, "s1"), (task_id, "s2")]


async def test_an_action_that_ignores_its_interruption_does_not_hold_the_task(
    database: Database, tmp_path: Path
) -> None:
    refused: list[Exception] = []
    release = asyncio.Event()

    async def stubborn(run: TaskRun) -> Mapping[str, Any]:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        try:
            await run.log("too late")
        except LostTaskError as error:
            refused.append(error)
            raise
        return {}

    script = Script(stubborn=stubborn)
    async with scaffolder(database, tmp_path, script) as bench:
        task_id = await bench.create("stubborn")
        await bench.until(lambda: len(script.ran) == 1)
        began = time.monotonic()
        await bench.http.post(f"/v2/tasks/{task_id}/cancel")
        assert await bench.status(task_id) == "failed"
        assert time.monotonic() - began < 1
        release.set()
        await bench.until(lambda: bool(refused))
        assert "too late" not in await bench.messages(task_id)


async def test_a_waiting_task_that_is_cancelled_never_runs_and_says_why_it_waits(
    database: Database, tmp_path: Path
) -> None:
    script = Script(hang=hang, one=answer())
    async with scaffolder(database, tmp_path, script, limit=1) as bench:
        await bench.status(await bench.create("hang"), "processing")
        waiting = await bench.create("one")
        [first] = await bench.events(waiting)
        await bench.http.post(f"/v2/tasks/{waiting}/cancel")
        assert await bench.status(waiting) == "failed"
        events = await bench.events(waiting)
    assert first["body"]["message"].startswith("Waiting to start, it is next")
    assert [event["type"] for event in events] == ["log", "cancelled", "completion"]
    assert (waiting, "s1") not in script.ran


async def test_waiting_tasks_are_told_their_place_and_the_reason(database: Database, tmp_path: Path) -> None:
    async with scaffolder(database, tmp_path, Script(hang=hang, one=answer()), limit=1) as bench:
        await bench.status(await bench.create("hang"), "processing")
        waiting = [await bench.create("one") for _ in range(3)]
        told = [(await bench.events(task_id))[0]["body"]["message"] for task_id in waiting]
    reason = "this service already runs as many tasks as it may at once"
    places = ("it is next", "queued behind 1 task", "queued behind 2 tasks")
    assert told == [f"Waiting to start, {place}: {reason}" for place in places]


async def test_tasks_start_in_the_order_of_their_creation(
    database: Database, tmp_path: Path, task_engine: EngineChoice
) -> None:
    script = Script(one=answer())
    async with scaffolder(database, tmp_path, script, limit=0) as bench:
        ids = [await bench.create("one") for _ in range(5)]
        await asyncio.sleep(0.5)
        assert {(await bench.task(task_id))["status"] for task_id in ids} == {"open"}
    async with scaffolder(database, tmp_path, script, limit=1) as bench:
        for task_id in ids:
            assert await bench.status(task_id) == "completed"
    started = [task_id for task_id, _ in script.ran]
    # Temporal divides its queue, and promises no order.
    assert (sorted(started) if task_engine.address else started) == (sorted(ids) if task_engine.address else ids)


async def test_no_secret_is_stored_in_clear_and_none_after_the_end(database: Database, tmp_path: Path) -> None:
    secret = "hunter2-and-more"
    seen: list[str] = []

    async def use(run: TaskRun) -> Mapping[str, Any]:
        seen.append(run.secrets["token"])
        (run.workspace / "secret").write_text(run.secrets["token"])
        await run.save_checkpoint("s1", "made", {"password": run.secrets["token"]})
        return {"password": run.secrets["token"]}

    script = Script(use=use, hang=hang)
    async with scaffolder(database, tmp_path, script) as bench:
        task_id = await bench.create("use", "hang", secrets={"token": secret})
        await bench.until(lambda: len(script.ran) == 2)
        running = await _dump(database)
        await bench.http.post(f"/v2/tasks/{task_id}/cancel")
        await bench.status(task_id)
        async with database.read() as connection:
            stored = (await connection.execute(sql("SELECT secrets FROM tasks"))).scalar_one()
    assert seen == [secret]
    assert running.count(b"task_checkpoints") == 1
    assert secret.encode() not in running
    assert secret.encode() not in await _dump(database)
    assert stored is None
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_a_large_workspace_is_kept_outside_of_the_database_and_goes_with_success(
    database: Database, tmp_path: Path
) -> None:
    content = b"".join(number.to_bytes(4, "little") for number in range(300_000))

    async def write(run: TaskRun) -> Mapping[str, Any]:
        (run.workspace / "big").write_bytes(content)
        return {}

    async def read(run: TaskRun) -> Mapping[str, Any]:
        assert (run.workspace / "big").read_bytes() == content
        if not lucky:
            return await fail(run)
        return {}

    lucky: list[bool] = []
    snapshots = tmp_path / "scaffolder" / "snapshots"
    async with scaffolder(database, tmp_path, Script(write=write, read=read)) as bench:
        task_id = await bench.create("write", "read")
        assert await bench.status(task_id) == "failed"
        assert len(list(snapshots.iterdir())) == 1
        lucky.append(True)
        await bench.http.post(f"/v2/tasks/{task_id}/retry")
        assert await bench.status(task_id) == "completed"
        await bench.until(lambda: not list(snapshots.iterdir()))


@pytest.mark.parametrize("lines", [1, 1200])
async def test_log_lines_arrive_soon_and_in_order(database: Database, tmp_path: Path, lines: int) -> None:
    async def talk(run: TaskRun) -> Mapping[str, Any]:
        for number in range(lines):
            await run.log(f"line {number}", step_id="s1")
        return await hang(run)

    script = Script(talk=talk)
    async with scaffolder(database, tmp_path, script) as bench:
        task_id = await bench.create("talk")
        found: list[str | None] = []
        async with asyncio.timeout(5):
            while f"line {lines - 1}" not in found:
                await asyncio.sleep(0.02)
                found = await bench.messages(task_id)
    assert found[2:] == [f"line {number}" for number in range(lines)]


async def _dump(database: Database) -> bytes:
    parts: list[bytes] = []
    async with database.read() as connection:
        for table in TABLES:
            for row in await connection.execute(sql(f"SELECT * FROM {table}")):
                parts.append(table.encode())
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return b"\n".join(parts)
