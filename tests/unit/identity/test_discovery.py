from typing import Any

import pytest

from understage.config.settings import Settings
from understage.errors import InputError
from understage.identity.discovery import Discovery


def discovery(backend: dict[str, Any] | None = None, endpoints: list[dict[str, Any]] | None = None) -> Discovery:
    config = {
        "backend": {"baseUrl": "https://b.example.com/", **(backend or {})},
        "discovery": {"endpoints": endpoints or []},
    }
    return Discovery(Settings.model_validate(config))


@pytest.mark.parametrize(
    ("backend", "internal"),
    [
        ({}, "http://localhost:7007/api/catalog"),
        ({"listen": ":80"}, "http://localhost:80/api/catalog"),
        ({"listen": {"host": "0.0.0.0", "port": 1}}, "http://127.0.0.1:1/api/catalog"),
        ({"listen": {"host": "::1"}}, "http://[::1]:7007/api/catalog"),
        ({"listen": {"host": "::"}, "https": True}, "https://localhost:7007/api/catalog"),
    ],
)
def test_own_plugins_are_at_the_address_listened_at(backend: dict[str, Any], internal: str) -> None:
    found = discovery(backend)
    assert found.internal("catalog") == internal
    assert found.external("catalog") == "https://b.example.com/api/catalog"


def test_endpoints_name_other_addresses() -> None:
    found = discovery(
        endpoints=[
            {"target": "http://all/{{ pluginId }}", "plugins": ["*"]},
            {"target": "http://one", "plugins": ["auth", "search"]},
            {"target": {"internal": "http://in/{{pluginId}}/", "external": "http://out"}, "plugins": ["search"]},
            {"target": {"internal": "http://only-in"}, "plugins": ["techdocs"]},
        ]
    )
    assert found.internal("auth") == found.external("auth") == "http://one"
    assert (found.internal("search"), found.external("search")) == ("http://in/search", "http://out")
    assert (found.internal("techdocs"), found.external("techdocs")) == ("http://only-in", "http://all/techdocs")
    assert (found.is_elsewhere("search"), discovery().is_elsewhere("search")) == (True, False)
    assert found.internal("a/b") == "http://all/a%2Fb"


def test_service_records_are_refused_at_start() -> None:
    with pytest.raises(InputError, match="SRV addresses are not supported"):
        discovery(endpoints=[{"target": {"internal": "http+srv://x"}, "plugins": ["a"]}])
