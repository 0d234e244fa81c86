"""The filters of Backstage, as templates use them."""

from typing import Any

import pytest

from understage.scaffolder.filters import backstage_filters
from understage.templating import UNDEFINED, Environment, TemplateError

TYPES = {"github.com": "github", "dev.azure.com": "azure", "gitlab.com": "gitlab", "bitbucket.org": "bitbucketCloud"}
ENVIRONMENT = Environment(backstage_filters(TYPES.get))


def render(expression: str, **context: Any) -> Any:
    return ENVIRONMENT.render_value("${{ " + expression + " }}", context)


def test_repo_urls() -> None:
    assert render("u | parseRepoUrl", u="github.com?owner=acme&repo=shop") == {
        "host": "github.com",
        "repo": "shop",
        "owner": "acme",
    }
    assert render("u | projectSlug", u="github.com?owner=acme&repo=shop") == "acme/shop"
    assert render("(u | parseRepoUrl).project", u="gitlab.com?project=7&repo=shop") == "7"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere.example.com?owner=a&repo=b", "No matching integration configuration for host nowhere.example.com"),
        ("github.com?repo=b", "missing owner"),
        ("dev.azure.com?owner=a&repo=b", "missing project"),
        ("github.com?owner=a", "missing repo"),
        ("bitbucket.org?workspace=w&repo=b", "missing project"),
        (None, "parseRepoUrl needs a text"),
    ],
)
def test_repo_urls_that_lack_something(url: str | None, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        render("u | parseRepoUrl", u=url)


def test_entity_refs() -> None:
    assert render("r | parseEntityRef", r="Group:Team-A") == {"kind": "Group", "namespace": "default", "name": "Team-A"}
    assert render("r | parseEntityRef({ defaultKind: 'User' }) | pick('kind')", r="ada") == "User"
    with pytest.raises(TemplateError, match="kind"):
        render("r | parseEntityRef", r="ada")


def test_pick_follows_a_path() -> None:
    value = {"a": {"b": [1, {"c": "x"}]}, "d.e": 5}
    assert render("v | pick('a.b[1].c')", v=value) == "x"
    assert render("v | pick('a.b.0')", v=value) == 1
    assert render("v | pick('d.e')", v=value) == 5
    assert render("v | pick('a.z')", v=value) is UNDEFINED
    assert render("v | pick('__class__')", v=value) is UNDEFINED
