"""A Backstage installation in a dictionary: services answer by URL, clocks are turned by hand."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from understage.config.settings import Settings
from understage.errors import ServiceUnavailableError
from understage.identity.authenticator import Authenticator
from understage.identity.discovery import Discovery
from understage.identity.external import ExternalTokens
from understage.identity.issuing import PluginTokenIssuer, UserTokenIssuer
from understage.identity.jwks import JwksClient, PluginKeys
from understage.identity.keys import KeyFile, MemoryKeyStore, RotatingKeys
from understage.identity.outgoing import Answer

Handler = Callable[[Mapping[str, str], Any], Awaitable[Answer]]


class Clock:
    """Seconds since 1970, advanced by tests."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Network:
    """Answers requests by URL and remembers them."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []

    async def __call__(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, json: Any = None
    ) -> Answer:
        self.requests.append((method, url, dict(headers or {}), json))
        handler = self.handlers.get(url)
        if handler is None:
            raise ServiceUnavailableError(f"nobody listens at {url}")
        return await handler(headers or {}, json)

    def serve(self, url: str, body: Callable[[], Any], status: int = 200) -> None:
        async def handle(_headers: Mapping[str, str], _json: Any) -> Answer:
            return Answer(status, body())

        self.handlers[url] = handle

    def serve_keys(self, url: str, keys: RotatingKeys) -> None:
        async def handle(_headers: Mapping[str, str], _json: Any) -> Answer:
            return Answer(200, await keys.public_jwks())

        self.handlers[url] = handle

    def count(self, url: str) -> int:
        return sum(1 for request in self.requests if request[1] == url)


class Installation:
    """An auth backend, the plugins `scaffolder` and `catalog`, and what `catalog` needs to check callers."""

    def __init__(self, tmp_path: Path, config: Mapping[str, Any]) -> None:
        self.settings = Settings.model_validate(
            {"backend": {"baseUrl": "https://backstage.example.com", "listen": ":7007"}, **config}
        )
        self.network = Network()
        self.discovery = Discovery(self.settings)
        self.users = UserTokenIssuer(
            KeyFile(tmp_path / "user-keys.json"), issuer_url=self.discovery.external("auth"), lifetime=3600
        )
        self.auth_jwks = f"{self.discovery.internal('auth')}/.well-known/jwks.json"
        self.network.serve(self.auth_jwks, self.users.public_jwks)
        self.scaffolder_keys = RotatingKeys(MemoryKeyStore())
        self.scaffolder_jwks = f"{self.discovery.internal('scaffolder')}/.backstage/auth/v1/jwks.json"
        self.network.serve_keys(self.scaffolder_jwks, self.scaffolder_keys)
        self.scaffolder = PluginTokenIssuer("scaffolder", self.scaffolder_keys)
        self.catalog = self.authenticator("catalog")

    def authenticator(self, plugin_id: str) -> Authenticator:
        auth = self.settings.backend.auth
        return Authenticator(
            plugin_id,
            user_keys=JwksClient(self.auth_jwks, self.network),
            plugin_keys=PluginKeys(self.discovery, self.network),
            external=ExternalTokens(plugin_id, auth, self.network),
            auth_policy_disabled=auth.dangerously_disable_default_auth_policy,
        )


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Installation]:
    return lambda **config: Installation(tmp_path, config)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)
