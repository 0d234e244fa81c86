"""Signing in as a GitHub App: JWT, installation, token, what is kept and for how long, and who is refused."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from understage.config.backend_settings import Reading
from understage.config.integration_settings import GithubIntegration, IntegrationSettings
from understage.errors import ForeignError, InputError, NotAllowedError
from understage.integrations.github.credentials import Credential, GithubCredentials, entry_of
from understage.integrations.sources import create_readers
from understage.platform.http import HttpClient

API = "https://api.github.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()


class Github:
    """The part of GitHub that apps talk to: installations of `owners`, and tokens that live for `minutes`."""

    def __init__(self, mock: respx.Router) -> None:
        self.mock = mock
        self.installations: list[dict[str, Any]] = [installation(1, "Acme"), installation(2, "ada", type="User")]
        self.minutes = 60.0
        self.selected: list[str] | None = None
        self.issued = 0
        self.lists = mock.get(f"{API}/app/installations").mock(side_effect=self._list)
        self.tokens = mock.post(url__regex=rf"{API}/app/installations/\d+/access_tokens").mock(side_effect=self._token)
        self.repositories = mock.get(f"{API}/installation/repositories").mock(side_effect=self._repositories)

    def _list(self, request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        return httpx.Response(200, json=self.installations[(page - 1) * 100 : page * 100])

    def _token(self, request: httpx.Request) -> httpx.Response:
        self.issued += 1
        ends = datetime.now(UTC) + timedelta(minutes=self.minutes)
        number = request.url.path.split("/")[3]
        selection = "all" if self.selected is None else "selected"
        body = {
            "token": f"app-{number}-{self.issued}",
            "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "repository_selection": selection,
        }
        return httpx.Response(201, json=body)

    def _repositories(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"repositories": [{"name": name} for name in self.selected or []]})


def installation(number: int, owner: str, *, type: str = "Organization", suspended: bool = False) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z" if suspended else None
    return {"id": number, "account": {"login": owner, "type": type}, "suspended_at": at}


def entry(**app: Any) -> GithubIntegration:
    return GithubIntegration.model_validate(
        {"host": "github.com", "token": "fallback", "apps": [{"appId": 7, "privateKey": PEM, **app}]}
    )


@pytest.fixture
def github() -> Iterator[Github]:
    with respx.mock(assert_all_called=False) as mock:
        yield Github(mock)


async def test_an_app_signs_in_with_a_jwt_of_its_key(github: Github) -> None:
    credentials = GithubCredentials(HttpClient(), entry(privateKey=PEM.replace("\n", "\\n")))
    assert await credentials.find("acme") == Credential("app-1-1", "app")
    for call in (github.lists.calls.last, github.tokens.calls.last):
        scheme, _, token = call.request.headers["authorization"].partition(" ")
        claims = jwt.decode(token, RSAKey.import_key(PEM), algorithms=["RS256"]).claims
        assert scheme == "Bearer"
        assert claims["iss"] == "7"
        assert 0 < claims["exp"] - claims["iat"] <= 600


async def test_a_token_is_kept_until_ten_minutes_before_its_end(github: Github) -> None:
    credentials = GithubCredentials(HttpClient(), entry())
    found = await asyncio.gather(*(credentials.find("acme", f"r{number}") for number in range(20)))
    assert {credential.token for credential in found if credential} == {"app-1-1"}
    assert (github.lists.call_count, github.issued) == (1, 1)
    github.minutes = 9
    short = GithubCredentials(HttpClient(), entry())
    assert await short.find("acme") != await short.find("acme")


@pytest.mark.parametrize(
    ("app", "owner", "expected"),
    [
        ({}, "acme", Credential("app-1-1", "app")),
        ({}, "stranger", Credential("fallback", "token")),
        ({"allowedInstallationOwners": ["ACME"]}, "acme", Credential("app-1-1", "app")),
        ({"allowedInstallationOwners": ["other"]}, "acme", Credential("fallback", "token")),
        ({"publicAccess": True}, "stranger", Credential("app-1-1", "app")),
    ],
)
async def test_the_owner_decides_which_token_is_used(
    github: Github, app: dict[str, Any], owner: str, expected: Credential
) -> None:
    assert await GithubCredentials(HttpClient(), entry(**app)).find(owner) == expected


async def test_installations_are_listed_as_far_as_their_owners_are_allowed(github: Github) -> None:
    github.installations = [installation(number, f"org{number}") for number in range(130)]
    everything = await GithubCredentials(HttpClient(), entry()).list_installations()
    assert (len(everything), everything[129].owner, everything[129].owner_type) == (130, "org129", "Organization")
    some = GithubCredentials(HttpClient(), entry(allowedInstallationOwners=["org5", "org120"]))
    assert [found.owner for found in await some.list_installations()] == ["org5", "org120"]


async def test_a_repository_outside_the_selection_is_refused(github: Github) -> None:
    github.selected = ["shown"]
    credentials = GithubCredentials(HttpClient(), entry())
    assert await credentials.find("acme", "Shown") == Credential("app-1-1", "app")
    with pytest.raises(NotAllowedError, match="no access to the repository hidden: add it"):
        await credentials.find("acme", "hidden")


async def test_a_suspended_installation_is_refused(github: Github) -> None:
    github.installations = [installation(1, "acme", suspended=True)]
    with pytest.raises(NotAllowedError, match="The GitHub application for acme is suspended"):
        await GithubCredentials(HttpClient(), entry()).find("acme")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (httpx.Response(401), NotAllowedError, "refuses the GitHub App 7 with 401: check appId and privateKey"),
        (httpx.Response(502), ForeignError, "answered 502"),
        (httpx.Response(200, json={}), ForeignError, "without a list"),
        (httpx.Response(200, content=b"<html>"), ForeignError, "not JSON"),
    ],
)
async def test_what_github_refuses_says_what_to_do(
    github: Github, answer: httpx.Response, error: type[Exception], message: str
) -> None:
    github.lists.side_effect = None
    github.lists.return_value = answer
    with pytest.raises(error, match=message):
        await GithubCredentials(HttpClient(), entry()).find("acme")


async def test_a_key_that_is_none_is_refused_without_being_shown(github: Github) -> None:
    with pytest.raises(InputError, match="privateKey of the app 7 is no RSA key") as refusal:
        await GithubCredentials(HttpClient(), entry(privateKey="s3cret")).find("acme")
    assert "s3cret" not in str(refusal.value)


async def test_a_second_app_may_be_installed_where_the_first_is_refused(github: Github) -> None:
    two = GithubIntegration.model_validate(
        {"apps": [{"appId": 1, "privateKey": "none"}, {"appId": 2, "privateKey": PEM}]}
    )
    assert await GithubCredentials(HttpClient(), two).find("acme") == Credential("app-1-1", "app")


def test_a_host_needs_an_entry_unless_it_is_github_com() -> None:
    assert entry_of([], "github.com") == GithubIntegration()
    with pytest.raises(InputError, match=r"There is no GitHub config that matches host ghe\.org"):
        entry_of([entry()], "ghe.org")


async def test_files_are_read_with_the_token_of_the_app(github: Github) -> None:
    settings = IntegrationSettings(github=(entry(),))
    reader = create_readers(settings, Reading(), HttpClient())
    file = github.mock.get(f"{API}/repos/Acme/r/contents/catalog-info.yaml").respond(200, content=b"kind: Component")
    found = await reader.search("https://github.com/Acme/r/blob/main/catalog-info.yaml")
    assert found.files[0].content == b"kind: Component"
    assert file.calls.last.request.headers["authorization"] == "Bearer app-1-1"
