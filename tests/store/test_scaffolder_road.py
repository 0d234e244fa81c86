"""The whole road, from a template in the catalog to the completion of its task, with the real interpreter, on both databases."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text
from tests.engines import Chosen
from tests.store.scaffolder_bench import FAST, KEY, Bench, Permissions
from tests.unit.scaffolder.road import ACTIONS, ANNA, build, calls, template

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.errors import ConflictError
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.platform.database import Database
from understage.platform.plugin import create_plugin
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.api.routers import create_scaffolder_routers
from understage.scaffolder.service import ScaffolderService
from understage.sdk import ActionContext, ActionModel, action

pytestmark = pytest.mark.usefixtures("task_engine")

SAY = {"id": "say", "name": "Say it", "action": "test:say", "input": {"message": "hello ${{ parameters.name }}"}}


@asynccontextmanager
async def road(database: Database, folder: Path, *templates: dict[str, Any]) -> AsyncIterator[Bench]:
    """A running scaffolder over these templates, with all of its routes; Anna calls."""
    auditor, permissions = Auditor("scaffolder"), Permissions()
    assembly = build(folder, *templates)
    service = ScaffolderService(
        database,
        ScaffolderSettings(),
        key=KEY,
        data_directory=folder,
        run_steps=assembly.interpreter.run,
        task_factory=assembly.factory,
        auditor=auditor,
        engine=Chosen.choice.factory(),
        times=FAST,
    )

    async def authenticate(_request: Any) -> Credentials:
        return ANNA

    routers = create_scaffolder_routers(service, assembly, permissions, auditor)
    app = create_plugin("scaffolder", routers, authenticate=authenticate)
    bench = Bench(service, permissions)
    await bench.http.aclose()
    bench.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://road")
    await service.start()
    try:
        yield bench
    finally:
        await service.stop()
        await bench.http.aclose()


async def create(bench: Bench, values: Mapping[str, Any] | None = None, **secrets: str) -> str:
    body = {"templateRef": "demo", "values": values or {}, "secrets": secrets}
    answer = await bench.http.post("/v2/tasks", json=body)
    assert answer.status_code == 201, answer.text
    task_id: str = answer.json()["id"]
    return task_id


async def completion(bench: Bench, task_id: str) -> dict[str, Any]:
    """The body of the task's completion event."""
    await bench.status(task_id)
    (event,) = [event for event in await bench.events(task_id) if event["type"] == "completion"]
    body: dict[str, Any] = event["body"]
    return body


async def test_a_template_becomes_a_task_and_its_stream_ends_with_the_output(
    database: Database, tmp_path: Path
) -> None:
    entity = template(SAY, output={"result": "${{ steps.say.output.said }}"})
    async with road(database, tmp_path, entity) as bench:
        task_id = await create(bench, {"name": "ada"})
        answer = await bench.http.get(f"/v2/tasks/{task_id}/eventstream", timeout=10)
        frames = [frame for frame in answer.text.split("\n\n") if frame and not frame.startswith(":")]
        events = [json.loads(frame.split("data: ", 1)[1]) for frame in frames]
        assert [event["body"]["message"] for event in events] == [
            "Starting up task with 1 steps",
            "Beginning step Say it",
            "\x1b[32minfo\x1b[39m: hello ada",
            "Finished step Say it",
            "Run completed with status: completed",
        ]
        assert events[-1]["body"]["output"] == {"result": "HELLO ADA"}

        task = await bench.task(task_id)
        assert task["status"] == "completed"
        assert task["createdBy"] == "user:default/anna"
        assert task["spec"]["parameters"] == {"name": "ada"}
        assert task["spec"]["steps"] == [SAY]
        assert task["spec"]["templateInfo"]["entityRef"] == "template:default/demo"
        assert task["spec"]["user"]["entity"]["spec"]["profile"]["displayName"] == "Anna"


async def test_values_are_checked_before_a_task_is_made(database: Database, tmp_path: Path) -> None:
    page = {"required": ["name"], "properties": {"name": {"type": "string", "default": "x"}}}
    async with road(database, tmp_path, template(SAY, parameters=[page])) as bench:
        answer = await bench.http.post("/v2/tasks", json={"templateRef": "demo", "values": {}})
        assert answer.status_code == 400
        assert [error["message"] for error in answer.json()["errors"]] == ['requires property "name"']
        answer = await bench.http.post("/v2/tasks", json={"templateRef": "nothing", "values": {}})
        assert (answer.status_code, answer.json()["error"]["name"]) == (404, "NotFoundError")
        assert (await bench.http.get("/v2/tasks")).json()["totalTasks"] == 0


