"""The content security policy: what the stock page needs and what the configuration changes."""

from collections.abc import Mapping

from understage.portal.page_config import make_page_config
from understage.portal.security import security_headers


def policy(config: Mapping[str, object]) -> dict[str, list[str]]:
    headers = security_headers(config, make_page_config(config))
    directives = [directive.split() for directive in headers["Content-Security-Policy"].split("; ")]
    return {name: sources for name, *sources in directives}


def test_scripts_come_from_here_only_and_may_compile_schemas() -> None:
    assert policy({})["script-src"] == ["'self'", "'unsafe-eval'"]
    assert policy({})["object-src"] == ["'none'"]
    assert policy({})["frame-ancestors"] == ["'self'"]


def test_the_page_may_connect_to_what_it_is_configured_to_call() -> None:
    config = {
        "backend": {"baseUrl": "https://acme.example"},
        "discovery": {"endpoints": [{"target": "https://catalog.example/api/catalog", "plugins": ["catalog"]}]},
        "integrations": {"github": [{"host": "github.com"}]},
    }

    assert policy(config)["connect-src"] == [
        "'self'",
        "https://acme.example",
        "https://api.github.com",
        "https://catalog.example",
    ]


def test_directives_are_replaced_removed_and_added_by_the_configuration() -> None:
    config = {"backend": {"csp": {"connect-src": ["'self'", "https:"], "img-src": False, "form-action": ["'self'"]}}}

    assert policy(config)["connect-src"] == ["'self'", "https:"]
    assert "img-src" not in policy(config)
    assert policy(config)["form-action"] == ["'self'"]


def test_a_directive_cannot_smuggle_in_a_header() -> None:
    """Header values go out as they are: a line break in one would begin another."""
    config = {"backend": {"csp": {"img-src": ["x\r\nSet-Cookie: a=b", "y; script-src *"], "a;b": ["c"]}}}

    assert policy(config)["script-src"] == ["'self'", "'unsafe-eval'"]
    assert "\n" not in security_headers(config, make_page_config(config))["Content-Security-Policy"]
