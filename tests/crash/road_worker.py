"""A worker with the real interpreter: `python -m tests.crash.road_worker DATABASE FOLDER`, until it is killed.

Its action `test:slow` appends its message to FOLDER/effects under a checkpoint, then a line to a file of the workspace, and takes
a while over both.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.store.scaffolder_bench import KEY, Permissions

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.platform.database import Database, connect
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.assembly import Assembly, assemble
from understage.scaffolder.service import ScaffolderService
from understage.scaffolder.tasks.engine import EngineTimes
from understage.sdk import ActionContext, ActionModel, action
from understage.sdk.testing import fake_ports

STEPS = 5
STEP_SECONDS = 0.8


class SlowInput(ActionModel):
    message: str


class SlowOutput(ActionModel):
    lines: list[str]


@action("test:slow", description="Takes a while")
async def slow(ctx: ActionContext, input: SlowInput) -> SlowOutput:
    async def act() -> None:
        with (Path(str(ctx.defaults["folder"])) / "effects").open("a") as file:
            file.write(f"{input.message}\n")

    await ctx.checkpoint("effect", act)
    ctx.log.info(f"doing {input.message}")
    await asyncio.sleep(STEP_SECONDS)
    file = ctx.workspace.path / "lines.txt"
    lines = [*(file.read_text().splitlines() if file.exists() else []), input.message]
    file.write_text("\n".join(lines))
    return SlowOutput(lines=lines)


@action("test:child", description="Waits for a child process, and holds the event loop meanwhile")
async def child(ctx: ActionContext, input: SlowInput) -> SlowOutput:
    folder = Path(str(ctx.defaults["folder"]))
    subprocess.run(["sh", "-c", f"echo $$ > {folder}/child; exec sleep 60"], check=True)  # noqa: ASYNC221 - the point
    return SlowOutput(lines=[])


class Catalog:
    """Has one template: `STEPS` steps, each of which says what those before it put out."""

    async def get_entities(self, refs: Sequence[str], _credentials: Credentials) -> list[dict[str, Any] | None]:
        return [self._find(ref) for ref in refs]

    def _find(self, ref: str) -> dict[str, Any] | None:
        if ref == "template:default/child":
            return _template("child", [{"id": "s1", "action": "test:child", "input": {"message": "wait"}}], {})
        if ref != "template:default/demo":
            return None
        steps = [
            {"id": f"s{number}", "action": "test:slow", "input": {"message": f"{number} of ${{{{ parameters.name }}}}"}}
            for number in range(1, STEPS + 1)
        ]
        return _template("demo", steps, {"lines": f"${{{{ steps.s{STEPS}.output.lines }}}}"})


def _template(name: str, steps: list[dict[str, Any]], output: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "x", "steps": steps, "output": output},
    }


def build(database: Database, folder: Path, *, limit: int) -> tuple[ScaffolderService, Assembly]:
    """The scaffolder of the test (`limit` 0: it runs nothing itself) and of its workers."""

    async def no_token(_credentials: Credentials) -> None:
        return None

    settings = ScaffolderSettings(concurrent_tasks_limit=limit)
    assembly = assemble(
        ActionRegistry([slow, child]),
        settings,
        catalog=Catalog(),
        authorizer=Permissions(),
        ports=lambda _credentials: fake_ports(),
        host_type=lambda _host: None,
        catalog_token=no_token,
        data_directory=folder,
        defaults={"folder": str(folder)},
    )
    service = ScaffolderService(
        database,
        settings,
        key=KEY,
        data_directory=folder,
        run_steps=assembly.interpreter.run,
        task_factory=assembly.factory,
        auditor=Auditor("scaffolder"),
        times=EngineTimes(lease=600.0, heartbeat=0.3, poll=0.3),
    )
    return service, assembly


async def main(file: str, folder: Path) -> None:
    """Run tasks for ever."""
    service, _ = build(connect(f"sqlite+aiosqlite:///{file}"), folder, limit=10)
    await service.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
