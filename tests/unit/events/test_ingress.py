"""The HTTP ingress: which topics are open, whose signatures count, what is refused, and that nothing unsigned gets through."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette
from starlette.routing import Mount

from understage.config.settings import Settings
from understage.errors import InputError
from understage.events.plugin import create_events_plugin
from understage.platform.event_bus import Event, EventBus

SECRETS = {
    "events": {
        "http": {"topics": ["custom", "bitbucketCloud"]},
        "modules": {
            "github": {"webhookSecret": "hook-secret"},
            "gitlab": {"webhookSecret": "lab-token"},
            "gitea": {"webhookSecret": "tea-secret"},
        },
    },
    "integrations": {
        "github": [{"host": "github.com", "apps": [{"appId": 1, "privateKey": "k", "webhookSecret": "app-secret"}]}]
    },
}
BODY = b'{"ref": "refs/heads/main"}'


class Ingress:
    """The plugin, and what came out of it on the bus."""

    def __init__(self, config: Mapping[str, Any] = SECRETS, *topics: str, is_ready: bool = True) -> None:
        self.events: list[Event] = []
        bus = EventBus()
        bus.subscribe(topics or ("github", "github.push", "gitlab", "gitlab.push", "gitea.push", "custom"), self.take)
        bus.subscribe(["bitbucketCloud.repo:push", "gitlab.broken", "gitlab.odd"], self.take)
        plugin = create_events_plugin(Settings.model_validate(config), bus, lambda: is_ready)
        app = Starlette(routes=[Mount("/api/events", plugin)])
        self._client = AsyncClient(transport=ASGITransport(app), base_url="http://localhost/api/events")

    async def take(self, event: Event) -> None:
        if event.topic == "gitlab.broken":
            raise RuntimeError("the database is away")
        if event.topic == "gitlab.odd":
            raise InputError("no project")
        self.events.append(event)

    async def post(self, topic: str, body: bytes = BODY, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"content-type": "application/json", **named}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        return await self._client.post(f"/http/{topic}", content=body, headers=raw)

    async def get(self, path: str) -> Response:
        return await self._client.get(path)


def signed(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("secret", ["hook-secret", "app-secret"])
async def test_a_signed_event_of_github_gets_its_topic_and_its_narrower_one(secret: str) -> None:
    ingress = Ingress()
    answer = await ingress.post("github", x_hub_signature_256=f"sha256={signed(secret)}", x_github_event="push")
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert [event.topic for event in ingress.events] == ["github", "github.push"]
    assert ingress.events[1].payload == json.loads(BODY)
    assert ingress.events[1].metadata["x-github-event"] == "push"
    assert all(event.is_trusted for event in ingress.events)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        signed("hook-secret"),
        f"sha1={signed('hook-secret')}",
        f"sha256={signed('wrong')}",
        f"sha256={signed('hook-secret', BODY + b' ')}",
        f"sha256={signed('hook-secret')[:-1]}",
        f"sha256={signed('hook-secret')}0",
        f"sha256={signed('')}",
        f"sha256={signed('lab-token')}",
        "sha256=" + "ÿ" * 64,
    ],
)
async def test_a_wrong_signature_is_refused_and_nobody_hears_of_the_event(signature: str | None) -> None:
    ingress = Ingress()
    headers = {} if signature is None else {"x_hub_signature_256": signature}
    answer = await ingress.post("github", x_github_event="push", **headers)
    assert (answer.status_code, answer.json()) == (403, {"message": "invalid signature"})
    assert ingress.events == []


async def test_the_signature_is_checked_before_the_body_is_read() -> None:
    ingress = Ingress()
    for body in (b"{", b"[" * 5000, b"\xff\xfe"):
        answer = await ingress.post("github", body, x_hub_signature_256=f"sha256={signed('wrong', body)}")
        assert (answer.status_code, answer.json()) == (403, {"message": "invalid signature"})


@pytest.mark.parametrize(("token", "status"), [("lab-token", 202), ("lab-tokem", 403), ("", 403), ("LAB-TOKEN", 403)])
async def test_gitlab_sends_its_token(token: str, status: int) -> None:
    ingress = Ingress()
    answer = await ingress.post("gitlab", b'{"event_name": "push"}', x_gitlab_token=token)
    assert answer.status_code == status
    assert answer.json() == ({"status": "accepted"} if status == 202 else {"message": "invalid token"})
    assert [event.topic for event in ingress.events] == (["gitlab", "gitlab.push"] if status == 202 else [])


async def test_gitea_signs_without_a_prefix() -> None:
    ingress = Ingress()
    good = await ingress.post("gitea", x_gitea_signature=signed("tea-secret"), x_gitea_event="push")
    bad = await ingress.post("gitea", x_gitea_signature=signed("hook-secret"), x_gitea_event="push")
    assert (good.status_code, bad.status_code) == (202, 403)
    assert [event.topic for event in ingress.events] == ["gitea.push"]


async def test_bitbucket_cloud_is_believed_only_with_a_secret() -> None:
    unsigned = Ingress()
    assert (await unsigned.post("bitbucketCloud", x_event_key="repo:push")).status_code == 202
    assert [(event.topic, event.is_trusted) for event in unsigned.events] == [("bitbucketCloud.repo:push", False)]
    checked = Ingress({"events": {"modules": {"bitbucketCloud": {"webhookSecret": "bucket"}}}})
    good = await checked.post("bitbucketCloud", x_event_key="repo:push", x_hub_signature=f"sha256={signed('bucket')}")
    bad = await checked.post("bitbucketCloud", x_event_key="repo:push", x_hub_signature=f"sha256={signed('x')}")
    assert (good.status_code, bad.status_code) == (202, 403)
    assert [event.is_trusted for event in checked.events] == [True]


async def test_a_topic_that_is_not_configured_is_not_there() -> None:
    ingress = Ingress({})
    for topic in ("github", "gitlab", "other", "github/push"):
        answer = await ingress.post(topic)
        assert (answer.status_code, answer.content) == (404, b"")
    answer = await ingress.get("/bus/v1/subscriptions")
    assert (answer.status_code, answer.json()["error"]["name"]) == (401, "AuthenticationError")
    assert (await ingress.get("/http/github")).status_code == 404


async def test_a_topic_of_the_configuration_is_taken_as_it_is() -> None:
    ingress = Ingress()
    assert (await ingress.post("custom", b'["any", "json"]')).status_code == 202
    assert [(event.topic, event.payload, event.is_trusted) for event in ingress.events] == [
        ("custom", ["any", "json"], False)
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "name"),
    [
        (b"a=1", "application/x-www-form-urlencoded", 415, "UnsupportedMediaTypeError"),
        (b"{", "application/json", 400, "InputError"),
        (b"", "application/json", 400, "InputError"),
        (b"[" * 100_000, "application/json; charset=utf-8", 400, "InputError"),
        (b'"' + b"x" * 5 * 1024 * 1024 + b'"', "application/json", 413, "PayloadTooLargeError"),
    ],
)
async def test_bodies_are_bounded_json(body: bytes, content_type: str, status: int, name: str) -> None:
    ingress = Ingress()
    answer = await ingress.post("custom", body, **{"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]["name"]) == (status, name)
    assert answer.json()["request"] == {"method": "POST", "url": "/http/custom"}
    assert ingress.events == []


async def test_an_event_that_could_not_be_handled_is_not_accepted() -> None:
    ingress = Ingress()
    lost = await ingress.post("gitlab", b'{"event_name": "broken"}', x_gitlab_token="lab-token")
    assert (lost.status_code, lost.json()["error"]["name"]) == (503, "ServiceUnavailableError")
    odd = await ingress.post("gitlab", b'{"event_name": "odd"}', x_gitlab_token="lab-token")
    assert odd.status_code == 202, "what is malformed will be so the next time too"


async def test_nothing_is_taken_before_the_service_has_started() -> None:
    ingress = Ingress(is_ready=False)
    assert (await ingress.post("custom")).status_code == 503
    assert ingress.events == []
