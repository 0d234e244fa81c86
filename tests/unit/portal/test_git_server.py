"""The local git server with the real git client: clone, push, pages, and who is refused."""

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from understage.integrations.git.remotes import GitRemotes
from understage.integrations.local.forge import LocalForge
from understage.integrations.local.repositories import LocalRepositories
from understage.integrations.local.source import LocalSource
from understage.portal import git_server
from understage.portal.git_server import create_git_server
from understage.sdk import GitAuthor

AUTHOR = GitAuthor("Ada", "ada@example.org")


@contextmanager
def serving(app: Starlette, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def repositories(tmp_path: Path) -> LocalRepositories:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    repositories = LocalRepositories(tmp_path / "git", f"http://localhost:{port}")
    source = tmp_path / "src"
    (source / "docs").mkdir(parents=True)
    (source / "README.md").write_text("# Hello <script>alert(1)</script>\n")
    (source / "docs" / "a&b.md").write_text("text")
    (source / "image.png").write_bytes(b"\x89PNG\0")
    (source / "page.html").write_text("<script>alert(1)</script>")
    (source / "link").symlink_to("/etc/passwd")

    async def publish() -> None:
        repository = await LocalForge(repositories).create_repository("team", "web")
        git = GitRemotes(tmp_path / "state", locate=repositories.locate)
        await git.publish(source, repository.clone_url, branch="main", message="first", author=AUTHOR)
        await git.publish(source, repository.clone_url, branch="feature/x", message="x", author=AUTHOR)
        await LocalForge(repositories).create_repository("team", "empty")

    asyncio.run(publish())
    return repositories


@pytest.fixture
def app(repositories: LocalRepositories) -> Starlette:
    return Starlette(routes=[Mount("/git", create_git_server(LocalSource(repositories)))])


def browser(app: Starlette, base_url: str, *, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 50000))
    return httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers, follow_redirects=True)


@pytest.fixture
async def client(app: Starlette, repositories: LocalRepositories) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app, repositories.base_url) as client:
        yield client


def run(*command: str, cwd: Path | None = None, check: bool = True) -> str:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@x.org", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@x.org",
    }  # fmt: skip
    ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0 or not check, ran.stderr
    return ran.stdout + ran.stderr


def test_git_clones_and_pushes(app: Starlette, repositories: LocalRepositories, tmp_path: Path) -> None:
    port = int(repositories.host.rpartition(":")[2])
    clone = tmp_path / "clone"
    with serving(app, port):
        run("git", "clone", "-q", repositories.clone_url("team", "web"), str(clone))
        assert (clone / "docs" / "a&b.md").read_text() == "text"
        (clone / "big").write_bytes(bytes(range(256)) * 20_000)
        run("git", "add", "big", cwd=clone)
        run("git", "commit", "-qm", "big", cwd=clone)
        run("git", "push", "-q", "origin", "HEAD:main", cwd=clone)
        head = run("git", "rev-parse", "HEAD", cwd=clone).strip()
        assert run("git", "ls-remote", repositories.clone_url("team", "web"), "refs/heads/main").split()[0] == head
        assert "not found" in run(
            "git", "clone", "-q", repositories.clone_url("team", "no"), str(tmp_path / "n"), check=False
        )
        dumb = f"{repositories.clone_url('team', 'web')}/../../../etc"
        assert "fatal" in run("git", "clone", "-q", dumb, str(tmp_path / "m"), check=False)


def test_a_hook_in_a_pushed_tree_does_not_run(app: Starlette, repositories: LocalRepositories, tmp_path: Path) -> None:
    hooks = repositories.path("team", "web") / "hooks"
    hooks.mkdir()
    (hooks / "pre-receive").write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    (hooks / "pre-receive").chmod(0o755)
    clone = tmp_path / "clone"
    with serving(app, int(repositories.host.rpartition(":")[2])):
        run("git", "clone", "-q", repositories.clone_url("team", "web"), str(clone))
        run("git", "commit", "-q", "--allow-empty", "-m", "x", cwd=clone)
        run("git", "push", "-q", "origin", "HEAD:main", cwd=clone)
    assert not (tmp_path / "pwned").exists()


async def test_pages_lead_from_the_list_to_a_file(client: httpx.AsyncClient) -> None:
    assert "team/web" in (await client.get("/git/")).text
    page = (await client.get("/git/team/web")).text
    assert "git clone http://localhost:" in page
    assert "/git/team/web/src/branch/main/docs" in page
    assert "/git/team/web/src/branch/feature%2Fx/" in page
    assert "a&amp;b.md" in (await client.get("/git/team/web/src/branch/main/docs")).text
    assert (await client.get("/git/team/web/src/branch/main/docs/a%26b.md")).text.count("<pre>text</pre>") == 1
    assert (await client.get("/git/team/web/src/branch/feature%2Fx/docs")).status_code == 200
    assert "5 bytes, not text" in (await client.get("/git/team/web/src/branch/main/image.png")).text
    assert "empty" in (await client.get("/git/team/empty")).text
    assert (await client.get("/git/team/web.git")).url.path == "/git/team/web"


async def test_nothing_that_was_published_runs_in_the_browser(client: httpx.AsyncClient) -> None:
    page = await client.get("/git/team/web/src/branch/main/README.md")
    assert "# Hello &lt;script&gt;" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    raw = await client.get("/git/team/web/raw/branch/main/page.html")
    assert raw.text == "<script>alert(1)</script>"
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in raw.headers["content-security-policy"]
    assert (await client.get("/git/team/web/raw/branch/main/image.png")).headers["content-disposition"] == "attachment"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/git/team/web/src/branch/main/absent", 404),
        ("/git/team/web/raw/branch/main/link", 404),
        ("/git/team/web/src/branch/nope/", 404),
        ("/git/team/nope", 404),
        ("/git/team", 400),
        ("/git/team/web/src/branch/main/..%2f..%2fHEAD", 400),
        ("/git/..%2f..%2fetc/passwd", 400),
        ("/git/team/web/src/branch/--output=x/a", 400),
        ("/git/team/web.git/HEAD", 400),
        ("/git/team/web.git/objects/info/packs", 400),
        ("/git/team/web.git/info/refs", 400),
        ("/git/team/web.git/info/refs?service=git-upload-archive", 400),
    ],
)
async def test_what_is_not_there_or_not_served(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_post_is_gits_only(client: httpx.AsyncClient) -> None:
    assert (await client.post("/git/team/web", data={"x": "1"})).status_code == 404
    wrong_type = await client.post(
        "/git/team/web.git/git-receive-pack", content=b"0000", headers={"content-type": "text/plain"}
    )
    assert wrong_type.status_code == 415


async def test_other_machines_and_other_names_are_refused(app: Starlette, repositories: LocalRepositories) -> None:
    url = repositories.base_url
    async with (
        browser(app, url, address="10.0.0.7") as remote,
        browser(app, "http://evil.example") as rebound,
        browser(app, url, **{"x-forwarded-for": "10.0.0.7"}) as proxied,
    ):
        for client in (remote, rebound, proxied):
            assert (await client.get("/git/team/web")).status_code == 403


def test_a_git_that_has_closed_its_input_is_not_written_to() -> None:
    """uvloop, which the service runs in, raises what is no OSError for a write to a closed pipe."""

    async def feed_late() -> None:
        process = await asyncio.create_subprocess_exec("true", stdin=asyncio.subprocess.PIPE)
        await process.wait()
        assert process.stdin is not None
        process.stdin.close()

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"late", "more_body": False}

        await git_server._feed(Request({"type": "http", "method": "POST", "headers": []}, receive), process)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(feed_late())
