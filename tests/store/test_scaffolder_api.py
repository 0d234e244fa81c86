"""The routes of tasks: forms of answers, permissions, event streams."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from httpx import ASGITransport, AsyncClient
from tests.store.scaffolder_bench import Bench, Permissions, Script, answer, hang, scaffolder

from understage.identity.audit import Auditor
from understage.identity.authorizer import PermissionAuthorizer
from understage.identity.credentials import AccessRestrictions, Credentials, ServicePrincipal
from understage.identity.permissions import Conditional, Not, Rule
from understage.platform.database import Database
from understage.platform.plugin import create_plugin
from understage.scaffolder.api.routers import create_task_routers
from understage.scaffolder.steps.run import TaskRun

OWNED_BY_ANNA = Rule("IS_TASK_OWNER", "scaffolder-task", {"createdBy": ["user:default/anna"]})


def conditional(criteria: Any) -> Conditional:
    return Conditional("scaffolder", "scaffolder-task", criteria)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"values": {}}, "request/body must have required property 'templateRef'"),
        ({"templateRef": "template:default/demo"}, "request/body must have required property 'values'"),
        ({"templateRef": "x", "values": {}, "secrets": {"x": 1}}, "request/body/secrets/x must be string"),
        ([], "request/body must be object"),
    ],
)
async def test_a_request_that_breaks_the_protocol_says_where(
    sqlite_database: Database, tmp_path: Path, body: Any, message: str
) -> None:
    async with scaffolder(sqlite_database, tmp_path, Script()) as bench:
        answered = await bench.http.post("/v2/tasks", json=body)
    assert answered.status_code == 400
    assert answered.json()["error"] == {"name": "InputError", "message": message}


async def test_values_that_break_the_form_are_answered_without_envelope(
    sqlite_database: Database, tmp_path: Path
) -> None:
    async with scaffolder(sqlite_database, tmp_path, Script()) as bench:
        answered = await bench.http.post("/v2/tasks", json={"templateRef": "template:default/demo", "values": {}})
    assert answered.status_code == 400
    assert answered.json() == {
        "errors": [{"property": "instance", "message": 'requires property "actions"', "stack": "instance"}]
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/eventstream"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ],
)
@pytest.mark.parametrize("task_id", ["nope", "00000000-0000-4000-8000-000000000000"])
async def test_an_unknown_task_is_not_found(
    database: Database, tmp_path: Path, method: str, path: str, task_id: str
) -> None:
    everything_denied = Permissions({"scaffolder.task.read": "DENY", "scaffolder.task.create": "DENY"})
    async with scaffolder(database, tmp_path, Script(), permissions=everything_denied) as bench:
        answered = await bench.http.request(method, f"/v2/tasks/{task_id}{path}")
    assert answered.status_code == 404
    assert answered.json()["error"] == {"name": "NotFoundError", "message": f"No task with id '{task_id}' found"}


async def test_lists_are_filtered_ordered_and_paged(database: Database, tmp_path: Path) -> None:
    async with scaffolder(database, tmp_path, Script(one=answer()), limit=0) as bench:
        first, second = await bench.create("one"), await bench.create("one")
        bench.user = "user:default/bob"
        third = await bench.create("one")
        await bench.http.post(f"/v2/tasks/{second}/cancel")

        async def ids(query: str) -> tuple[list[str], int]:
            found = (await bench.http.get(f"/v2/tasks?{query}")).json()
            return [task["id"] for task in found["tasks"]], found["totalTasks"]

        assert await ids("") == ([third, second, first], 3)
        assert await ids("order=asc:created_at") == ([first, second, third], 3)
        assert await ids("order=desc:created_by&order=asc:created_at") == ([third, first, second], 3)
        assert await ids("createdBy=user:default/anna&limit=1&offset=1") == ([first], 2)
        assert await ids("createdBy=user:default/anna&createdBy=user:default/bob&status=open&limit=0") == ([], 2)
        assert await ids("status=failed&status=completed") == ([second], 1)
        refusals = [
            (await bench.http.get(f"/v2/tasks?{query}")).json()["error"]["message"]
            for query in ("order=foo", "order=asc:id", "order=desc:secrets", "limit=-1", "foo=1")
        ]
    assert refusals == [
        'Invalid order parameter "foo", expected "<asc or desc>:<field name>"',
        'Invalid order field "id"',
        'Invalid order field "secrets"',
        "request/query/limit must be >= 0",
        "Unknown query parameter 'foo'",
    ]


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("scaffolder.task.create", "POST", "/v2/tasks"),
        ("scaffolder.task.read", "GET", "/v2/tasks"),
        ("scaffolder.task.read", "GET", "/v2/tasks/{id}"),
        ("scaffolder.task.read", "GET", "/v2/tasks/{id}/events"),
        ("scaffolder.task.read", "GET", "/v2/tasks/{id}/eventstream"),
        ("scaffolder.task.read", "POST", "/v2/tasks/{id}/cancel"),
        ("scaffolder.task.cancel", "POST", "/v2/tasks/{id}/cancel"),
        ("scaffolder.task.read", "POST", "/v2/tasks/{id}/retry"),
        ("scaffolder.task.create", "POST", "/v2/tasks/{id}/retry"),
    ],
)
async def test_a_denied_permission_is_refused_in_the_stock_form(
    sqlite_database: Database, tmp_path: Path, permission: str, method: str, path: str
) -> None:
    async with scaffolder(sqlite_database, tmp_path, Script(one=answer())) as bench:
        task_id = await bench.create("one")
        await bench.status(task_id)
        bench.permissions.decisions[permission] = "DENY"
        body = {"templateRef": "template:default/demo", "values": {}} if path == "/v2/tasks" else {}
        sent = {"json": body} if method == "POST" else {}
        answered = await bench.http.request(method, path.format(id=task_id), **sent)
    assert answered.status_code == 403
    assert answered.json()["error"] == {"name": "NotAllowedError", "message": ""}


async def test_conditions_show_each_their_own_tasks(database: Database, tmp_path: Path) -> None:
    async with scaffolder(database, tmp_path, Script(one=answer()), limit=0) as bench:
        annas = await bench.create("one")
        bench.user = "user:default/bob"
        bobs = await bench.create("one")
        bench.permissions.decisions["scaffolder.task.read"] = conditional(OWNED_BY_ANNA)
        listed = (await bench.http.get("/v2/tasks")).json()
        codes = [(await bench.http.get(f"/v2/tasks/{task_id}")).status_code for task_id in (annas, bobs)]
        asked = [
            ("GET", "/events"),
            ("GET", "/eventstream"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
            ("POST", "/undo"),
        ]
        refused = [await bench.http.request(method, f"/v2/tasks/{bobs}{path}") for method, path in asked]
        bench.permissions.decisions["scaffolder.task.read"] = conditional(Not(OWNED_BY_ANNA))
        others = (await bench.http.get("/v2/tasks")).json()
    assert ([task["id"] for task in listed["tasks"]], listed["totalTasks"]) == ([annas], 1)
    assert codes == [200, 403]
    assert [(answer.status_code, answer.json()["error"]["message"]) for answer in refused] == [(403, "")] * len(asked)
    shown = {"id", "spec", "status", "createdAt", "createdBy"}
    assert set(listed["tasks"][0]) == shown, "no secrets, no state, no workspace"
    assert ([task["id"] for task in others["tasks"]], others["totalTasks"]) == ([bobs], 1)


async def test_a_token_that_may_only_read_creates_nothing(sqlite_database: Database, tmp_path: Path) -> None:
    """Of a service the token itself says what it may; nobody is asked."""
    limits = AccessRestrictions(("scaffolder.task.read",))
    nobody: Any = None
    authorizer = PermissionAuthorizer(enabled=True, issuer=nobody, discovery=nobody, fetch=nobody)

    async def authenticate(_request: Any) -> Credentials:
        return Credentials(ServicePrincipal("ci", limits))

    async with scaffolder(sqlite_database, tmp_path, Script(one=answer())) as bench:
        routers = create_task_routers(bench.service, authorizer, Auditor("scaffolder"))
        app = create_plugin("scaffolder", routers, authenticate=authenticate)
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://bench") as http:
            listed = await http.get("/v2/tasks")
            order = {"templateRef": "template:default/demo", "values": {"actions": ["one"]}}
            refused = await http.post("/v2/tasks", json=order)
            left = (await http.get("/v2/tasks")).json()["totalTasks"]
    assert (listed.status_code, listed.json()) == (200, {"tasks": [], "totalTasks": 0})
    assert (refused.status_code, refused.json()["error"]) == (403, {"name": "NotAllowedError", "message": ""})
    assert left == 0


async def test_nobody_reads_for_a_client_that_has_gone(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understage.scaffolder.api.event_stream.HEARTBEAT_SECONDS", 0.1)
    async with scaffolder(sqlite_database, tmp_path, Script(hang=hang)) as bench, served(bench) as http:
        task_id = await bench.create("hang")
        async with http.stream("GET", f"/v2/tasks/{task_id}/eventstream") as stream:
            await anext(stream.aiter_text())
            assert bench.service._signals.watched == [task_id]
        await bench.until(lambda: not bench.service._signals.watched)


async def test_the_stream_sends_each_event_once_and_ends_with_the_completion(
    database: Database, tmp_path: Path
) -> None:
    go_on = asyncio.Event()

    async def wait(run: TaskRun) -> Mapping[str, Any]:
        await run.log("waiting", step_id="s1")
        await go_on.wait()
        return {}

    async with scaffolder(database, tmp_path, Script(wait=wait)) as bench, served(bench) as http:
        task_id = await bench.create("wait")
        arrivals: list[float] = []
        blocks: list[dict[str, str]] = []
        async with http.stream("GET", f"/v2/tasks/{task_id}/eventstream") as stream:
            assert stream.status_code == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-cache"
            assert stream.headers["x-accel-buffering"] == "no"
            async for block in blocks_of(stream.aiter_text()):
                arrivals.append(time.monotonic())
                blocks.append(block)
                if "waiting" in block["data"]:
                    await asyncio.sleep(0.3)
                    released = time.monotonic()
                    go_on.set()
        ended = time.monotonic()
        events = await bench.events(task_id)
        with_id = await http.get(f"/v2/tasks/{task_id}/eventstream", headers={"Last-Event-ID": str(events[2]["id"])})
        with_after = await http.get(f"/v2/tasks/{task_id}/eventstream?after={events[2]['id']}")
        after_all = await http.get(f"/v2/tasks/{task_id}/eventstream?after=99999999")
        broken = await http.get(f"/v2/tasks/{task_id}/eventstream?after=x")
    assert [json.loads(block["data"]) for block in blocks] == events
    assert [block["event"] for block in blocks] == ["log"] * 4 + ["completion"]
    assert [int(block["id"]) for block in blocks] == [event["id"] for event in events]
    assert arrivals[-1] - released < 0.3
    assert ended - arrivals[-1] < 0.3
    assert with_id.text == with_after.text
    assert re.findall(r"^id: (\d+)", with_after.text, re.M) == [str(event["id"]) for event in events[3:]]
    assert re.findall(r"^event: (\w+)", after_all.text, re.M) == ["completion"]
    assert broken.status_code == 400


async def test_streams_end_when_the_service_stops(sqlite_database: Database, tmp_path: Path) -> None:
    async with scaffolder(sqlite_database, tmp_path, Script(hang=hang)) as bench, served(bench) as http:
        task_id = await bench.create("hang")
        async with http.stream("GET", f"/v2/tasks/{task_id}/eventstream") as stream:
            chunks = stream.aiter_text()
            await anext(chunks)
            bench.service.begin_stop()
            async with asyncio.timeout(1):
                _rest = [chunk async for chunk in chunks]


async def test_a_quiet_stream_is_kept_alive_by_comments(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("understage.scaffolder.api.event_stream.HEARTBEAT_SECONDS", 0.1)
    async with scaffolder(sqlite_database, tmp_path, Script(hang=hang)) as bench, served(bench) as http:
        task_id = await bench.create("hang")
        async with http.stream("GET", f"/v2/tasks/{task_id}/eventstream") as stream, asyncio.timeout(5):
            async for line in stream.aiter_lines():
                if line.startswith(":"):
                    break


async def test_a_long_poll_waits_for_news_and_gives_up_in_time(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def wait(_run: TaskRun) -> Mapping[str, Any]:
        await go_on.wait()
        return {}

    async with scaffolder(sqlite_database, tmp_path, Script(wait=wait)) as bench:
        task_id = await bench.create("wait")
        async with asyncio.timeout(5):
            seen = await bench.events(task_id)
            while len(seen) < 2:
                seen += await bench.events(task_id, after=seen[-1]["id"])
        poll = asyncio.create_task(bench.events(task_id, after=seen[-1]["id"]))
        await asyncio.sleep(0.2)
        assert not poll.done()
        go_on.set()
        assert (await asyncio.wait_for(poll, 1))[0]["body"]["message"] == "Finished step Step 1"
        await bench.status(task_id)
        assert [event["type"] for event in await bench.events(task_id, after=10**9)] == ["completion"]
        monkeypatch.setattr("understage.scaffolder.api.event_stream.LONG_POLL_SECONDS", 0.2)
        go_on.clear()
        second = await bench.create("wait")
        assert await bench.events(second, after=10**9) == []


async def test_a_task_that_may_start_over_keeps_its_stream_and_hides_what_was_before(
    database: Database, tmp_path: Path
) -> None:
    recovery = {"EXPERIMENTAL_recovery": {"EXPERIMENTAL_strategy": "startOver"}}
    script = Script(one=answer(n=1))
    async with scaffolder(database, tmp_path, script) as bench, served(bench) as http:
        task_id = await bench.create("one", **recovery)
        await bench.status(task_id)
        kinds: list[str] = []
        async with http.stream("GET", f"/v2/tasks/{task_id}/eventstream") as stream, asyncio.timeout(10):
            chunks = blocks_of(stream.aiter_text())
            async for block in chunks:
                kinds.append(block["event"])
                assert json.loads(block["data"])["isTaskRecoverable"] is True
                if kinds.count("completion") == 1 and block["event"] == "completion":
                    await bench.http.post(f"/v2/tasks/{task_id}/retry")
                elif block["event"] == "completion":
                    break
            # The stock stream tells of the completion once more each second.
            more = [chunk async for chunk in stopped_after(1.5, chunks)]
        await bench.status(task_id)
        events = await bench.events(task_id)
    assert kinds == ["log", "log", "log", "completion", "recovered", "log", "log", "log", "completion"]
    assert more == []
    assert [event["type"] for event in events] == ["recovered", "log", "log", "log", "completion"]
    assert script.ran == [(task_id, "s1")] * 2


async def stopped_after(seconds: float, blocks: AsyncIterator[dict[str, str]]) -> AsyncIterator[dict[str, str]]:
    """What comes within that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for block in blocks:
                yield block


@asynccontextmanager
async def served(bench: Bench) -> AsyncIterator[AsyncClient]:
    """The bench's routes by a real server: streams need one that sends what is there."""
    transport = bench.http._transport
    config = uvicorn.Config(transport.app, host="127.0.0.1", port=0, log_config=None, lifespan="off")  # type: ignore[attr-defined] # ASGITransport's
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined] # older versions have it
    task = asyncio.create_task(server._serve() if hasattr(server, "_serve") else server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        bench.service.begin_stop()
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


async def blocks_of(chunks: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    """The messages of an event stream; comments are left out."""
    buffer = ""
    async for chunk in chunks:
        buffer += chunk
        while "\n\n" in buffer:
            block, buffer = buffer.split("\n\n", 1)
            if not block.startswith(":"):
                yield dict(line.split(": ", 1) for line in block.split("\n"))  # type: ignore[misc] # two parts each
