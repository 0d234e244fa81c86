"""Which Argo CD instances a configuration names."""

from typing import Any

import pytest

from understage.errors import InputError
from understage.integrations.argocd import argocd_from_config, read_instance_settings


def configured(*instances: dict[str, Any], **section: Any) -> dict[str, Any]:
    return {"argocd": {**section, "appLocatorMethods": [{"type": "config", "instances": list(instances)}]}}


MAIN = {"name": "main", "url": "https://argocd.example.com/", "token": "t0k"}


def test_nothing_configured_is_no_instance() -> None:
    assert argocd_from_config({}).get() is None
    with pytest.raises(InputError, match="no instance is configured"):
        argocd_from_config({}).get("main")


def test_instances_by_name() -> None:
    instances = argocd_from_config(configured(MAIN, {**MAIN, "name": "dr"}))
    assert instances.names() == ["main", "dr"]
    first = instances.get()
    assert first is not None
    assert (first.name, first.url) == ("main", "https://argocd.example.com")
    with pytest.raises(InputError, match="there are main, dr"):
        instances.get("test")


def test_people_may_have_another_address() -> None:
    found = argocd_from_config(configured({**MAIN, "frontendUrl": "https://cd.example.com/"})).get()
    assert found is not None
    assert found.url == "https://cd.example.com"


def test_credentials_may_be_shared() -> None:
    found = read_instance_settings(configured({"name": "a", "url": "https://a"}, username="bot", password="p4ss"))[0]
    assert (found.username, found.password, found.token) == ("bot", "p4ss", None)
    assert "p4ss" not in repr(found)


@pytest.mark.parametrize("half", [{}, {"username": "u"}])
def test_an_instance_without_credentials_is_refused_when_it_is_named(half: dict[str, str]) -> None:
    instances = argocd_from_config(configured({"name": "a", "url": "https://a", **half}))
    assert instances.get() is None
    with pytest.raises(InputError, match=r"'a' cannot be used by tasks: .*instances\[0\]"):
        instances.get("a")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (configured({"name": "a", "token": "t"}), r"argocd.appLocatorMethods\[0\].instances\[0\].url is missing"),
        (configured(MAIN, MAIN), r"stands there twice"),
    ],
)
def test_an_incomplete_instance_names_its_key(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_instance_settings(config)