async def test_a_broken_expression_fails_the_task_and_the_service_goes_on(database: Database, tmp_path: Path) -> None:
    broken = {**SAY, "input": {"message": "${{ parameters.name | nosuchfilter }}"}}
    async with road(database, tmp_path, template(broken)) as bench:
        for _ in range(2):
            body = await completion(bench, await create(bench))
            assert body["message"] == "Run completed with status: failed"
            assert body["error"]["name"] == "TemplateRenderError"
            assert body["error"]["message"].startswith("Step say, input.message: ")


async def test_no_secret_reaches_a_row_in_clear(database: Database, tmp_path: Path) -> None:
    password = "hunter22-of-the-test"
    steps = (
        {"id": "tell", "action": "test:secret"},
        {**SAY, "input": {"message": "x ${{ secrets.password }}"}},
        {**SAY, "id": "again", "input": {"message": "${{ steps.tell.output.said }}"}},
        {"id": "effect", "action": "test:effect", "input": {"message": "${{ secrets.password }}"}},
        {"id": "crash", "action": "test:crash", "input": {"message": "${{ secrets.password }}"}},
    )
    async with road(database, tmp_path, template(*steps, output={"x": "${{ steps.tell.output }}"})) as bench:
        task_id = await create(bench, password=password)
        body = await completion(bench, task_id)
        assert body["error"] == {"name": "ZeroDivisionError", "message": "divided ***"}
        dump = await dump_of(database)
        for secret in (password, password.upper(), ANNA.token or ""):
            assert secret not in dump
            assert secret not in json.dumps(await bench.events(task_id))
        async with database.read() as connection:
            kept = (await connection.execute(text("SELECT secrets FROM tasks"))).scalars().all()
        assert kept == [None]
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert password.encode() not in file.read_bytes()


async def dump_of(database: Database) -> str:
    """All rows of all tables, bytes as Latin-1."""
    names = ("tasks", "task_events", "task_steps", "task_checkpoints", "task_workspaces")
    shown = []
    async with database.read() as connection:
        for name in names:
            for row in await connection.execute(text(f"SELECT * FROM {name}")):
                shown += [bytes(value).decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
    assert len(shown) > 20
    return "\n".join(shown)


async def test_a_cancelled_step_says_so_and_its_lines_are_kept(database: Database, tmp_path: Path) -> None:
    steps = ({"id": "hang", "name": "Hang on", "action": "test:hang"}, {**SAY, "if": "${{ always() }}"})
    async with road(database, tmp_path, template(*steps)) as bench:
        task_id = await create(bench)
        stream = bench.service.follow_events(await bench.service.get(task_id), after=None, pause=10)
        async for batch in stream:
            if any("waiting" in event["body"]["message"] for event in batch):
                break
        began = asyncio.get_running_loop().time()
        assert (await bench.http.post(f"/v2/tasks/{task_id}/cancel", json={})).json() == {"status": "cancelled"}
        body = await completion(bench, task_id)
        assert asyncio.get_running_loop().time() - began < 1
        assert body["error"]["message"] == f"Step hang (Hang on) of task {task_id} has been cancelled."
        messages = await bench.messages(task_id)
        assert "Beginning step Say it" not in messages
        assert "Step hang has been cancelled." in messages


async def test_a_retry_goes_on_at_the_failed_step_with_new_secrets(database: Database, tmp_path: Path) -> None:
    calls.clear()
    steps = (
        SAY,
        {"id": "effect", "action": "test:effect", "input": {"message": "once", "times": 2}},
        {**SAY, "id": "cleanup", "name": "Clean up", "if": "${{ always() }}"},
    )
    entity = template(*steps, output={"n": "${{ steps.effect.output.count }} ${{ steps.say.output.said }}"})
    async with road(database, tmp_path, entity) as bench:
        task_id = await create(bench, {"name": "ada"}, password="a-wrong-one")
        assert (await completion(bench, task_id))["error"]["name"] == "ConflictError"
        answer = await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
        assert (answer.status_code, answer.json()) == (201, {"id": task_id})
        assert (await completion(bench, task_id))["output"] == {"n": "1 HELLO ADA"}
        assert calls == ["once"]
        messages = await bench.messages(task_id)
        assert "Skipping step say because it was already completed in a previous run" in messages
        assert messages.count("Beginning step Say it") == 1
        assert messages.count("Finished step Clean up") == 2


class NoInput(ActionModel):
    pass


class SayOutput(ActionModel):
    said: str


ODD = b"docs/caf\xe9.md".decode("utf-8", "surrogateescape")
"""The name of a file that is not UTF-8, as Python has it."""


@action("test:read", description="Reads what has an odd name")
async def read_odd(ctx: ActionContext, input: NoInput) -> SayOutput:
    async def name() -> str:
        return ODD

    ctx.log.info(f"reading {ODD}")
    (ctx.workspace.path / ODD.partition("/")[2]).touch()
    return SayOutput(said=await ctx.checkpoint(f"read {ODD}", name))


@action("test:refuse", description="Refuses what has an odd name")
async def refuse_odd(ctx: ActionContext, input: NoInput) -> None:
    raise ConflictError(f"{ODD} is there already")


@action("test:break", description="Breaks at what has an odd name")
async def break_odd(ctx: ActionContext, input: NoInput) -> None:
    raise ValueError(ODD)


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("test:read", "completed", "'output': {'it': 'docs/caf"),
        ("test:refuse", "failed", "docs/caf?.md is there already"),
        ("test:break", "failed", "'name': 'ValueError'"),
    ],
)
async def test_names_that_are_not_utf_8_do_not_hold_a_task(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, status: str, said: str
) -> None:
    monkeypatch.setattr("tests.unit.scaffolder.road.ACTIONS", (*ACTIONS, read_odd, refuse_odd, break_odd))
    entity = template({"id": "odd", "action": name}, SAY, output={"it": "${{ steps.odd.output.said }}"})
    async with road(database, tmp_path, entity) as bench:
        task_id = await create(bench, {"name": "ada"})
        assert await bench.status(task_id, seconds=10) == status
        assert said in str((await bench.events(task_id))[-1]["body"])


