"""Publishing to, reading from and proposing changes to a real Gitea, over real HTTP with the real git."""

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cluster.bench import Gitea

from understage.config.backend_settings import Reading
from understage.config.integration_settings import IntegrationSettings
from understage.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from understage.integrations.forges import ConfiguredForges, create_forges
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.integrations.reader.readers import UrlReaders
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient
from understage.sdk import GitAuthor, GitCredentials, Ports
from understage.sdk.testing import Checkpoints, fake_ports, run_action
from understage_actions.publish_gitea import publish_gitea
from understage_actions.publish_gitea_pull_request import publish_gitea_pull_request
from understage_actions.publish_repository import publish_repository


@dataclass(frozen=True)
class Connected:
    """Our integrations, configured for the bench's Gitea."""

    gitea: Gitea
    owner: str
    forges: ConfiguredForges
    reader: UrlReaders
    git: GitRemotes
    workspace: Path

    @property
    def ports(self) -> Ports:
        return fake_ports(forges=self.forges, reader=self.reader, git=self.git)


@asynccontextmanager
async def connect(
    gitea: Gitea, folder: Path, owner: str, *, username: str | None, password: str
) -> AsyncIterator[Connected]:
    entry = {"host": gitea.host, "baseUrl": gitea.url, "username": username, "password": password}
    settings = IntegrationSettings.model_validate({"gitea": [entry]})
    http = HttpClient()
    local = LocalForge(LocalRepositories(folder / "git", "http://localhost:7007"))
    workspace = folder / "workspace"
    (workspace / "docs").mkdir(parents=True)
    (workspace / "catalog-info.yaml").write_text("kind: Component\n")
    (workspace / "docs" / "index.md").write_text("# Hello\n")
    (workspace / "run.sh").write_text("#!/bin/sh\n")
    (workspace / "run.sh").chmod(0o755)
    forges = create_forges(settings, http, local)
    reader = create_readers(settings, Reading(), http)
    try:
        yield Connected(gitea, owner, forges, reader, GitRemotes(folder / "state"), workspace)
    finally:
        await http.close()


@pytest.fixture(scope="module")
def owner(gitea: Gitea) -> str:
    name = f"team-{secrets.token_hex(4)}"
    gitea.create_organization(name)
    return name


@pytest.fixture
async def connected(gitea: Gitea, owner: str, tmp_path: Path) -> AsyncIterator[Connected]:
    async with connect(gitea, tmp_path, owner, username=gitea.username, password=gitea.password) as connected:
        yield connected


def repo_url(connected: Connected, name: str) -> str:
    return f"{connected.gitea.host}?owner={connected.owner}&repo={name}"


async def test_publish_and_read_back(connected: Connected, tmp_path: Path) -> None:
    gitea, owner = connected.gitea, connected.owner
    result = await run_action(
        publish_gitea,
        {"repoUrl": repo_url(connected, "web"), "description": "A service", "repoVisibility": "private"},
        workspace=connected.workspace,
        ports=connected.ports,
    )
    root = f"{gitea.url}/{owner}/web/src/branch/main/"
    assert result.output["remoteUrl"] == f"{gitea.url}/{owner}/web.git"
    assert result.output["repoContentsUrl"] == root
    assert gitea.read(owner, "web", "docs/index.md") == "# Hello\n"
    seen = gitea.request("GET", f"/repos/{owner}/web").json()
    assert (seen["private"], seen["description"], seen["default_branch"]) == (True, "A service", "main")
    commit = gitea.request("GET", f"/repos/{owner}/web/git/commits/main").json()
    assert commit["sha"] == result.output["commitHash"]
    assert commit["commit"]["author"]["name"] == "Scaffolder"

    assert (await connected.reader.read_url(root + "catalog-info.yaml")).content == b"kind: Component\n"
    found = await connected.reader.search(root + "**/*.md")
    assert [(file.url, file.content) for file in found.files] == [(root + "docs/index.md", b"# Hello\n")]
    assert (await connected.reader.search(root + "**/*.md", etag=found.etag)).not_modified
    assert (await connected.reader.search(root + "absent.yaml")).files == ()
    folder = tmp_path / "tree"
    folder.mkdir()
    tree = await connected.reader.read_tree(root, folder)
    assert tree.etag == result.output["commitHash"]
    assert (folder / "run.sh").stat().st_mode & 0o100


async def test_a_taken_name_damages_nothing(connected: Connected) -> None:
    input = {"owner": connected.owner, "name": "taken", "host": connected.gitea.host}
    first = await run_action(publish_repository, input, workspace=connected.workspace, ports=connected.ports)
    (connected.workspace / "docs" / "index.md").write_text("other")
    with pytest.raises(ConflictError, match=f"{connected.owner}/taken exists on .* already"):
        await run_action(publish_repository, input, workspace=connected.workspace, ports=connected.ports)
    head = connected.gitea.request("GET", f"/repos/{connected.owner}/taken/git/commits/main").json()
    assert head["sha"] == first.output["commitHash"]


async def test_a_step_that_died_before_its_push_goes_on(connected: Connected) -> None:
    input = {"owner": connected.owner, "name": "resumed"}
    checkpoints = Checkpoints({f"begin.gitea.repo.{connected.owner}.resumed": True})
    connected.gitea.create_repository(connected.owner, "resumed")
    result = await run_action(
        publish_repository, input, workspace=connected.workspace, ports=connected.ports, checkpoints=checkpoints
    )
    assert connected.gitea.read(connected.owner, "resumed", "docs/index.md") == "# Hello\n"
    del checkpoints.values[f"push.gitea.{connected.owner}.resumed"]
    again = await run_action(
        publish_repository, input, workspace=connected.workspace, ports=connected.ports, checkpoints=checkpoints
    )
    assert again.output == result.output


