"""Notifications of the scaffolder: one request to the notifications plugin, by the scaffolder's own token."""

import json
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from understage.app.http import ServiceFetch
from understage.app.plugins import ScaffolderNotifications
from understage.errors import ForeignError
from understage.platform.http import HttpClient

URL = "http://backstage.example.org/api/notifications"


class Issuer:
    """Signs as its own credentials for a plugin."""

    own_credentials = "plugin:scaffolder"

    async def headers(self, plugin: str, credentials: str) -> dict[str, str]:
        return {"authorization": f"Bearer {credentials} for {plugin}"}


def notifications(status: int, requests: list[httpx.Request]) -> ScaffolderNotifications:
    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, json={})

    identity = SimpleNamespace(
        plugins={"scaffolder": SimpleNamespace(issuer=Issuer())},
        discovery=SimpleNamespace(internal=lambda plugin: URL.replace("notifications", plugin)),
    )
    fetch = ServiceFetch(HttpClient(transport=httpx.MockTransport(answer)), "http://localhost:7007/api/")
    return ScaffolderNotifications(cast(Any, identity), fetch)


async def test_a_notification_is_posted_as_the_scaffolder() -> None:
    requests: list[httpx.Request] = []
    await notifications(200, requests).send({"type": "broadcast"}, {"title": "Done"})
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", URL)
    assert request.headers["authorization"] == "Bearer plugin:scaffolder for notifications"
    assert json.loads(request.content) == {"recipients": {"type": "broadcast"}, "payload": {"title": "Done"}}


async def test_where_nobody_takes_it_the_error_says_what_to_check() -> None:
    with pytest.raises(ForeignError, match=f"{URL} answered 404. Check that the notifications plugin is installed"):
        await notifications(404, []).send({"type": "broadcast"}, {"title": "Done"})