async def test_a_checkpoint_that_failed_is_done_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnceRefusing(list[str]):
        is_ready = False

        def append(self, item: str) -> None:
            if not self.is_ready:
                self.is_ready = True
                raise ConflictError("not yet")
            super().append(item)

    done = OnceRefusing()
    monkeypatch.setattr("tests.unit.scaffolder.road.calls", done)
    effect = {"id": "effect", "action": "test:effect", "input": {"message": "once"}}
    async with road(database, tmp_path, template(effect, output={"n": "${{ steps.effect.output.count }}"})) as bench:
        task_id = await create(bench)
        assert (await completion(bench, task_id))["error"] == {"name": "ConflictError", "message": "not yet"}
        await bench.http.post(f"/v2/tasks/{task_id}/retry", json={})
        assert (await completion(bench, task_id))["output"] == {"n": 1}
    assert done == ["once"]


async def test_a_template_that_changes_meanwhile_changes_no_task(database: Database, tmp_path: Path) -> None:
    """Not before its run and not before its retry: what was checked and shown is what runs."""
    calls.clear()
    effect = {"id": "effect", "action": "test:effect", "input": {"message": "once", "times": 2}}
    entity = template(effect, SAY, output={"n": "${{ steps.effect.output.count }} ${{ steps.say.output.said }}"})
    async with road(database, tmp_path, entity) as bench:
        task_id = await create(bench, {"name": "ada"}, password="a-wrong-one")
        assert (await completion(bench, task_id))["error"]["name"] == "ConflictError"
        steps = (await bench.task(task_id))["spec"]["steps"]
        for step in entity["spec"]["steps"]:
            step |= {"action": "test:secret", "input": {}}
        entity["spec"]["output"] = {"n": "${{ parameters | dump }}"}
        await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
        assert (await completion(bench, task_id))["output"] == {"n": "1 HELLO ADA"}
        assert (await bench.task(task_id))["spec"]["steps"] == steps


