import pytest

from understage.templating import UNDEFINED, Environment, TemplateError
from understage.templating.backstage_filters import backstage_filters

HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "dev.azure.com": "azure", "bitbucket.org": "bitbucketCloud"}
ENVIRONMENT = Environment(filters=backstage_filters(HOSTS.get))


def render(expression: str, **context: object) -> object:
    return ENVIRONMENT.render_value(f"${{{{ {expression} }}}}", context)


def test_a_repository_url_falls_into_its_parts() -> None:
    assert render("u | parseRepoUrl", u="github.com?owner=acme&repo=/web/") == {
        "host": "github.com",
        "owner": "acme",
        "repo": "web",
    }
    assert render("(u | parseRepoUrl).repo", u="gitlab.com?project=42&repo=web") == "web"
    assert render("u | projectSlug", u="github.com?owner=acme&repo=web") == "acme/web"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("github.com?owner=acme", "missing repo"),
        ("github.com?repo=web", "missing owner"),
        ("bitbucket.org?workspace=w&repo=web", "missing project"),
        ("example.com?owner=acme&repo=web", "No matching integration configuration for host example.com"),
        (None, "Invalid repo URL"),
    ],
)
def test_a_bad_repository_url_is_an_error_that_says_why(url: str | None, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        render("u | parseRepoUrl", u=url)


def test_an_entity_reference_falls_into_its_parts() -> None:
    assert render("'Component:ns/web' | parseEntityRef") == {"kind": "Component", "namespace": "ns", "name": "web"}
    assert render("'web' | parseEntityRef({defaultKind: 'group', defaultNamespace: 'x'})") == {
        "kind": "group",
        "namespace": "x",
        "name": "web",
    }
    with pytest.raises(TemplateError, match="missing or empty kind"):
        render("'web' | parseEntityRef")
    with pytest.raises(TemplateError, match="not on the form"):
        render("missing | parseEntityRef")


def test_pick_follows_a_path() -> None:
    value = {"a": {"b": [1, {"c": "x"}]}, "d.e": 5}
    assert render("v | pick('a.b[1].c')", v=value) == "x"
    assert render("v | pick('d.e')", v=value) == 5
    assert render("v | pick('a.z')", v=value) is UNDEFINED
    assert render("v | pick('__class__')", v=value) is UNDEFINED
