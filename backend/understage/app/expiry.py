"""Removes by itself what has ended: the action `environment:expire`, on a schedule, on one replica at a time.

Called by `service`. It runs where a GitOps repository is configured; `understage environment expire` does the same from outside.
"""

import tempfile
import uuid
from datetime import timedelta
from pathlib import Path

import structlog

from understage.config.platform_settings import EnvironmentSettings, GitopsSettings
from understage.errors import ForeignError
from understage.identity.credentials import Credentials
from understage.model.task import TaskSpec
from understage.model.template import API_VERSION
from understage.scaffolder.dry_run import MemoryRun
from understage.scaffolder.steps.interpreter import Interpreter, complete_secrets
from understage.scaffolder.steps.redaction import Redactor
from understage.sdk.schedule import Schedule, Scheduler

log = structlog.get_logger(__name__)

TASK = "understage:environments:expire"
EVERY = timedelta(minutes=15)
LONGEST_RUN = timedelta(minutes=10)
FIRST_RUN = timedelta(seconds=30)
STEP = "expire"


def schedule_expiry(
    scheduler: Scheduler, interpreter: Interpreter, settings: EnvironmentSettings, gitops: GitopsSettings
) -> None:
    """Look every `expireEvery`, 15 minutes by default; without a GitOps repository, only where that is configured."""
    every = settings.expire_every or (EVERY if gitops.repo_url is not None else None)
    if every is None:
        return

    async def job() -> None:
        await run_expiry(interpreter, by_pull_request=settings.expire_by_pull_request)

    first = min(FIRST_RUN, every)
    scheduler.schedule(TASK, Schedule(frequency=every, timeout=LONGEST_RUN, initial_delay=first), job)


async def run_expiry(interpreter: Interpreter, *, by_pull_request: bool) -> None:
    """Run the action once, as the service. ForeignError, in the action's words, when it fails."""
    credentials = Credentials.service("plugin:scaffolder")
    with tempfile.TemporaryDirectory(prefix="understage-expiry-", ignore_cleanup_errors=True) as folder:
        run = MemoryRun(
            f"expiry-{uuid.uuid4()}", _spec(by_pull_request), complete_secrets({}, credentials, None), Path(folder)
        )
        outcome = await interpreter.run(run, is_dry_run=False, redactor=Redactor())
    if outcome.error is not None:
        raise ForeignError(f"What has ended was not removed: {outcome.error['message']}")
    done = (outcome.output or {}).get("result") or {}
    for problem in done.get("problems") or []:
        log.warning("no time to live could be read", problem=problem)
    for ended in done.get("expired") or []:
        log.info(
            "removed what has ended", kind=ended["kind"], team=ended["team"], name=ended["name"], path=ended["path"]
        )


def _spec(by_pull_request: bool) -> TaskSpec:
    step = {"id": STEP, "name": STEP, "action": "environment:expire", "input": {"pullRequest": by_pull_request}}
    return {
        "apiVersion": API_VERSION,
        "steps": [step],
        "output": {"result": f"${{{{ steps.{STEP}.output }}}}"},
        "parameters": {},
        "user": {},
    }
