"""Suggestions for fields of forms: what is asked of each forge, with whose token, and what is made of the answers."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx

from understage.config.integration_settings import GithubIntegration, GitlabIntegration, IntegrationSettings
from understage.errors import InputError, NotAllowedError
from understage.integrations.forge_apis import create_forge_apis
from understage.integrations.suggestions import create_suggestions
from understage.platform.http import HttpClient

SETTINGS = IntegrationSettings(
    github=(GithubIntegration(token="configured"),), gitlab=(GitlabIntegration(token="configured"),)
)
APIS = create_forge_apis(SETTINGS, HttpClient())
PROVIDERS = create_suggestions(APIS)
ANSWERS: dict[str, Any] = {
    "https://api.github.com/user/repos": [{"full_name": "acme/shop", "private": True}],
    "https://api.github.com/repos/acme/shop/branches": [{"name": "main"}, {"name": "next"}],
    "https://api.github.com/user/orgs": [{"login": "acme"}],
    "https://gitlab.com/api/v4/groups": [{"id": 7, "full_path": "acme/web"}],
    "https://gitlab.com/api/v4/user": {"id": 5, "username": "ada"},
    "https://gitlab.com/api/v4/groups/7/projects": [{"name": " Shop ", "path": "shop"}],
    "https://gitlab.com/api/v4/users/5/projects": [{"name": "Notes", "path": "notes"}],
    "https://api.bitbucket.org/2.0/workspaces": {"values": [{"slug": "acme"}]},
    "https://api.bitbucket.org/2.0/workspaces/acme/projects": {"values": [{"key": "WEB"}]},
    "https://api.bitbucket.org/2.0/repositories/acme": {"values": [{"slug": "shop"}]},
    "https://api.bitbucket.org/2.0/repositories/acme/shop/refs/branches": {"values": [{"name": "main"}]},
}


@pytest.fixture
def forges() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as mock:
        for url, answer in ANSWERS.items():
            mock.get(url, name=url).mock(return_value=httpx.Response(200, json=answer))
        yield mock


@pytest.mark.parametrize(
    ("provider", "resource", "context", "expected"),
    [
        ("github", "repositoriesWithOwner", {}, [{"id": "acme/shop"}]),
        ("github", "branches", {"owner": "acme", "repository": "shop"}, [{"id": "main"}, {"id": "next"}]),
        ("github", "owners", {"host": "github.com"}, [{"id": "acme"}]),
        ("gitlab", "groups", {}, [{"title": "acme/web", "id": "7"}, {"title": "ada", "id": "5"}]),
        ("gitlab", "repositories", {"id": "7"}, [{"title": "Shop", "id": "shop"}]),
        ("gitlab", "repositories", {"id": "5"}, [{"title": "Notes", "id": "notes"}]),
        ("bitbucket-cloud", "workspaces", {}, [{"id": "acme"}]),
        ("bitbucket-cloud", "projects", {"workspace": "acme"}, [{"id": "WEB"}]),
        ("bitbucket-cloud", "repositories", {"workspace": "acme", "project": "WEB"}, [{"id": "shop"}]),
        ("bitbucket-cloud", "branches", {"workspace": "acme", "repository": "shop"}, [{"id": "main"}]),
    ],
)
async def test_what_is_suggested(
    provider: str, resource: str, context: dict[str, str], expected: list[Any], forges: respx.MockRouter
) -> None:
    assert await PROVIDERS[provider].suggest(resource, "of-the-user", context) == expected
    # The person's own token, and no other.
    assert {call.request.headers["authorization"] for call in forges.calls} == {"Bearer of-the-user"}


@pytest.mark.parametrize(
    ("provider", "resource", "context", "words"),
    [
        *((provider, "nothing", {}, "Invalid resource: nothing") for provider in PROVIDERS),
        ("github", "branches", {"owner": "acme"}, "Missing owner and/or repository context parameter"),
        ("gitlab", "repositories", {}, "Missing groupId and userId context parameter"),
        ("bitbucket-cloud", "projects", {}, "Missing workspace context parameter"),
        ("bitbucket-cloud", "repositories", {"workspace": "a"}, "Missing workspace and/or project context parameter"),
        ("bitbucket-cloud", "branches", {"workspace": "a"}, "Missing workspace and/or repository context parameter"),
        ("bitbucket-cloud", "projects", {"workspace": ".."}, "is no name on a forge"),
    ],
)
async def test_what_cannot_be_suggested(
    provider: str, resource: str, context: dict[str, str], words: str, forges: respx.MockRouter
) -> None:
    with pytest.raises(InputError, match=words):
        await PROVIDERS[provider].suggest(resource, "t", context)
    assert not forges.calls


@pytest.mark.parametrize(("provider", "resource"), [("github", "owners"), ("gitlab", "groups")])
async def test_a_token_goes_to_configured_forges_only(provider: str, resource: str, forges: respx.MockRouter) -> None:
    with pytest.raises(InputError):
        await PROVIDERS[provider].suggest(resource, "t", {"host": "evil.example.org"})
    assert not forges.calls


async def test_lists_are_read_to_their_end(forges: respx.MockRouter) -> None:
    full, rest = [{"login": f"org-{number}"} for number in range(100)], [{"login": "last"}]
    forges.get("https://api.github.com/user/orgs").mock(
        side_effect=[httpx.Response(200, json=full), httpx.Response(200, json=rest)]
    )
    found = await PROVIDERS["github"].suggest("owners", "t", {})
    assert (len(found), found[-1]) == (101, {"id": "last"})
    forges.get("https://api.bitbucket.org/2.0/workspaces").mock(
        side_effect=[
            httpx.Response(
                200, json={"values": [{"slug": "a"}], "next": "https://api.bitbucket.org/2.0/workspaces?page=2"}
            ),
            httpx.Response(200, json={"values": [{"slug": "b"}]}),
        ]
    )
    assert await PROVIDERS["bitbucket-cloud"].suggest("workspaces", "t", {}) == [{"id": "a"}, {"id": "b"}]


async def test_a_refusal_is_told_without_the_token(forges: respx.MockRouter) -> None:
    forges.get("https://api.github.com/user/orgs").mock(
        return_value=httpx.Response(401, json={"message": "Bad secret-t"})
    )
    with pytest.raises(NotAllowedError) as raised:
        await PROVIDERS["github"].suggest("owners", "secret-t", {})
    assert "secret-t" not in raised.value.message