async def test_a_pull_request_is_opened_once(connected: Connected) -> None:
    gitea, owner = connected.gitea, connected.owner
    input = {"owner": owner, "name": "proposed"}
    await run_action(publish_repository, input, workspace=connected.workspace, ports=connected.ports)
    (connected.workspace / "docs" / "index.md").write_text("# Changed\n")
    request = {
        "repoUrl": repo_url(connected, "proposed"),
        "branchName": "feature/change",
        "title": "Change the docs",
        "description": "Because",
    }
    first = await run_action(publish_gitea_pull_request, request, workspace=connected.workspace, ports=connected.ports)
    again = await run_action(publish_gitea_pull_request, request, workspace=connected.workspace, ports=connected.ports)
    assert first.output == again.output
    pull = gitea.request("GET", f"/repos/{owner}/proposed/pulls/{first.output['pullRequestNumber']}").json()
    assert (pull["title"], pull["body"], pull["base"]["ref"], pull["head"]["ref"]) == (
        "Change the docs", "Because", "main", "feature/change",
    )  # fmt: skip
    assert pull["html_url"] == first.output["remoteUrl"]
    assert gitea.read(owner, "proposed", "docs/index.md", branch="feature/change") == "# Changed\n"
    assert gitea.read(owner, "proposed", "docs/index.md") == "# Hello\n"


async def test_two_writers_of_one_branch(connected: Connected, tmp_path: Path) -> None:
    input = {"owner": connected.owner, "name": "shared"}
    published = await run_action(publish_repository, input, workspace=connected.workspace, ports=connected.ports)
    credentials = GitCredentials(connected.gitea.username, connected.gitea.password)
    clones = [tmp_path / "mine", tmp_path / "theirs"]
    for clone in clones:
        clone.mkdir()
        await connected.git.clone(published.output["remoteUrl"], clone, credentials=credentials)
        (clone / "docs" / "index.md").write_text(clone.name)
    push = {"branch": "main", "message": "m"}
    author = GitAuthor("Ada", "ada@example.org")
    assert await connected.git.push_changes(clones[0], author=author, credentials=credentials, **push)
    with pytest.raises(ConflictError, match="was changed meanwhile"):
        await connected.git.push_changes(clones[1], author=author, credentials=credentials, **push)
    assert connected.gitea.read(connected.owner, "shared", "docs/index.md") == "mine"


async def test_a_token_alone_signs_in(gitea: Gitea, owner: str, tmp_path: Path) -> None:
    async with connect(gitea, tmp_path, owner, username=None, password=gitea.token) as connected:
        for target in ({"owner": owner, "name": "by-token"}, {"owner": gitea.username, "name": f"own-{owner}"}):
            await run_action(publish_repository, target, workspace=connected.workspace, ports=connected.ports)
    assert gitea.read(owner, "by-token", "run.sh") == "#!/bin/sh\n"
    assert gitea.read(gitea.username, f"own-{owner}", "run.sh") == "#!/bin/sh\n"


async def test_refusals_are_clear_and_hold_no_password(
    gitea: Gitea, owner: str, connected: Connected, tmp_path: Path
) -> None:
    input = {"owner": owner, "name": "refused"}
    gitea.create_repository(owner, "private")
    clone = tmp_path / "clone"
    clone.mkdir()
    credentials = GitCredentials(gitea.username, "wr0ng-s3cret")
    with pytest.raises(NotAllowedError, match="credentials for it are missing or were refused") as caught:
        await connected.git.clone(gitea.clone_url(owner, "private"), clone, credentials=credentials)
    assert "wr0ng-s3cret" not in str(caught.value)
    async with connect(gitea, tmp_path / "wrong", owner, username=gitea.username, password="wr0ng-s3cret") as wrong:
        with pytest.raises(NotAllowedError, match="Check username and password") as caught:
            await run_action(publish_repository, input, workspace=wrong.workspace, ports=wrong.ports)
    assert "wr0ng-s3cret" not in str(caught.value)
    with pytest.raises(NotFoundError, match="Organization nobody-here does not exist"):
        await run_action(
            publish_repository, {**input, "owner": "nobody-here"}, workspace=connected.workspace, ports=connected.ports
        )
    with pytest.raises(InputError, match="422"):
        await run_action(
            publish_repository, {**input, "name": "bad name"}, workspace=connected.workspace, ports=connected.ports
        )
    assert gitea.read(owner, "refused", "run.sh") is None


async def test_the_password_is_in_no_argument_list(connected: Connected, tmp_path: Path) -> None:
    """Looks at every process while git pushes."""

    gitea = connected.gitea
    gitea.create_repository(connected.owner, "watched")
    push = asyncio.create_task(
        connected.git.publish(
            connected.workspace,
            gitea.clone_url(connected.owner, "watched"),
            branch="main",
            message="m",
            author=GitAuthor("Ada", "ada@example.org"),
            credentials=GitCredentials(gitea.username, gitea.password),
        )
    )
    seen = ""
    while not push.done():
        listed = await asyncio.to_thread(
            subprocess.run, ["ps", "-eo", "args"], capture_output=True, text=True, check=True
        )
        seen += listed.stdout
        await asyncio.sleep(0)
    await push
    assert "git push" in seen or "git-remote-http" in seen
    assert gitea.password not in seen
