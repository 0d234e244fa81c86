"""publish:repository, publish:gitea, publish:gitea:pull-request: with fakes, and to a real local git server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.errors import (
    ConflictError,
    ForeignError,
    InputError,
    NotAllowedError,
    NotFoundError,
    NotImplementedError_,
)
from understage.integrations.forges import create_forges
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.integrations.local.source import LocalSource
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient
from understage.sdk import Ports
from understage.sdk.testing import Checkpoints, FakeForge, FakeForges, FakeGit, FakeReader, fake_ports, run_action
from understage_actions.publish_gitea import publish_gitea
from understage_actions.publish_gitea_pull_request import publish_gitea_pull_request
from understage_actions.publish_repository import publish_repository


@dataclass
class Bench:
    forge: FakeForge
    git: FakeGit
    workspace: Path
    reads: dict[str, bytes | str] = field(default_factory=dict)

    @property
    def ports(self) -> Ports:
        return fake_ports(forges=self.git.forges, git=self.git, reader=FakeReader(self.reads))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    forge = FakeForge(owners=["team"])
    workspace = tmp_path / "workspace"
    (workspace / "service").mkdir(parents=True)
    (workspace / "service" / "README.md").write_text("hi")
    (workspace / "notes.txt").write_text("n")
    return Bench(forge, FakeGit(FakeForges([forge])), workspace)


WEB = {"owner": "team", "name": "web"}
REPO_URL = "forge.test?owner=team&repo=web"


async def test_publish_repository_creates_and_pushes(bench: Bench) -> None:
    result = await run_action(
        publish_repository,
        {**WEB, "description": "A service", "sourcePath": "service", "defaultBranch": "trunk", "commitMessage": "m"},
        workspace=bench.workspace,
        ports=bench.ports,
        defaults={"defaultAuthor": {"name": "Platform", "email": "p@x.org"}},
    )
    commit = bench.git.commits[0]
    assert result.output == {
        "remoteUrl": "https://forge.test/team/web.git",
        "repoContentsUrl": "https://forge.test/team/web/src/branch/trunk/",
        "repoUrl": "https://forge.test/team/web",
        "commitHash": commit.hash,
        "catalogInfoUrl": "https://forge.test/team/web/src/branch/trunk/catalog-info.yaml",
    }
    made = bench.forge.repositories["team/web"]
    assert (made.description, made.private, made.branches) == ("A service", True, {"trunk": {"README.md": b"hi"}})
    assert (commit.author.name, commit.author.email, commit.message) == ("Platform", "p@x.org", "m")


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(bench: Bench) -> None:
    gitea = {"repoUrl": REPO_URL, "description": "d"}
    for action, input in ((publish_repository, WEB), (publish_gitea, gitea)):
        result = await run_action(action, input, workspace=bench.workspace, ports=bench.ports, dry_run=True)
        assert result.log == ["Would create https://forge.test/team/web and push 2 files to branch main"]
        assert result.output["remoteUrl"] == "https://forge.test/team/web.git"
        assert result.output["commitHash"] == "0" * 40
    assert (bench.forge.repositories, bench.git.commits) == ({}, [])
    await run_action(publish_repository, WEB, workspace=bench.workspace, ports=bench.ports)
    with pytest.raises(ConflictError, match="exists on"):
        await run_action(publish_repository, WEB, workspace=bench.workspace, ports=bench.ports, dry_run=True)


async def test_a_taken_name_is_refused_and_nothing_changes(bench: Bench) -> None:
    await run_action(publish_repository, {**WEB, "sourcePath": "service"}, workspace=bench.workspace, ports=bench.ports)
    before = bench.forge.files("team", "web")
    for action, input in (
        (publish_repository, WEB),
        (publish_gitea, {"repoUrl": REPO_URL, "description": "d"}),
    ):
        with pytest.raises(ConflictError, match="team/web exists on"):
            await run_action(action, input, workspace=bench.workspace, ports=bench.ports)
    assert bench.forge.files("team", "web") == before
    assert len(bench.git.commits) == 1


async def test_a_resumed_step_goes_on_with_its_own_repository(bench: Bench) -> None:
    checkpoints = Checkpoints()
    first = await run_action(
        publish_repository, WEB, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints
    )
    again = await run_action(
        publish_repository, WEB, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints
    )
    assert again.output == first.output
    assert len(bench.git.commits) == 1
    # The service died after the forge had made the repository and before the checkpoint was written.
    bench.forge.repositories["team/web"].branches.clear()
    for key in [key for key in checkpoints.values if not key.startswith("begin.")]:
        del checkpoints.values[key]
    resumed = await run_action(
        publish_repository, WEB, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints
    )
    assert resumed.output["remoteUrl"] == first.output["remoteUrl"]
    assert set(bench.forge.files("team", "web")) == {"notes.txt", "service/README.md"}


async def test_a_retry_does_not_take_over_a_repository_that_was_there_before(bench: Bench) -> None:
    await bench.forge.create_repository("team", "web")
    checkpoints = Checkpoints()
    for _ in range(2):
        with pytest.raises(ConflictError, match="team/web exists on"):
            await run_action(
                publish_repository, WEB, workspace=bench.workspace, ports=bench.ports, checkpoints=checkpoints
            )
    assert not bench.git.commits


@pytest.mark.parametrize(
    ("input", "error", "message"),
    [
        ({"owner": "nobody"}, NotFoundError, "nobody does not exist"),
        ({"host": "other.org"}, InputError, "No integration for host other.org"),
        ({"sourcePath": "../.."}, NotAllowedError, "outside its parent"),
        ({"sourcePath": "absent"}, InputError, "no folder of the workspace"),
        ({"visibility": "internal"}, InputError, "visibility"),
    ],
)
async def test_publish_refuses(bench: Bench, input: dict[str, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await run_action(publish_repository, {**WEB, **input}, workspace=bench.workspace, ports=bench.ports)
    assert bench.forge.repositories == {}


async def test_an_unreachable_forge_says_so(bench: Bench) -> None:
    bench.forge.unreachable = "connection refused"
    with pytest.raises(ForeignError, match=r"forge\.test cannot be reached: connection refused"):
        await run_action(publish_repository, WEB, workspace=bench.workspace, ports=bench.ports)


async def test_publish_gitea_as_the_stock_action(bench: Bench) -> None:
    result = await run_action(
        publish_gitea, {"repoUrl": REPO_URL, "description": "d"}, workspace=bench.workspace, ports=bench.ports
    )
    commit = bench.git.commits[0]
    assert result.output == {
        "remoteUrl": "https://forge.test/team/web.git",
        "repoContentsUrl": "https://forge.test/team/web/src/branch/main/",
        "commitHash": commit.hash,
    }
    assert re.fullmatch(r"initial commit\n\nChange-Id: I[0-9a-f]{40}", commit.message)
    assert (commit.author.name, commit.author.email) == ("Scaffolder", "scaffolder@backstage.io")
    assert bench.forge.repositories["team/web"].private is False


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ({"repoUrl": "forge.test?repo=web"}, "Invalid repository owner"),
        ({"repoUrl": "forge.test?owner=team"}, "missing repo"),
        ({"repoUrl": "nowhere.org?owner=team&repo=web"}, "No integration for host nowhere.org"),
        ({"signCommit": True}, "no signing key is provided"),
    ],
)
async def test_publish_gitea_refuses(bench: Bench, input: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        await run_action(
            publish_gitea,
            {"repoUrl": REPO_URL, "description": "d", **input},
            workspace=bench.workspace,
            ports=bench.ports,
        )


async def pull_request(bench: Bench, checkpoints: Checkpoints | None = None, **input: object) -> Mapping[str, object]:
    result = await run_action(
        publish_gitea_pull_request,
        {"repoUrl": REPO_URL, "branchName": "change", "title": "Change it", **input},
        workspace=bench.workspace,
        ports=bench.ports,
        checkpoints=checkpoints,
    )
    return result.output


async def test_a_pull_request_holds_the_files(bench: Bench) -> None:
    with pytest.raises(NotFoundError, match="There is no repository team/web"):
        await pull_request(bench)
    await run_action(publish_repository, WEB, workspace=bench.workspace, ports=bench.ports)
    (bench.workspace / "service" / "README.md").write_text("changed")
    checkpoints = Checkpoints()
    input = {"sourcePath": "service", "targetPath": "service", "filesToDelete": ["notes.txt"]}
    output = await pull_request(bench, checkpoints, **input)
    assert output == {
        "targetBranchName": "main",
        "remoteUrl": "https://forge.test/team/web/pulls/1",
        "pullRequestNumber": 1,
        "commitHash": bench.git.commits[-1].hash,
    }
    assert bench.forge.files("team", "web", "change") == {"service/README.md": b"changed"}
    assert bench.forge.files("team", "web") == {"notes.txt": b"n", "service/README.md": b"hi"}
    assert bench.git.commits[-1].message == "Change it"
    assert await pull_request(bench, checkpoints, **input) == output
    assert len(bench.git.commits) == 2


async def test_no_change_opens_no_pull_request(bench: Bench) -> None:
    await run_action(publish_repository, WEB, workspace=bench.workspace, ports=bench.ports)
    assert await pull_request(bench) == {"targetBranchName": "main"}
    with pytest.raises(InputError, match="another branch"):
        await pull_request(bench, branchName="main")
    with pytest.raises(NotAllowedError):
        await pull_request(bench, targetPath="../../x")
    with pytest.raises(NotFoundError, match="cannot be deleted"):
        await pull_request(bench, filesToDelete=["absent"])


async def test_the_local_git_server_takes_a_repository_without_any_forge(bench: Bench, tmp_path: Path) -> None:
    repositories = LocalRepositories(tmp_path / "git", "http://localhost:7007")
    http = HttpClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    local = LocalForge(repositories)
    ports = fake_ports(
        git=GitRemotes(tmp_path / "state", locate=repositories.locate),
        forges=create_forges(IntegrationSettings(), http, local),
        reader=create_readers(IntegrationSettings(), Reading(), http, LocalSource(repositories)),
    )
    (bench.workspace / "service" / "catalog-info.yaml").write_text("kind: Component")
    result = await run_action(
        publish_repository, {**WEB, "sourcePath": "service"}, workspace=bench.workspace, ports=ports
    )
    assert result.output["remoteUrl"] == "http://localhost:7007/git/team/web.git"
    assert result.output["repoUrl"] == "http://localhost:7007/git/team/web"
    file = await ports.reader.read_url(result.output["catalogInfoUrl"])
    assert file.content == b"kind: Component"
    assert file.etag == result.output["commitHash"]
    with pytest.raises(ConflictError, match="team/web exists on localhost:7007 already"):
        await run_action(publish_repository, WEB, workspace=bench.workspace, ports=ports)
    with pytest.raises(NotImplementedError_, match="merge it into main with git"):
        await local.open_pull_request("team", "web", title="t", body="", source_branch="b", target_branch="main")


def test_the_default_forge() -> None:
    http = HttpClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    local = LocalForge(LocalRepositories(Path("git"), "http://localhost:7007"))

    def forges(*hosts: str, preferred: str | None = None) -> str:
        settings = IntegrationSettings.model_validate({"gitea": [{"host": host} for host in hosts]})
        return create_forges(settings, http, local, preferred=preferred).default().host

    assert forges() == "localhost:7007"
    assert forges("tea.org") == "tea.org"
    assert forges("tea.org", preferred="localhost:7007") == "localhost:7007"
    assert forges("a.org", "b.org", preferred="b.org") == "b.org"
    with pytest.raises(InputError, match="Several forges are configured"):
        forges("a.org", "b.org")
    with pytest.raises(InputError, match="are read, but repositories cannot be created"):
        create_forges(IntegrationSettings(), http, local).get("github.com")
