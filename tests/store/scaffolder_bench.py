"""A scaffolder whose interpreter is a script of the test: its service, and its routes behind a real plugin edge."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from tests.engines import Chosen

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.errors import ConflictError
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.identity.permissions import Decision, Permission, Query
from understage.model.task import TaskSpec
from understage.platform.database import Database
from understage.platform.plugin import create_plugin
from understage.scaffolder.api.routers import create_task_routers
from understage.scaffolder.errors import ValuesError
from understage.scaffolder.service import ScaffolderService
from understage.scaffolder.steps.run import FinishedStep, Outcome, TaskRun
from understage.scaffolder.tasks.creation import NewTask
from understage.scaffolder.tasks.engine import EngineTimes
from understage.scaffolder.workspace import SnapshotStore

KEY = b"a key for tests only"
FAST = EngineTimes(heartbeat=0.2, poll=0.2, grace=0.2)
"""The leases are those of the service: where no worker dies, none must look dead because the machine was busy for a second.
Tests that want a lease to be past say so, see `lapse`."""
Action = Callable[[TaskRun], Awaitable[Mapping[str, Any]]]


class StepError(Exception):
    """What an action of a script raises to fail its step."""


class Script:
    """An interpreter: each step's `action` is the name of a function of the test."""

    def __init__(self, **actions: Action) -> None:
        self.actions = actions
        self.ran: list[tuple[str, str]] = []

    async def __call__(self, run: TaskRun) -> Outcome:
        steps = run.spec["steps"]
        start = 0 if run.portion is None else run.portion.start
        if start == 0:
            await run.log(f"Starting up task with {len(steps)} steps")
        outputs: dict[str, Any] = {}
        for position, step in enumerate(steps, 1):
            done = run.state.steps.get(step["id"])
            if done is not None and done.status == "completed":
                outputs[step["id"]] = done.output
                continue
            self.ran.append((run.task_id, step["id"]))
            run.workspace.mkdir(parents=True, exist_ok=True)  # as an action's `Workspace` does
            await run.log(f"Beginning step {step['name']}", step_id=step["id"], status="processing")
            try:
                outputs[step["id"]] = output = await self.actions[step["action"]](run)
            except StepError as error:
                await run.finish_step(step["id"], FinishedStep("failed"), f"Error: {error}")
                return Outcome(error={"name": "Error", "message": str(error)})
            await run.finish_step(step["id"], FinishedStep("completed", output), f"Finished step {step['name']}")
            if run.portion is not None and position < len(steps):
                return Outcome(next_step=position)
        return Outcome(output=outputs)


def spec_of(*actions: str, **more: Any) -> TaskSpec:
    """A task's spec with one step for each action."""
    steps = [{"id": f"s{number}", "name": f"Step {number}", "action": name} for number, name in enumerate(actions, 1)]
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "steps": steps,
        "output": {},
        "parameters": {"name": "shop"},
        "user": {},
        "templateInfo": {"entityRef": "template:default/demo"},
        **more,
    }


class Factory:
    """Takes the spec from the values."""

    async def create(
        self, template_ref: str, values: Mapping[str, Any], secrets: Mapping[str, str], credentials: Credentials
    ) -> NewTask:
        if "actions" not in values:
            raise ValuesError([{"property": "instance", "message": 'requires property "actions"', "stack": "instance"}])
        return NewTask(spec_of(*values["actions"], **values.get("more", {})), secrets, credentials.user_ref)

    async def renew(self, spec: TaskSpec, secrets: Mapping[str, str], credentials: Credentials) -> Mapping[str, str]:
        return secrets


