"""The fakes refuse what the real parts refuse, and `run_action` runs an action as the service does."""

from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from pydantic import Field

from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from understage.sdk import ActionContext, ActionModel, GitAuthor, GitCredentials, Workspace, action
from understage.sdk.testing import (
    Checkpoints,
    FakeCluster,
    FakeForge,
    FakeForges,
    FakeGit,
    FakeTemplating,
    fake_ports,
    run_action,
)

AUTHOR = GitAuthor("Ada", "ada@example.org")


class GreetInput(ActionModel):
    full_name: str = Field(description="Whom to greet")
    note: str | None = None


class GreetOutput(ActionModel):
    greeting_text: str
    note: str | None = None


@action("test:greet", description="Greets")
async def greet(ctx: ActionContext, input: GreetInput) -> GreetOutput:
    async def count() -> int:
        path = ctx.workspace.resolve("count")
        path.write_text((path.read_text() if path.exists() else "") + "x")
        return len(path.read_text())

    ctx.log.info(f"Greeting {input.full_name} with {ctx.secrets.get('token')}", times=await ctx.checkpoint("c", count))
    return GreetOutput(greeting_text=f"Hello {input.full_name}")


async def test_run_action_gives_camel_case_output_and_redacted_log(tmp_path: Path) -> None:
    result = await run_action(greet, {"fullName": "Ada"}, workspace=tmp_path, secrets={"token": "s3cret"})
    assert result.output == {"greetingText": "Hello Ada"}
    assert result.log == ['Greeting Ada with *** {"times": 1}']


async def test_run_action_refuses_bad_input_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="test:greet, fullName: Input should be a valid string") as caught:
        await run_action(greet, {"fullName": ["s3cret"]}, workspace=tmp_path)
    assert "s3cret" not in str(caught.value)


async def test_a_resumed_step_does_not_repeat_its_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints()
    for _ in range(2):
        await run_action(greet, {"fullName": "Ada"}, workspace=tmp_path, checkpoints=checkpoints)
    assert (tmp_path / "count").read_text() == "x"


async def test_dry_run_of_an_action_without_dry_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not support dry-run"):
        await run_action(greet, {"fullName": "Ada"}, workspace=tmp_path, dry_run=True)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\0b"])
def test_workspace_paths_stay_inside(tmp_path: Path, path: str) -> None:
    with pytest.raises(NotAllowedError):
        Workspace(tmp_path).resolve(path)


def test_workspace_paths_do_not_follow_links_outside(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path.parent / "absent")
    with pytest.raises(NotAllowedError):
        Workspace(tmp_path).resolve("dangling/file")


def quota(cpu: str, **labels: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "quota", "namespace": "team", "labels": labels},
        "spec": {"hard": {"cpu": cpu}},
    }


async def test_cluster_apply_needs_the_namespace_and_keeps_what_others_own() -> None:
    cluster = FakeCluster()
    with pytest.raises(NotFoundError, match='namespaces "team" not found'):
        await cluster.apply(quota("10"))
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    await cluster.apply(quota("10", a="1"), dry_run=True)
    assert await cluster.get("v1", "ResourceQuota", "quota", "team") is None

    await cluster.apply(quota("10", a="1"))
    cluster.seed({**quota("30"), "metadata": {"name": "quota", "namespace": "team"}}, manager="kubectl")
    with pytest.raises(ConflictError, match=r'conflict with "kubectl": \.spec\.hard\.cpu'):
        await cluster.apply(quota("20"))
    stored = await cluster.apply(quota("20", b="2"), force=True)
    assert stored["spec"]["hard"]["cpu"] == "20"
    assert stored["metadata"]["labels"] == {"b": "2"}
    assert await cluster.delete("v1", "Namespace", "team") is True
    assert await cluster.get("v1", "ResourceQuota", "quota", "team") is None


async def test_git_pushes_to_the_forge_and_refuses_a_branch_that_moved(tmp_path: Path) -> None:
    forge = FakeForge()
    forges = FakeForges([forge])
    git = FakeGit(forges)
    source, first, second = (tmp_path / name for name in ("source", "first", "second"))
    for folder in (source, first, second):
        folder.mkdir()
    (source / "README.md").write_text("one")
    repository = await forge.create_repository("team", "web")
    with pytest.raises(NotAllowedError, match="Authentication failed"):
        await git.publish(
            source, repository.clone_url, branch="main", message="m", author=AUTHOR,
            credentials=GitCredentials("robot", "wrong"),
        )  # fmt: skip
    await git.publish(source, repository.clone_url, branch="main", message="m", author=AUTHOR)
    assert forge.files("team", "web") == {"README.md": b"one"}
    for folder in (first, second):
        await git.clone(repository.clone_url, folder)
    assert await git.push_changes(first, branch="main", message="m", author=AUTHOR) is None
    (first / "README.md").write_text("two")
    (second / "README.md").write_text("three")
    assert await git.push_changes(first, branch="main", message="m", author=AUTHOR)
    with pytest.raises(ConflictError, match="moved"):
        await git.push_changes(second, branch="main", message="m", author=AUTHOR)
    with pytest.raises(ConflictError, match="exists"):
        await forge.create_repository("team", "web")


def test_ports_default_to_empty_fakes() -> None:
    ports = fake_ports()
    assert ports.clusters.get() is None
    assert ports.helm.is_available() is False
    with pytest.raises(InputError, match="No integration for host nowhere"):
        ports.forges.get("nowhere")
    assert FakeTemplating().render_text("${{ values.a.b }}", {"a": {"b": 1}}) == "1"
    assert anyio.run(ports.catalog.get_entities, ["component:default/x"]) == [None]


@action("test:threaded", description="Logs from a thread")
async def threaded(ctx: ActionContext, input: GreetInput) -> None:
    await anyio.to_thread.run_sync(ctx.log.info, input.full_name)


async def test_a_log_written_from_a_thread_fails_the_test(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="on the event loop"):
        await run_action(threaded, {"fullName": "Ada"}, workspace=tmp_path)
