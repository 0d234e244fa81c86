"""The APIs of forges as actions use them: who signs in how, what is sent again, and what a refusal says."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
import respx
from httpx import Response

from understage.config.integration_settings import (
    BitbucketCloudIntegration,
    GithubIntegration,
    GitlabIntegration,
    IntegrationSettings,
)
from understage.errors import ConflictError, ForeignError, InputError, NotAllowedError, NotFoundError
from understage.integrations.forge_apis import ConfiguredForgeApis, create_forge_apis
from understage.platform.http import HttpClient
from understage.sdk.ports import ForgeType, GitCredentials

HOSTS: dict[ForgeType, tuple[str, str]] = {
    "github": ("github.com", "https://api.github.com"),
    "gitlab": ("gitlab.com", "https://gitlab.com/api/v4"),
    "bitbucketCloud": ("bitbucket.org", "https://api.bitbucket.org/2.0"),
}
SETTINGS = IntegrationSettings(
    github=(GithubIntegration(token="hub-token"),),
    gitlab=(
        GitlabIntegration(token="lab-token"),
        GitlabIntegration(host="lab.acme.org", base_url="https://lab.acme.org/git"),
    ),
    bitbucket_cloud=(BitbucketCloudIntegration(username="ada@acme.org", token="bucket-token"),),
)


@pytest.fixture
def mock() -> Iterator[respx.Router]:
    with respx.mock(assert_all_called=False) as mock:
        yield mock


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how long it would have waited."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("understage.integrations.signed_api.asyncio.sleep", sleep)
    return slept


@pytest.fixture
def apis() -> ConfiguredForgeApis:
    return create_forge_apis(SETTINGS, HttpClient())


@pytest.mark.parametrize(
    ("type", "token", "header", "value", "git"),
    [
        ("github", None, "authorization", "Bearer hub-token", GitCredentials("x-access-token", "hub-token")),
        ("github", "mine", "authorization", "Bearer mine", GitCredentials("x-access-token", "mine")),
        ("gitlab", None, "private-token", "lab-token", GitCredentials("oauth2", "lab-token")),
        ("gitlab", "mine", "authorization", "Bearer mine", GitCredentials("oauth2", "mine")),
        (
            "bitbucketCloud", None, "authorization", f"Basic {base64.b64encode(b'ada@acme.org:bucket-token').decode()}",
            GitCredentials("x-bitbucket-api-token-auth", "bucket-token"),
        ),
        ("bitbucketCloud", "mine", "authorization", "Bearer mine", GitCredentials("x-token-auth", "mine")),
    ],
)  # fmt: skip
async def test_requests_are_signed(
    type: ForgeType, token: str | None, header: str, value: str, git: GitCredentials,
    apis: ConfiguredForgeApis, mock: respx.Router,
) -> None:  # fmt: skip
    host, url = HOSTS[type]
    route = mock.post(f"{url}/a%2Fb", params={"page": "2"}).mock(Response(201, json={"id": 1}))
    api = await apis.get(type, host, owner="acme", repo="web", token=token)
    answer = await api.request("POST", "/a%2Fb", query={"page": 2}, body={"x": "\u00e9"})
    assert (answer.status, answer.body) == (201, {"id": 1})
    request = route.calls.last.request
    assert request.headers[header] == value
    assert request.content == '{"x":"\u00e9"}'.encode()
    assert api.credentials == git
    shown = repr(api)
    assert not any(secret in shown for secret in ("hub-token", "lab-token", "bucket-token", "mine"))


async def test_a_host_has_the_address_of_its_configuration(apis: ConfiguredForgeApis) -> None:
    assert (await apis.get("gitlab", "lab.acme.org", token="mine")).url == "https://lab.acme.org/git/api/v4"
    with pytest.raises(InputError, match=r"No token available for host lab\.acme\.org"):
        await apis.get("gitlab", "lab.acme.org")


@pytest.mark.parametrize("type", HOSTS)
async def test_tokens_go_to_hosts_of_their_forge_only(type: ForgeType, apis: ConfiguredForgeApis) -> None:
    others = [host for other, (host, _) in HOSTS.items() if other != type]
    for host in [*others, "evil.example.org"]:
        with pytest.raises(InputError, match=r"No (matching )?integration"):
            await apis.get(type, host, owner="acme", repo="web", token="mine")


@pytest.mark.parametrize(
    ("method", "status", "headers", "sent"),
    [
        ("GET", 503, {}, 2),
        ("POST", 503, {}, 1),
        ("POST", 429, {"retry-after": "3"}, 2),
        ("POST", 403, {"retry-after": "3"}, 2),
        ("POST", 403, {}, 1),
        ("GET", 429, {"retry-after": "3600"}, 1),
    ],
)
async def test_only_what_had_no_effect_is_sent_again(
    method: str,
    status: int,
    headers: dict[str, str],
    sent: int,
    apis: ConfiguredForgeApis,
    mock: respx.Router,
    naps: list[float],
) -> None:
    answers = iter([Response(status, headers=headers, json={"message": "later"}), Response(200, json={})])
    route = mock.request(method, "https://api.github.com/x").mock(side_effect=lambda _: next(answers))
    api = await apis.get("github", "github.com", owner="acme", repo="web")
    if sent == 2:
        assert (await api.request(method, "/x")).status == 200
    else:
        with pytest.raises((ForeignError, NotAllowedError), match="later"):
            await api.request(method, "/x")
    assert route.call_count == sent
    assert len(naps) == sent - 1


@pytest.mark.parametrize(
    ("type", "status", "body", "error", "text"),
    [
        ("github", 422, {"message": "Validation Failed", "errors": [{"resource": "Hook", "field": "url", "code": "invalid"}]},
         InputError, "Validation Failed; Hook.url invalid (github.com answered 422 to POST /x)"),
        ("github", 401, {"message": "Bad credentials of hub-token"}, NotAllowedError,
         "Bad credentials of ***. Check the credentials under integrations.github"),
        ("gitlab", 400, {"message": {"name": ["has already been taken", "is bad"]}}, InputError,
         "name has already been taken, is bad"),
        ("gitlab", 409, {"message": "Member already exists"}, ConflictError, "Member already exists"),
        ("gitlab", 404, {"error": "404 Not found"}, NotFoundError, "404 Not found. Check the names"),
        ("bitbucketCloud", 400, {"type": "error", "error": {"message": "Bad", "detail": "no\nname"}}, InputError, "Bad no name"),
        ("github", 500, "<html>", ForeignError, "Internal Server Error (github.com answered 500"),
    ],
)  # fmt: skip
async def test_a_refusal_says_what_the_forge_says(
    type: ForgeType,
    status: int,
    body: Any,
    error: type[Exception],
    text: str,
    apis: ConfiguredForgeApis,
    mock: respx.Router,
) -> None:
    host, url = HOSTS[type]
    mock.post(f"{url}/x").mock(Response(status, text=body) if isinstance(body, str) else Response(status, json=body))
    api = await apis.get(type, host, owner="acme", repo="web")
    with pytest.raises(error) as raised:
        await api.request("POST", "/x", body={})
    assert text in str(raised.value)


async def test_permissions_that_would_have_done_are_named(apis: ConfiguredForgeApis, mock: respx.Router) -> None:
    headers = {"x-accepted-github-permissions": "administration=write"}
    mock.put("https://api.github.com/x").mock(Response(403, headers=headers, json={"message": "Forbidden"}))
    api = await apis.get("github", "github.com", token="mine")
    with pytest.raises(
        NotAllowedError, match="token that was given to the step may do: needed is administration=write"
    ):
        await asyncio.create_task(api.request("PUT", "/x"))
