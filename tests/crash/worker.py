"""One worker process of the crash tests: `python -m tests.crash.worker URL FOLDER EFFECTS`, until it is stopped.

Its leases outlast every test, however busy the machine is: those of a worker that died are made to lapse by the test.
Its interpreter runs each step as: append `<task> <step> <pid> begin` to EFFECTS, sleep, append `… end`. A step with the
action `block` sleeps without letting the event loop run.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.store.scaffolder_bench import KEY, Factory, Script

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.identity.audit import Auditor
from understage.platform.database import connect
from understage.scaffolder.service import ScaffolderService
from understage.scaffolder.steps.run import TaskRun
from understage.scaffolder.tasks.engine import EngineTimes

STEP_SECONDS = 0.4
TIMES = EngineTimes(lease=600.0, heartbeat=0.3, poll=0.3, grace=0.1)


class Worker:
    """The actions: effects that the test can count, and a workspace that grows."""

    def __init__(self, effects: Path) -> None:
        self._effects = effects

    def note(self, run: TaskRun, step_id: str, what: str) -> None:
        with self._effects.open("a") as file:
            file.write(f"{run.task_id} {step_id} {os.getpid()} {what}\n")

    async def step(self, run: TaskRun) -> Mapping[str, Any]:
        return await self._act(run, lambda seconds: asyncio.sleep(seconds))

    async def block(self, run: TaskRun) -> Mapping[str, Any]:
        async def block(seconds: float) -> None:
            time.sleep(seconds)  # noqa: ASYNC251 - that is the point

        return await self._act(run, lambda seconds: block(seconds * 8))

    async def _act(self, run: TaskRun, sleep: Any) -> Mapping[str, Any]:
        run.workspace.mkdir(parents=True, exist_ok=True)  # as an action's `Workspace` does
        before = sorted(path.name for path in run.workspace.iterdir())
        step_id = f"s{len(before) + 1}"
        self.note(run, step_id, "begin")
        await sleep(STEP_SECONDS)
        (run.workspace / step_id).write_text(step_id)
        self.note(run, step_id, "end")
        return {"before": before}


async def main(url: str, folder: Path, effects: Path) -> None:
    """Run tasks until SIGTERM."""
    worker = Worker(effects)
    database = connect(url)
    service = ScaffolderService(
        database,
        ScaffolderSettings(),
        key=KEY,
        data_directory=folder,
        run_steps=Script(step=worker.step, block=worker.block),
        task_factory=Factory(),
        auditor=Auditor("scaffolder"),
        times=TIMES,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await service.start()
    print("ready", flush=True)
    await ended.wait()
    await service.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
