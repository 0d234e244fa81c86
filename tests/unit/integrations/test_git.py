"""The git port with the real git binary, against bare repositories of the local server."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from understage.errors import ConflictError, ForeignError, InputError, NotFoundError
from understage.integrations.git.command import Access, GitCommand, check_branch, explain
from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.sdk import Forge, GitAuthor, GitCredentials, NotAllowedError, Repository

AUTHOR = GitAuthor("Ada Lovelace", "ada@example.org")


@pytest.fixture
def repositories(tmp_path: Path) -> LocalRepositories:
    return LocalRepositories(tmp_path / "git", "http://localhost:7007")


@pytest.fixture
def forge(repositories: LocalRepositories) -> Forge:
    return LocalForge(repositories)


@pytest.fixture
def git(tmp_path: Path, repositories: LocalRepositories) -> GitRemotes:
    return GitRemotes(tmp_path / "state", locate=repositories.locate)


def show(repositories: LocalRepositories, *arguments: str) -> str:
    command = ("git", "--git-dir", str(repositories.path("team", "web")), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def folder(path: Path, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name).write_text(content)
    return path


async def publish(git: GitRemotes, repository: Repository, source: Path) -> str:
    return await git.publish(source, repository.clone_url, branch="main", message="first\n\nline", author=AUTHOR)


async def test_publish_pushes_one_commit_with_modes_and_author(
    git: GitRemotes, forge: Forge, repositories: LocalRepositories, tmp_path: Path
) -> None:
    source = folder(tmp_path / "src", README="hi", run="#!/bin/sh")
    (source / "run").chmod(0o755)
    (source / "link").symlink_to("/etc/passwd")
    (source / ".github").mkdir()
    (source / ".github" / "ci.yaml").write_text("on: push")
    commit = await publish(git, await forge.create_repository("team", "web"), source)
    assert show(repositories, "rev-parse", "main").strip() == commit
    assert show(repositories, "log", "--format=%an <%ae>|%cn|%B").strip() == (
        "Ada Lovelace <ada@example.org>|Ada Lovelace|first\n\nline"
    )
    tree = show(repositories, "ls-tree", "-r", "main").splitlines()
    assert {(line.split()[0], line.split("\t")[1]) for line in tree} == {
        ("100644", "README"), ("100755", "run"), ("120000", "link"), ("100644", ".github/ci.yaml"),
    }  # fmt: skip
    assert show(repositories, "show", "main:link") == "/etc/passwd"
    assert not (source / ".git").exists()


async def test_publishing_the_same_twice_is_done_once_and_other_content_is_refused(
    git: GitRemotes, forge: Forge, repositories: LocalRepositories, tmp_path: Path
) -> None:
    repository = await forge.create_repository("team", "web")
    source = folder(tmp_path / "src", README="hi")
    first = await publish(git, repository, source)
    assert await publish(git, repository, source) == first
    with pytest.raises(ConflictError, match="the name is taken"):
        await publish(git, repository, folder(source, README="other"))
    assert show(repositories, "rev-parse", "main").strip() == first


async def test_clone_change_push_and_conflict(
    git: GitRemotes, forge: Forge, repositories: LocalRepositories, tmp_path: Path
) -> None:
    repository = await forge.create_repository("team", "web")
    await publish(git, repository, folder(tmp_path / "src", README="one"))
    mine, theirs = folder(tmp_path / "mine"), folder(tmp_path / "theirs")
    head = await git.clone(repository.clone_url, mine)
    assert await git.clone(repository.clone_url, theirs, branch="main") == head
    assert [path.name for path in mine.iterdir()] == ["README"]

    assert await git.push_changes(mine, branch="main", message="m", author=AUTHOR) is None
    folder(mine, README="two")
    pushed = await git.push_changes(mine, branch="main", message="m", author=AUTHOR)
    assert show(repositories, "rev-parse", "main").strip() == pushed
    folder(theirs, README="three")
    with pytest.raises(ConflictError, match="was changed meanwhile"):
        await git.push_changes(theirs, branch="main", message="m", author=AUTHOR)
    assert await git.push_changes(folder(theirs, README="four"), branch="feature/x", message="m", author=AUTHOR)
    assert show(repositories, "show", "feature/x:README") == "four"


async def test_a_repeated_push_of_the_same_tree_is_done_once(git: GitRemotes, forge: Forge, tmp_path: Path) -> None:
    repository = await forge.create_repository("team", "web")
    await publish(git, repository, folder(tmp_path / "src", README="one"))
    hashes = []
    for name in ("a", "b"):
        clone = folder(tmp_path / name)
        await git.clone(repository.clone_url, clone)
        folder(clone, README="two")
        hashes.append(await git.push_changes(clone, branch="change", message=f"from {name}", author=AUTHOR))
    assert hashes[0] == hashes[1]


async def test_links_in_a_clone_are_files(git: GitRemotes, forge: Forge, tmp_path: Path) -> None:
    source = folder(tmp_path / "src")
    (source / "outside").symlink_to("/etc")
    repository = await forge.create_repository("team", "web")
    await publish(git, repository, source)
    clone = folder(tmp_path / "clone")
    await git.clone(repository.clone_url, clone)
    assert not (clone / "outside").is_symlink()
    assert (clone / "outside").read_text() == "/etc"


@pytest.mark.parametrize("name", [".git", "sub/.GIT", "sub/.git ", "git~1"])
async def test_git_folders_are_not_published(git: GitRemotes, forge: Forge, tmp_path: Path, name: str) -> None:
    source = folder(tmp_path / "src", README="x")
    (source / name).mkdir(parents=True)
    (source / name / "config").write_text("[core]\n\tfsmonitor = touch pwned")
    repository = await forge.create_repository("team", "web")
    with pytest.raises(InputError, match="must not be published"):
        await publish(git, repository, source)


async def test_attributes_of_a_template_start_no_program(
    git: GitRemotes, forge: Forge, repositories: LocalRepositories, tmp_path: Path
) -> None:
    source = folder(tmp_path / "src", README="x")
    (source / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (source / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch pwned"\n')
    await publish(git, await forge.create_repository("team", "web"), source)
    clone = folder(tmp_path / "clone")
    await git.clone(repositories.clone_url("team", "web"), clone)
    assert (clone / "README").read_text() == "x"
    assert not list(tmp_path.rglob("pwned"))


async def test_the_users_configuration_hooks_and_helpers_are_not_used(
    forge: Forge, repositories: LocalRepositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder(tmp_path / "home")
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {home}\n[user]\n\tname = Somebody\n[commit]\n\tgpgSign = true\n"
    )
    (home / "pre-commit").write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    (home / "pre-commit").chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {tmp_path}/pwned")
    git = GitRemotes(tmp_path / "state", locate=repositories.locate)
    await publish(git, await forge.create_repository("team", "web"), folder(tmp_path / "src", README="x"))
    assert not (tmp_path / "pwned").exists()
    assert show(repositories, "log", "--format=%cn").strip() == "Ada Lovelace"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ext::sh -c touch% pwned", "must be http or https"),
        ("file:///etc", "must be http or https"),
        ("--upload-pack=touch pwned", "must be http or https"),
        ("ssh://git@example.org/x", "must be http or https"),
        ("https://user:s3cret@example.org/x.git", "carries credentials"),
    ],
)
async def test_other_remotes_are_refused(git: GitRemotes, tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        await git.clone(url, folder(tmp_path / "clone"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "branch",
    ["--upload-pack=x", "-b", "a..b", "a b", "", "a.lock", "/a", "a/", "HEAD", "a~1", "a:b", "a\nb", "x/.git", "@{u}"],
)
def test_branches_that_git_would_misread_are_refused(branch: str) -> None:
    with pytest.raises(InputError, match="no valid branch name"):
        check_branch(branch)


@pytest.mark.parametrize("branch", ["main", "feature/add-x", "release-1.0", "jürgen"])
def test_ordinary_branches_pass(branch: str) -> None:
    assert check_branch(branch) == branch


async def test_missing_repository_branch_and_commit_are_not_found(
    git: GitRemotes, forge: Forge, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="has no repository team/absent"):
        await git.clone("http://localhost:7007/git/team/absent.git", folder(tmp_path / "a"))
    repository = await forge.create_repository("team", "web")
    with pytest.raises(NotFoundError, match="no commits yet"):
        await git.clone(repository.clone_url, folder(tmp_path / "b"))
    with pytest.raises(NotFoundError, match="Remote branch dev not found"):
        await git.clone(repository.clone_url, folder(tmp_path / "c"), branch="dev")


async def test_an_unreachable_host_is_a_foreign_error_without_credentials(git: GitRemotes, tmp_path: Path) -> None:
    credentials = GitCredentials("robot", "s3cret-pass")
    with pytest.raises(ForeignError, match="unable to access") as caught:
        await git.clone("http://127.0.0.1:9/a/b.git", folder(tmp_path / "clone"), credentials=credentials)
    assert "s3cret-pass" not in str(caught.value)
    assert "s3cret-pass" not in repr(credentials)


async def test_a_run_ends_with_its_time_and_its_caller(tmp_path: Path) -> None:
    slow = ("-c", "alias.slow=!echo $$ > pid; sleep 30", "slow")
    with pytest.raises(ForeignError, match=r"took longer than 0\.5 seconds"):
        await GitCommand(timeout=0.5).run(*slow, cwd=tmp_path)
    assert await _ends(tmp_path / "pid")
    (tmp_path / "pid").unlink()
    task = asyncio.create_task(GitCommand().run(*slow, cwd=tmp_path))
    await asyncio.to_thread(_await_pid, tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _ends(tmp_path / "pid")


def _await_pid(path: Path) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and not (path.exists() and path.read_text().strip()):
        time.sleep(0.01)


async def _ends(path: Path) -> bool:
    """Whether the process is gone soon: a signal takes its moment on a busy machine."""

    def wait() -> bool:
        process = Path(f"/proc/{path.read_text().strip()}/status")
        end = time.monotonic() + 10
        while time.monotonic() < end:
            # A killed child whose parent was killed too stays a zombie where no init reaps it.
            try:
                if "State:\tZ" in process.read_text():
                    return True
            except (FileNotFoundError, ProcessLookupError):
                return True
            time.sleep(0.02)
        return False

    return await asyncio.to_thread(wait)


async def test_a_run_without_access_reaches_no_remote(forge: Forge, repositories: LocalRepositories) -> None:
    await forge.create_repository("team", "web")
    url = repositories.path("team", "web").as_uri()
    with pytest.raises(ForeignError, match="transport 'file' not allowed"):
        await GitCommand().run("ls-remote", "--", url)
    assert await GitCommand().run("ls-remote", "--", url, access=Access(("file",))) == b""


def test_git_folders_of_gone_clones_are_removed(tmp_path: Path, repositories: LocalRepositories) -> None:
    async def scenario() -> list[Path]:
        git = GitRemotes(tmp_path / "state", locate=repositories.locate)
        repository = await LocalForge(repositories).create_repository("team", "web")
        await publish(git, repository, folder(tmp_path / "src", README="x"))
        for name in ("first", "second"):
            clone = folder(tmp_path / name)
            await git.clone(repository.clone_url, clone)
            (clone / "README").unlink()
            clone.rmdir()
        return list((tmp_path / "state" / "clones").iterdir())

    assert len(asyncio.run(scenario())) == 1


def test_gits_words_choose_the_error() -> None:
    assert isinstance(explain("push", "fatal: Authentication failed for 'https://x/'", 128), NotAllowedError)
    assert isinstance(explain("clone", "fatal: repository 'https://x/' not found", 128), NotFoundError)
    assert isinstance(explain("push", "! [rejected] HEAD -> main (fetch first)", 1), ConflictError)
    assert str(explain("push", "", 1)) == "git push failed: exit status 1"


async def test_local_forge_refuses_taken_and_bad_names(forge: Forge) -> None:
    created = await forge.create_repository("team", "web", description="d", default_branch="trunk")
    assert created.default_branch == "trunk"
    assert created == await forge.get_repository("team", "web")
    assert created.clone_url == "http://localhost:7007/git/team/web.git"
    assert created.contents_url(forge, "a b.yaml") == "http://localhost:7007/git/team/web/src/branch/trunk/a%20b.yaml"
    with pytest.raises(ConflictError, match="exists on the local git server already"):
        await forge.create_repository("team", "web")
    for owner, name in (("..", "web"), ("team", "../x"), ("team", "-x"), ("a/b", "c"), ("team", "x.git"), ("", "x")):
        with pytest.raises(InputError, match="no valid"):
            await forge.create_repository(owner, name)


async def test_credentials_go_to_their_origin_and_redirects_nowhere(git: GitRemotes, tmp_path: Path) -> None:
    asked: dict[str, list[str]] = {"first": [], "second": []}

    def serve(name: str, answer: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked[name].append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(f"{answer}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        return handle

    second = await asyncio.start_server(serve("second", "HTTP/1.1 404 Not Found\r\n"), "127.0.0.1", 0)
    target = f"http://127.0.0.1:{second.sockets[0].getsockname()[1]}/team/web.git/info/refs?service=git-upload-pack"
    first = await asyncio.start_server(serve("first", f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n"), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{first.sockets[0].getsockname()[1]}/team/web.git"
    with pytest.raises(ForeignError, match="git clone failed"):
        await git.clone(url, folder(tmp_path / "clone"), credentials=GitCredentials("robot", "s3cret-pass"))
    for server in (first, second):
        server.close()
        await server.wait_closed()
    assert "Authorization: Basic cm9ib3Q6czNjcmV0LXBhc3M=" in asked["first"][0]
    assert asked["second"] == []


async def test_of_two_creators_at_once_one_is_refused(forge: Forge, repositories: LocalRepositories) -> None:
    made = await asyncio.gather(*(forge.create_repository("team", "web") for _ in range(4)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in made) == ["ConflictError"] * 3 + ["Repository"]
    assert [path.name for path in repositories.path("team", "web").parent.iterdir()] == ["web.git"]


async def test_files_of_an_earlier_commit_are_read(
    git: GitRemotes, forge: Forge, repositories: LocalRepositories, tmp_path: Path
) -> None:
    repository = await forge.create_repository("team", "web")
    first = await publish(git, repository, folder(tmp_path / "src", README="one", other="x"))
    clone = folder(tmp_path / "clone")
    await git.clone(repository.clone_url, clone)
    (clone / "README").write_text("two")
    second = await git.push_changes(clone, branch="main", message="Second", author=AUTHOR)
    assert second is not None
    for commit, text in ((first, b"one"), (second, b"two")):
        assert await git.read_files(repository.clone_url, commit, ["README", "absent", "-x"]) == {"README": text}
    with pytest.raises(NotFoundError, match="has no commit"):
        await git.read_files(repository.clone_url, "0" * 40, ["README"])
    for commit in ("main", "HEAD", "--upload-pack=x", first[:10]):
        with pytest.raises(InputError, match="whole hash"):
            await git.read_files(repository.clone_url, commit, ["README"])
