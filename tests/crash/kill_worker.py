"""Workers of the crash suite: `python -m tests.crash.kill_worker SETUP`, where SETUP is a JSON file; see `Setup`.

One process loads everything and forks a worker for each line it reads; so a replica that was killed has a successor in no time.
The workers run the real interpreter with real git and a real API server. They end with their parent.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.crash.kill_points import KillPoints
from tests.engines import EngineChoice
from tests.store.scaffolder_bench import KEY, Permissions

from understage.config.scaffolder_settings import ScaffolderSettings
from understage.identity.audit import Auditor
from understage.identity.credentials import Credentials
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.kubernetes import clusters_from_config
from understage.platform.database import connect
from understage.scaffolder.actions import ActionRegistry
from understage.scaffolder.assembly import assemble
from understage.scaffolder.service import ScaffolderService
from understage.scaffolder.tasks.engine import EngineTimes
from understage.sdk import ActionContext, ActionModel, Ports, action
from understage.sdk.ports import GitAuthor
from understage.sdk.testing import fake_ports

PR_SET_PDEATHSIG = 1
AUTHOR = GitAuthor("Crash", "crash@example.com")
BRANCH = "main"
BIG = 400_000
STEPS = ["crash:write", "crash:publish", "crash:apply", "crash:push", "crash:post", "crash:check"]
NAMESPACE = "default"


@dataclass(frozen=True)
class Setup:
    """What the processes of a run share. `lease` is the leases' seconds, 0 for the service's own times."""

    database: str
    folder: str
    temporal: str
    queue: str
    cluster_url: str
    cluster_token: str
    limit: int = 1
    lease: float = 2.0


class Target(ActionModel):
    """The repository of the task."""

    repository: str


class Seen(ActionModel):
    """Files of the workspace."""

    files: list[str]


class Made(ActionModel):
    """What the API server called it, or git."""

    name: str


def bare(folder: Path, name: str) -> Path:
    return folder / "git" / f"{name}.git"


def _url(input: Target) -> str:
    return f"http://git.example/{input.repository}.git"


def _files(ctx: ActionContext) -> list[str]:
    return sorted(path.name for path in ctx.workspace.path.iterdir() if path.name != "big")


@action("crash:write", description="Files of the workspace, sometimes too many for the database")
async def write(ctx: ActionContext, input: Target) -> Seen:
    source = ctx.workspace.path / "source"
    source.mkdir(exist_ok=True)
    (source / "readme.md").write_text(ctx.task.id)
    if int(ctx.task.id[0], 16) % 2:
        (ctx.workspace.path / "big").write_bytes(os.urandom(BIG))
    return Seen(files=_files(ctx))


@action("crash:publish", description="The first commit of a repository")
async def publish(ctx: ActionContext, input: Target) -> Made:
    commit = await ctx.ports.git.publish(
        ctx.workspace.path / "source", _url(input), branch=BRANCH, message="publish", author=AUTHOR
    )
    (ctx.workspace.path / "published").write_text(commit)
    return Made(name=commit)


def config_map(**metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": NAMESPACE, **metadata}}


@action("crash:apply", description="An object with a name")
async def apply(ctx: ActionContext, input: Target) -> Made:
    cluster = ctx.ports.clusters.get()
    assert cluster is not None
    name = f"named-{ctx.task.id}"
    await cluster.apply(config_map(name=name, labels={"named": ctx.task.id}))
    (ctx.workspace.path / "applied").write_text(name)
    return Made(name=name)


@action("crash:push", description="A second commit, in a clone")
async def push(ctx: ActionContext, input: Target) -> Made:
    folder = ctx.temporary_directory()
    await ctx.ports.git.clone(_url(input), folder, branch=BRANCH)
    (folder / "pushed").write_text(ctx.task.id)
    await ctx.ports.git.push_changes(folder, branch=BRANCH, message="push", author=AUTHOR)
    (ctx.workspace.path / "pushed").write_text("yes")
    return Made(name="pushed")


@action("crash:post", description="An object whose name the server makes up: nobody can tell that it was asked before")
async def post(ctx: ActionContext, input: Target) -> Made:
    async def create() -> str:
        headers = {"Authorization": f"Bearer {ctx.defaults['token']}"}
        async with httpx.AsyncClient(verify=False, headers=headers, trust_env=False) as http:
            answer = await http.post(
                f"{ctx.defaults['url']}/api/v1/namespaces/{NAMESPACE}/configmaps",
                json=config_map(generateName="posted-", labels={"posted": ctx.task.id}),
            )
            answer.raise_for_status()
            return str(answer.json()["metadata"]["name"])

    name = await ctx.checkpoint("posted", create)
    (ctx.workspace.path / "posted").write_text(name)
    return Made(name=name)


@action("crash:check", description="Everything that the steps before left in the workspace")
async def check(ctx: ActionContext, input: Target) -> Seen:
    return Seen(files=_files(ctx))


class NoCatalog:
    """Tasks are submitted without a template."""

    async def get_entities(self, refs: Sequence[str], _credentials: Credentials) -> list[None]:
        return [None] * len(refs)


def build(setup: Setup, *, limit: int | None = None) -> ScaffolderService:
    """The service of a worker; with `limit` 0 that of the test, which only creates tasks and looks."""
    folder = Path(setup.folder)
    entry = {
        "name": "bench", "url": setup.cluster_url, "authProvider": "serviceAccount",
        "serviceAccountToken": setup.cluster_token, "skipTLSVerify": True,
    }  # fmt: skip
    clusters = clusters_from_config(
        {"kubernetes": {"clusterLocatorMethods": [{"type": "config", "clusters": [entry]}]}}
    )
    git = GitRemotes(
        folder / f"git-state-{os.getpid()}", locate=lambda url: folder / "git" / url.removeprefix("http://git.example/")
    )
    ports: Ports = fake_ports(git=git, clusters=clusters)
    settings = ScaffolderSettings(concurrent_tasks_limit=setup.limit if limit is None else limit)

    async def no_token(_credentials: Credentials) -> None:
        return None

    assembly = assemble(
        ActionRegistry([write, publish, apply, push, post, check]),
        settings,
        catalog=NoCatalog(),
        authorizer=Permissions(),
        ports=lambda _credentials: ports,
        host_type=lambda _host: None,
        catalog_token=no_token,
        data_directory=folder,
        defaults={"url": setup.cluster_url, "token": setup.cluster_token},
    )
    return ScaffolderService(
        connect(setup.database),
        settings,
        key=KEY,
        data_directory=folder,
        run_steps=assembly.interpreter.run,
        task_factory=assembly.factory,
        auditor=Auditor("scaffolder"),
        engine=EngineChoice(setup.temporal, setup.queue).factory(),
        times=EngineTimes(lease=setup.lease, heartbeat=0.3, poll=0.2, grace=0.2) if setup.lease else EngineTimes(),
    )


async def main(setup: Setup) -> None:
    """Run tasks until killed."""
    KillPoints(Path(setup.folder) / "kills").install()
    service = build(setup)
    await service.start()
    await asyncio.Event().wait()


def fork(setup: Setup) -> int:
    """A worker; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it waits for its git
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(f"{setup.folder}/worker.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(0)
    asyncio.run(main(setup))
    os._exit(0)


if __name__ == "__main__":
    chosen = Setup(**json.loads(Path(sys.argv[1]).read_text()))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    children = []
    for _line in sys.stdin:
        children.append(fork(chosen))
        print(children[-1], flush=True)
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
