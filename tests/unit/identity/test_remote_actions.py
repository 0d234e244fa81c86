"""Other plugins' actions: who is asked, for whom, what is believed, and what is said when it goes wrong."""

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from understage.config.backend_settings import BackendActions
from understage.config.settings import Settings
from understage.errors import ForeignError
from understage.identity.credentials import Credentials
from understage.identity.discovery import Discovery
from understage.identity.issuing import PluginTokenIssuer
from understage.identity.outgoing import Answer
from understage.identity.remote_actions import RemoteAction, RemoteActionError, RemoteActions

CALLER = Credentials.user("user:default/ada", "token")


class Issuer(PluginTokenIssuer):
    def __init__(self) -> None:
        pass

    async def headers(self, target_plugin_id: str, on_behalf_of: Credentials) -> dict[str, str]:
        return {"Authorization": f"Bearer for {target_plugin_id}, on behalf of {on_behalf_of.user_ref}"}


def told(action_id: str, **attributes: bool) -> dict[str, Any]:
    shapes = {"input": {"type": "object"}, "output": {"type": "object"}}
    return {"id": action_id, "description": "It is one.", "attributes": attributes, "schema": shapes}


class Plugins:
    """Answers by URL, and keeps what was asked."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any, str]] = []

    async def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer:
        self.asked.append((method, url, json, (headers or {})["Authorization"]))
        plugin = url.removeprefix("http://localhost:7007/api/").partition("/")[0]
        if plugin not in self.answers:
            raise ForeignError("connection refused")
        return self.answers[plugin]


def actions(plugins: Plugins, **settings: Any) -> RemoteActions:
    return RemoteActions(
        BackendActions.model_validate(settings),
        issuer=Issuer(),
        discovery=Discovery(Settings()),
        fetch=plugins,
    )


SHOP = Answer(
    200, {"actions": [told("shop:sell", destructive=True), told("shop:look", readOnly=True), told("bank:pay")]}
)


async def test_nobody_is_asked_where_no_plugin_is_named() -> None:
    plugins = Plugins({"shop": SHOP})
    assert await actions(plugins).offered(CALLER) == []
    assert await actions(plugins).find("shop:sell", CALLER) is None
    assert plugins.asked == []


async def test_plugins_are_asked_for_the_caller_and_speak_for_themselves_only() -> None:
    plugins = Plugins({"shop": SHOP})
    found = await actions(plugins, pluginSources=["shop"]).offered(CALLER)
    assert [action.id for action in found] == ["shop:sell", "shop:look"]
    [(_, url, _, authorization)] = plugins.asked
    assert url == "http://localhost:7007/api/shop/.backstage/actions/v1/actions"
    assert authorization == "Bearer for shop, on behalf of user:default/ada"


async def test_a_plugin_that_fails_is_logged_and_the_others_are_listed() -> None:
    plugins = Plugins({"shop": SHOP, "bank": Answer(403, {"error": {"message": "closed"}})})
    with capture_logs() as logs:
        found = await actions(plugins, pluginSources=["bank", "shop", "away"]).offered(CALLER)
    assert [action.id for action in found] == ["shop:sell", "shop:look"]
    assert {(log["plugin"], log["reason"]) for log in logs} == {
        ("bank", "Request failed with 403 Forbidden: closed"),
        ("away", "connection refused"),
    }


async def test_the_configured_filter_chooses() -> None:
    chosen = {"include": [{"attributes": {"readOnly": True}}]}
    remote = actions(Plugins({"shop": SHOP}), pluginSources=["shop"], filter=chosen)
    assert [action.id for action in await remote.offered(CALLER)] == ["shop:look"]
    assert await remote.find("shop:sell", CALLER) is None
    assert (await remote.find("shop:look", CALLER)) is not None


async def test_only_the_plugin_of_an_id_is_asked_for_it_and_each_time_anew() -> None:
    plugins = Plugins({"shop": SHOP, "bank": SHOP})
    remote = actions(plugins, pluginSources=["bank", "shop"])
    for _ in range(2):
        found = await remote.find("shop:look", CALLER)
        assert found == RemoteAction(
            "shop:look",
            "It is one.",
            {"destructive": False, "idempotent": False, "readOnly": True},
            {"type": "object"},
            {"type": "object"},
        )
        assert found.only_reads
    assert {url.split("/")[4] for _, url, _, _ in plugins.asked} == {"shop"}
    assert len(plugins.asked) == 2


async def test_an_action_is_called_with_its_input() -> None:
    plugins = Plugins({"shop": Answer(200, {"output": {"sold": 1}})})
    remote = actions(plugins, pluginSources=["shop"])
    action = RemoteAction("shop:sell", "", {}, {}, {})
    assert await remote.invoke(action, {"what": "a hat"}, CALLER) == {"sold": 1}
    [(method, url, json, _)] = plugins.asked
    assert (method, json) == ("POST", {"what": "a hat"})
    assert url.endswith("/api/shop/.backstage/actions/v1/actions/shop%3Asell/invoke")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            Answer(400, {"error": {"name": "InputError", "message": "no hats"}}),
            "Request failed with 400 Bad Request: no hats",
        ),
        (Answer(404, None), "Request failed with 404 Not Found"),
        (Answer(599, "what"), "Request failed with 599"),
        (Answer(200, ["what"]), "The plugin shop answered what is no JSON object"),
    ],
)
async def test_what_goes_wrong_is_told(answer: Answer, message: str) -> None:
    remote = actions(Plugins({"shop": answer}), pluginSources=["shop"])
    with pytest.raises(RemoteActionError) as caught:
        await remote.invoke(RemoteAction("shop:sell", "", {}, {}, {}), {}, CALLER)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "listed", [None, "x", [1, {"id": 1}, {"id": "shop:a"}, {"id": "shop:a", "schema": {"input": 1}}]]
)
async def test_what_is_no_action_is_left_out(listed: Any) -> None:
    remote = actions(Plugins({"shop": Answer(200, {"actions": listed})}), pluginSources=["shop"])
    assert await remote.offered(CALLER) == []