async def test_an_action_of_another_package_does_not_run_in_its_place(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls.clear()
    origins: dict[str, str | None] = {"test:effect": "acme-actions 1.0"}
    monkeypatch.setattr(ActionRegistry, "origin", lambda _registry, action_id: origins.get(action_id))
    effect = {"id": "effect", "action": "test:effect", "input": {"message": "once", "times": 2}}
    async with road(database, tmp_path, template(effect)) as bench:
        task_id = await create(bench, password="a-wrong-one")
        await completion(bench, task_id)
        assert "acme-actions" not in str(await bench.task(task_id)), "the note is not served"
        for now in ("evil-actions 9.0", None):
            origins["test:effect"] = now
            await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
            error = (await completion(bench, task_id))["error"]
            assert error["name"] == "ConflictError"
            told = now or "no package of this service"
            assert f"was of acme-actions 1.0 when the task was created, and is of {told} now" in error["message"]
        assert calls == ["once"]
        origins["test:effect"] = "acme-actions 1.1"
        await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
        assert "error" not in await completion(bench, task_id)
        told = "test:effect is of acme-actions 1.1 now; the task was created with acme-actions 1.0"
        assert told in str(await bench.events(task_id))


async def test_a_retry_brings_the_secrets_that_the_template_asks_for(database: Database, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["password"],
        "properties": {"password": {"type": "string", "minLength": 9}},
    }
    step = {"id": "effect", "action": "test:effect", "input": {"message": "once", "times": 2}}
    async with road(database, tmp_path, template(step, secrets={"schema": schema})) as bench:
        task_id = await create(bench, password="a-wrong-one")
        assert await bench.status(task_id) == "failed"
        refused = [
            await bench.http.post(f"/v2/tasks/{task_id}/retry", json=body)
            for body in ({}, {"secrets": {}}, {"secrets": {"password": "short-1"}})
        ]
        assert [answer.status_code for answer in refused] == [400] * 3
        told = [error["message"] for answer in refused for error in answer.json()["errors"]]
        missing = "secrets.password is required"
        assert told == [missing, missing, "secrets.password does not meet minimum length of 9"]
        assert "short-1" not in refused[-1].text
        assert (await bench.task(task_id))["status"] == "failed"
        assert "recovered" not in [event["type"] for event in await bench.events(task_id)]


async def test_a_loop_goes_on_at_the_item_that_failed(database: Database, tmp_path: Path) -> None:
    calls.clear()
    message = {"message": "${{ each.value }}", "times": "${{ 2 if each.value === 'b' else 1 }}"}
    loop = {"id": "loop", "action": "test:effect", "each": ["a", "b", "c"], "input": message}
    async with road(database, tmp_path, template(loop, output={"n": "${{ steps.loop.output.count }}"})) as bench:
        task_id = await create(bench)
        await bench.status(task_id, "failed")
        assert calls == ["a", "b"]
        await bench.http.post(f"/v2/tasks/{task_id}/retry", json={"secrets": {"password": "the-right-one"}})
        assert (await completion(bench, task_id))["output"] == {"n": [1, 2, 3]}
        assert calls == ["a", "b", "c"]


async def test_starting_over_runs_every_item_again(database: Database, tmp_path: Path) -> None:
    recovery = {"EXPERIMENTAL_recovery": {"EXPERIMENTAL_strategy": "startOver"}}
    loop = {**SAY, "each": ["a", "b"], "input": {"message": "${{ each.value }}"}}
    entity = template(loop, {"id": "fail", "action": "test:fail", "input": {"message": "x"}}, **recovery)
    async with road(database, tmp_path, entity) as bench:
        task_id = await create(bench)
        await bench.status(task_id)
        assert (await bench.http.post(f"/v2/tasks/{task_id}/retry", json={})).status_code == 201
        await bench.status(task_id)
        messages = await bench.messages(task_id)
    assert messages[0] == "recovered"
    assert messages.count("\x1b[32minfo\x1b[39m: a") == 1
    assert messages.count("\x1b[32minfo\x1b[39m: b") == 1


async def test_spans_lead_from_the_request_to_the_action(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for module in ("tasks.execution", "steps.runner"):
        monkeypatch.setattr(f"understage.scaffolder.{module}.tracer", tracer)
    async with road(sqlite_database, tmp_path, template(SAY)) as bench:
        with tracer.start_as_current_span("request"):
            task_id = await create(bench)
        await bench.status(task_id)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    for child, parent in (
        ("scaffolder.task", "request"),
        ("scaffolder.step", "scaffolder.task"),
        ("scaffolder.action", "scaffolder.step"),
    ):
        found = spans[child].parent
        assert found is not None
        assert found.span_id == spans[parent].context.span_id
        assert spans[child].context.trace_id == spans["request"].context.trace_id
