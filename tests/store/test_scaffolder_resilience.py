"""Tasks when parts around them fail: the database goes away, a process keeps dying, an interpreter breaks."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.store.scaffolder_bench import Script, answer, fail, hang, scaffolder

from understage.errors import ServiceUnavailableError
from understage.platform.database import Database
from understage.scaffolder.steps.run import Outcome, TaskRun

pytestmark = pytest.mark.usefixtures("task_engine")


@pytest.mark.postgres
async def test_lost_connections_cost_a_running_task_nothing(postgres_database: Database, tmp_path: Path) -> None:
    async def talk(run: TaskRun) -> Mapping[str, Any]:
        for number in range(20):
            await run.log(f"line {number}", step_id="s1")
            await asyncio.sleep(0.05)
        return {}

    script = Script(talk=talk)
    async with scaffolder(postgres_database, tmp_path, script) as bench:
        task_id = await bench.create("talk", "talk", "talk")
        for _ in range(6):
            await asyncio.sleep(0.3)
            await _end_connections(postgres_database)
        assert await bench.status(task_id) == "completed"
        lines = [message for message in await bench.messages(task_id) if str(message).startswith("line")]
        following = await bench.create("talk")
        assert await bench.status(following) == "completed"
        await bench.service.check()
    assert lines == [f"line {number}" for number in range(20)] * 3
    assert script.ran == [(task_id, f"s{number}") for number in (1, 2, 3)] + [(following, "s1")]


async def test_health_tells_while_the_database_is_away(sqlite_database: Database, tmp_path: Path) -> None:
    async with scaffolder(sqlite_database, tmp_path, Script(one=answer())) as bench:
        await bench.service.check()
        await _execute(sqlite_database, "ALTER TABLE tasks RENAME TO away")
        await asyncio.sleep(0.6)
        with pytest.raises(ServiceUnavailableError, match="Tasks cannot be run at the moment"):
            await bench.service.check()
        await _execute(sqlite_database, "ALTER TABLE away RENAME TO tasks")
        assert await bench.status(await bench.create("one"), seconds=3) == "completed"
        await bench.service.check()


async def test_a_task_whose_workers_keep_dying_is_given_up(database: Database, tmp_path: Path) -> None:
    script = Script(hang=hang)
    async with scaffolder(database, tmp_path, script, limit=0) as bench:
        task_id = await bench.create("hang")
        await _execute(database, "UPDATE tasks SET status = 'processing', owner = 'x', lease_until = 0, deaths = 4")
    async with scaffolder(database, tmp_path, script) as bench:
        assert await bench.status(task_id) == "failed"
        events = await bench.events(task_id)
    assert events[-1]["body"]["error"]["message"].startswith("The task was given up: its worker died 5 times")
    assert script.ran == []


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (RuntimeError("a bug"), "The task ended by an internal error; the service's log has it under the task's id"),
        (Outcome(output={"n": 2**70}), "The output of the task cannot be written as JSON"),
    ],
)
async def test_a_broken_interpreter_ends_the_task_with_an_error(
    sqlite_database: Database, tmp_path: Path, outcome: Any, message: str
) -> None:
    async def break_(_run: TaskRun) -> Outcome:
        if isinstance(outcome, Exception):
            raise outcome
        result: Outcome = outcome
        return result

    async with scaffolder(sqlite_database, tmp_path, break_) as bench:
        task_id = await bench.create("any")
        assert await bench.status(task_id) == "failed"
        assert (await bench.events(task_id))[-1]["body"]["error"]["message"].startswith(message)


async def test_another_key_fails_the_task_and_says_which_setting(sqlite_database: Database, tmp_path: Path) -> None:
    async with scaffolder(sqlite_database, tmp_path, Script(), limit=0) as bench:
        task_id = await bench.create("one", secrets={"a": "b"})
    async with scaffolder(sqlite_database, tmp_path, Script(one=answer()), key=b"another") as bench:
        assert await bench.status(task_id) == "failed"
        error = (await bench.events(task_id))[-1]["body"]["error"]
    assert error["name"] == "ServiceUnavailableError"
    assert "understage.encryptionKey" in error["message"]


async def test_folders_that_a_killed_process_left_are_removed(sqlite_database: Database, tmp_path: Path) -> None:
    left = tmp_path / "scaffolder" / "workspaces" / f"{uuid.uuid4()}-1"
    (left / "sub").mkdir(parents=True)
    async with scaffolder(sqlite_database, tmp_path, Script()):
        assert not left.exists()


async def test_a_run_belongs_to_the_trace_of_the_request(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("test")
    monkeypatch.setattr("understage.scaffolder.tasks.execution.tracer", tracer)
    async with scaffolder(sqlite_database, tmp_path, Script(one=answer()), limit=0) as bench:
        with tracer.start_as_current_span("request") as request:
            task_id = await bench.create("one")
    async with scaffolder(sqlite_database, tmp_path, Script(one=answer())) as bench:
        await bench.status(task_id)
        await bench.until(lambda: len(spans.get_finished_spans()) == 2)
    task = spans.get_finished_spans()[1]
    assert task.name == "scaffolder.task"
    assert task.parent is not None
    assert task.parent.span_id == request.get_span_context().span_id
    assert dict(task.attributes or {}) == {
        "scaffolder.task.id": task_id,
        "scaffolder.template": "template:default/demo",
    }


async def _execute(database: Database, statement: str) -> None:
    async with database.write() as connection:
        await connection.execute(text(statement))


async def _end_connections(database: Database) -> None:
    async with database.read() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = 'understage'"
            )
        )


async def test_the_audit_log_tells_how_each_run_ended(sqlite_database: Database, tmp_path: Path) -> None:
    script = Script(one=answer(), fail=fail, hang=hang)
    with capture_logs() as lines:
        async with scaffolder(sqlite_database, tmp_path, script) as bench:
            good, bad, cancelled = await bench.create("one"), await bench.create("fail"), await bench.create("hang")
            await bench.until(lambda: len(script.ran) == 3)
            await bench.http.post(f"/v2/tasks/{cancelled}/cancel")
            for task_id in (good, bad, cancelled):
                await bench.status(task_id)
    runs = [line for line in lines if line.get("isAuditEvent") and line["meta"]["actionType"] == "execution"]
    ends = {line["meta"]["taskId"]: line["status"] for line in runs if line["status"] != "initiated"}
    assert ends == {good: "succeeded", bad: "failed", cancelled: "failed"}
    assert runs[0]["severityLevel"] == "medium"
    assert runs[0]["meta"] == {
        "actionType": "execution",
        "taskId": good,
        "createdBy": "user:default/anna",
        "taskParameters": {"name": "shop"},
        "templateRef": "template:default/demo",
    }
