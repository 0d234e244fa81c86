"""Gitea as a forge: requests, and what its refusals become. The real one is in the cluster tier."""

import base64
import json

import httpx
import pytest

from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError, NotFoundError, UnderstageError
from understage.integrations.gitea.forge import GiteaForge, create_gitea_forge
from understage.platform.http import HttpClient
from understage.sdk import GitCredentials

REPOSITORY = {
    "name": "web",
    "owner": {"login": "team"},
    "default_branch": "main",
    "html_url": "http://elsewhere/team/web",
}


class Server:
    def __init__(self, answers: dict[tuple[str, str], httpx.Response]) -> None:
        self.answers = answers
        self.sent: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        path = request.url.raw_path.decode().removeprefix("/base/api/v1")
        return self.answers.get((request.method, path), httpx.Response(404, json={"message": "not found"}))

    def forge(self, username: str | None = "bot") -> GiteaForge:
        http = HttpClient(transport=httpx.MockTransport(self))
        return create_gitea_forge(
            http, host="tea.org", base_url="https://tea.org/base/", username=username, password="s3cret"
        )


ORG = {
    ("GET", "/orgs/team"): httpx.Response(200, json={}),
    ("POST", "/orgs/team/repos"): httpx.Response(201, json=REPOSITORY),
}


async def test_create_in_an_organization() -> None:
    server = Server(ORG)
    forge = server.forge()
    created = await forge.create_repository("team", "web", description="d", private=False, default_branch="main")
    assert (created.clone_url, created.web_url) == (
        "https://tea.org/base/team/web.git",
        "https://tea.org/base/team/web",
    )
    assert json.loads(server.sent[-1].content) == {
        "name": "web", "description": "d", "private": False, "default_branch": "main", "auto_init": False
    }  # fmt: skip
    assert server.sent[-1].headers["authorization"] == "basic " + base64.b64encode(b"bot:s3cret").decode()
    assert forge.contents_url(created, "feature/x", "a b.yaml") == (
        "https://tea.org/base/team/web/src/branch/feature/x/a%20b.yaml"
    )


async def test_create_for_oneself_and_for_nobody() -> None:
    own = {
        ("GET", "/user"): httpx.Response(200, json={"login": "Bot"}),
        ("POST", "/user/repos"): httpx.Response(201, json=REPOSITORY),
    }
    await Server(own).forge().create_repository("bot", "web")
    with pytest.raises(NotFoundError, match="Organization nobody does not exist"):
        await Server(own).forge().create_repository("nobody", "web")


def test_a_password_alone_is_a_token() -> None:
    forge = Server({}).forge(username=None)
    assert forge.credentials == GitCredentials("git", "s3cret")
    assert "s3cret" not in repr(forge.credentials)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (409, ConflictError, "exists on tea.org already"),
        (401, NotAllowedError, "Check username and password"),
        (403, NotAllowedError, "said so"),
        (422, InputError, "said so"),
        (500, ForeignError, "500 said so"),
    ],
)
async def test_refusals(status: int, error: type[UnderstageError], message: str) -> None:
    answers = ORG | {("POST", "/orgs/team/repos"): httpx.Response(status, json={"message": "said so"})}
    with pytest.raises(error, match=message) as caught:
        await Server(answers).forge().create_repository("team", "web")
    assert "s3cret" not in str(caught.value)


async def test_an_absent_repository_is_none() -> None:
    assert await Server({}).forge().get_repository("team", "web") is None
    found = Server({("GET", "/repos/team/web"): httpx.Response(200, json=REPOSITORY)})
    repository = await found.forge().get_repository("team", "web")
    assert repository is not None
    assert repository.default_branch == "main"
    for name in ("..", "", "."):
        with pytest.raises(InputError, match="no name of"):
            await found.forge().get_repository("team", name)
    assert await found.forge().get_repository("team", "../../user") is None
    assert found.sent[-1].url.raw_path == b"/base/api/v1/repos/team/..%2F..%2Fuser"


async def test_an_open_pull_request_is_returned() -> None:
    pull = {"number": 7, "html_url": "https://tea.org/base/team/web/pulls/7"}
    answers = {
        ("POST", "/repos/team/web/pulls"): httpx.Response(409, json={"message": "exists"}),
        ("GET", "/repos/team/web/pulls/main/fix%2Fx"): httpx.Response(200, json=pull),
    }
    opened = (
        await Server(answers)
        .forge()
        .open_pull_request("team", "web", title="t", body="b", source_branch="fix/x", target_branch="main")
    )
    assert (opened.number, opened.url) == (7, "https://tea.org/base/team/web/pulls/7")
    with pytest.raises(NotFoundError, match="refused opening a pull request of y in team/web: 404 not found"):
        await (
            Server({})
            .forge()
            .open_pull_request("team", "web", title="t", body="", source_branch="y", target_branch="main")
        )