@dataclass
class Permissions:
    """Answers by permission name; everything else is allowed."""

    decisions: dict[str, Decision] = field(default_factory=dict)

    async def decide(self, queries: Sequence[Query], credentials: Credentials) -> list[Decision]:
        return [self.decisions.get(query.permission.name, "ALLOW") for query in queries]

    async def is_allowed(
        self, permission: Permission, credentials: Credentials, resource_ref: str | None = None
    ) -> bool:
        return self.decisions.get(permission.name, "ALLOW") == "ALLOW"

    async def require(self, permission: Permission, credentials: Credentials, resource_ref: str | None = None) -> None:
        from understage.errors import NotAllowedError

        if not await self.is_allowed(permission, credentials, resource_ref):
            raise NotAllowedError("")


class Bench:
    """One running service and a client of its routes."""

    def __init__(self, service: ScaffolderService, permissions: Permissions) -> None:
        self.service = service
        self.permissions = permissions
        self.user = "user:default/anna"
        auditor = Auditor("scaffolder")

        async def authenticate(_request: Any) -> Credentials:
            return Credentials.user(self.user)

        app = create_plugin("scaffolder", create_task_routers(service, permissions, auditor), authenticate=authenticate)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench")

    async def create(self, *actions: str, secrets: Mapping[str, str] | None = None, **more: Any) -> str:
        """Create a task with a step for each action; returns its id."""
        values = {"actions": list(actions), "more": more}
        body = {"templateRef": "template:default/demo", "values": values, "secrets": secrets or {}}
        answer = await self.http.post("/v2/tasks", json=body)
        assert answer.status_code == 201, answer.text
        task_id: str = answer.json()["id"]
        return task_id

    async def task(self, task_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/v2/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def events(self, task_id: str, after: int | None = None) -> list[dict[str, Any]]:
        query = {} if after is None else {"after": after}
        answer = await self.http.get(f"/v2/tasks/{task_id}/events", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    async def messages(self, task_id: str) -> list[str | None]:
        return [event["body"].get("message", event["type"]) for event in await self.events(task_id)]

    async def status(self, task_id: str, *wanted: str, seconds: float = 15) -> str:
        """The task's status once it is one of `wanted` (default: the final ones)."""
        accepted = wanted or ("completed", "failed", "cancelled")
        async with asyncio.timeout(seconds):
            while True:
                status: str = (await self.task(task_id))["status"]
                if status in accepted:
                    return status
                await asyncio.sleep(0.02)

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)


async def lapse(database: Database, task_id: str | None = None) -> None:
    """As if the lease of a task, or of all, had run out now. Whoever lives renews it with the next heartbeat."""
    chosen = "" if task_id is None else " AND id = :task"
    async with database.write() as connection:
        statement = text(f"UPDATE tasks SET lease_until = 0 WHERE status = 'processing'{chosen}")
        await connection.execute(statement, {} if task_id is None else {"task": task_id})


@asynccontextmanager
async def scaffolder(
    database: Database,
    folder: Path,
    run_steps: Any,
    *,
    limit: int = 10,
    times: EngineTimes = FAST,
    permissions: Permissions | None = None,
    key: bytes = KEY,
    snapshots: SnapshotStore | None = None,
) -> AsyncIterator[Bench]:
    """A running scaffolder."""
    service = ScaffolderService(
        database,
        ScaffolderSettings(concurrent_tasks_limit=limit),
        key=key,
        data_directory=folder,
        run_steps=run_steps,
        task_factory=Factory(),
        auditor=Auditor("scaffolder"),
        snapshots=snapshots,
        engine=Chosen.choice.factory(),
        times=times,
    )
    await service.start()
    bench = Bench(service, permissions or Permissions())
    try:
        yield bench
    finally:
        await service.stop()
        await bench.http.aclose()


def answer(**output: Any) -> Action:
    """An action that returns this output."""

    async def act(_run: TaskRun) -> Mapping[str, Any]:
        return output

    return act


async def fail(_run: TaskRun) -> Mapping[str, Any]:
    """An action that fails."""
    raise StepError("no luck")


async def hang(_run: TaskRun) -> Mapping[str, Any]:
    """An action that ends by interruption only."""
    await asyncio.Event().wait()
    raise ConflictError("unreachable")
