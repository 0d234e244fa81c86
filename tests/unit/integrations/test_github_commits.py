"""What a commit did, as GitHub's API tells it."""

import httpx
import pytest

from understage.config.integration_settings import GithubIntegration
from understage.errors import ForeignError, InputError
from understage.integrations.github.commits import GithubCommits
from understage.platform.http import HttpClient

ENTRY = GithubIntegration(host="ghe.example.com", api_base_url="https://ghe.example.com/api/v3", token="t0ken")
FILES = [
    {"filename": "b.yaml", "status": "renamed", "previous_filename": "a.yaml"},
    {"filename": "c.yaml", "status": "modified"},
    {"status": "added"},
]


async def read(
    handle: httpx.MockTransport, url: str = "https://ghe.example.com/o/r"
) -> list[tuple[str, str, str | None]]:
    http = HttpClient(transport=handle)
    try:
        return await GithubCommits(http, [ENTRY])(url, "abc/../x")
    finally:
        await http.close()


async def test_all_pages_of_a_commit_are_read_with_the_token_of_the_host() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        assert request.headers["authorization"] == "Bearer t0ken"
        first = request.url.params["page"] == "1"
        headers = {"link": '<https://ghe.example.com/next>; rel="next"'} if first else {}
        return httpx.Response(
            200, json={"files": FILES if first else [{"filename": "d", "status": "removed"}]}, headers=headers
        )

    assert await read(httpx.MockTransport(answer)) == [
        ("renamed", "b.yaml", "a.yaml"),
        ("modified", "c.yaml", None),
        ("removed", "d", None),
    ]
    assert asked == [
        f"https://ghe.example.com/api/v3/repos/o/r/commits/abc%2F..%2Fx?per_page=300&page={page}" for page in (1, 2)
    ]


@pytest.mark.parametrize(
    "answer", [httpx.Response(502), httpx.Response(200, json=[]), httpx.Response(200, text="<html>")]
)
async def test_what_github_does_not_tell(answer: httpx.Response) -> None:
    with pytest.raises(ForeignError):
        await read(httpx.MockTransport(lambda _request: answer))


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example.com/o/r", "https://ghe.example.com/o", "https://ghe.example.com/o/r/x"]
)
async def test_only_repositories_of_configured_hosts_are_asked_about(url: str) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("nobody is asked")

    with pytest.raises(InputError):
        await read(httpx.MockTransport(refuse), url)
