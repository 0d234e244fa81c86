import asyncio
from typing import Any

import pytest
from joserfc.jwk import OctKey
from tests.unit.identity.conftest import Clock, Network

from understage.config.settings import Settings
from understage.identity.discovery import Discovery
from understage.identity.jwks import CLIENT_LIMIT, FORCED_PER_MINUTE, JwksClient, LocalKeys, PluginKeys
from understage.identity.keys import MemoryKeyStore, RotatingKeys, generate_key
from understage.identity.tokens import KeysUnavailableError, TokenError

URL = "http://auth/.well-known/jwks.json"


def header(key: Any) -> dict[str, str]:
    return {"kid": key.kid, "alg": "ES256"}


class Issuer:
    """Publishes what `keys` holds at the moment."""

    def __init__(self, clock: Clock) -> None:
        self.keys = [generate_key()]
        self.network = Network()
        self.network.serve(URL, lambda: {"keys": [key.as_dict(private=False) for key in self.keys]})
        self.client = JwksClient(URL, self.network, clock=clock)

    def find(self, key: Any) -> str:
        return str(asyncio.run(self.client.key_for(header(key))).kid)

    @property
    def requests(self) -> int:
        return self.network.count(URL)


@pytest.fixture
def issuer(clock: Clock) -> Issuer:
    return Issuer(clock)


def test_keys_are_fetched_once_for_ten_minutes(issuer: Issuer, clock: Clock) -> None:
    for _ in range(3):
        assert issuer.find(issuer.keys[0]) == issuer.keys[0].kid
    clock.now += 599
    issuer.find(issuer.keys[0])
    assert issuer.requests == 1
    clock.now += 1
    issuer.find(issuer.keys[0])
    assert issuer.requests == 2


def test_new_key_is_found_at_once(issuer: Issuer) -> None:
    issuer.find(issuer.keys[0])
    issuer.keys.append(generate_key())
    assert issuer.find(issuer.keys[1]) == issuer.keys[1].kid
    assert issuer.requests == 2


def test_removed_key_no_longer_counts_after_the_next_request(issuer: Issuer, clock: Clock) -> None:
    old = issuer.keys[0]
    issuer.find(old)
    issuer.keys[:] = [generate_key()]
    clock.now += 600
    with pytest.raises(TokenError, match="no key"):
        issuer.find(old)


def test_unknown_keys_cannot_cause_a_flood(issuer: Issuer, clock: Clock) -> None:
    issuer.find(issuer.keys[0])
    for _ in range(100):
        with pytest.raises(TokenError):
            issuer.find(generate_key())
    assert issuer.requests == 1 + FORCED_PER_MINUTE
    clock.now += 60
    with pytest.raises(TokenError):
        issuer.find(generate_key())
    assert issuer.requests == 2 + FORCED_PER_MINUTE


def test_many_at_once_ask_once(issuer: Issuer) -> None:
    async def live() -> None:
        await asyncio.gather(*(issuer.client.key_for(header(issuer.keys[0])) for _ in range(50)))

    asyncio.run(live())
    assert issuer.requests == 1


def test_silent_service_is_bridged_with_the_keys_known_but_not_for_ever(issuer: Issuer, clock: Clock) -> None:
    issuer.find(issuer.keys[0])
    del issuer.network.handlers[URL]
    clock.now += 1000
    assert issuer.find(issuer.keys[0]) == issuer.keys[0].kid
    clock.now += 1000
    with pytest.raises(KeysUnavailableError, match="cannot be fetched"):
        issuer.find(issuer.keys[0])


def test_failure_is_not_repeated_at_once_and_heals(issuer: Issuer, clock: Clock) -> None:
    handler = issuer.network.handlers.pop(URL)
    for _ in range(5):
        with pytest.raises(KeysUnavailableError):
            issuer.find(issuer.keys[0])
    assert issuer.requests == 1
    issuer.network.handlers[URL] = handler
    clock.now += 2
    assert issuer.find(issuer.keys[0]) == issuer.keys[0].kid


@pytest.mark.parametrize(
    ("status", "body"), [(404, None), (500, {"keys": []}), (200, {"keys": "x"}), (200, []), (200, None)]
)
def test_answer_without_keys_is_unavailable(clock: Clock, status: int, body: Any) -> None:
    network = Network()
    network.serve(URL, lambda: body, status)
    with pytest.raises(KeysUnavailableError, match=f"answered {status} without keys"):
        asyncio.run(JwksClient(URL, network, clock=clock).key_for({"kid": "x"}))


def test_only_public_signing_keys_are_taken(clock: Clock) -> None:
    good = generate_key()
    network = Network()
    bad = [
        {**OctKey.generate_key(256).as_dict(private=True), "kid": "secret"},
        {**good.as_dict(private=False), "kid": "enc", "use": "enc"},
        {**good.as_dict(private=False), "kid": "hs", "alg": "HS256"},
        {"kty": "unknown", "kid": "odd"},
        "text",
    ]
    network.serve(URL, lambda: {"keys": [*bad, good.as_dict(private=False)]})
    client = JwksClient(URL, network, clock=clock)
    assert asyncio.run(client.key_for(header(good))).kid == good.kid
    for kid in ("secret", "enc", "hs", "odd"):
        with pytest.raises(TokenError):
            asyncio.run(client.key_for({"kid": kid, "alg": "HS256"}))


def test_token_without_key_id_needs_a_single_key(issuer: Issuer) -> None:
    assert asyncio.run(issuer.client.key_for({"alg": "ES256"})).kid == issuer.keys[0].kid
    issuer.keys.append(generate_key())
    issuer.find(issuer.keys[1])
    with pytest.raises(TokenError):
        asyncio.run(issuer.client.key_for({"alg": "ES256"}))


def test_own_plugins_are_asked_without_a_request_and_others_where_discovery_says() -> None:
    network = Network()
    endpoints = [{"target": "http://side/{{pluginId}}", "plugins": ["search"]}]
    discovery = Discovery(Settings.model_validate({"discovery": {"endpoints": endpoints}}))
    own = RotatingKeys(MemoryKeyStore())
    plugin_keys = PluginKeys(discovery, network, {"catalog": LocalKeys(own.public_jwks)})

    async def live() -> None:
        key = await own.signing_key()
        assert (await plugin_keys("catalog").key_for(header(key))).kid == key.kid
        assert network.requests == []
        with pytest.raises(TokenError, match="no key"):
            await plugin_keys("catalog").key_for({"kid": "other"})
        with pytest.raises(KeysUnavailableError):
            await plugin_keys("search").key_for(header(key))

    asyncio.run(live())
    assert [request[1] for request in network.requests] == ["http://side/search/.backstage/auth/v1/jwks.json"]


def test_own_keys_are_remembered_for_a_minute(clock: Clock) -> None:
    keys = [generate_key()]
    reads = 0

    async def published() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"keys": [key.as_dict(private=False) for key in keys]}

    local = LocalKeys(published, clock=clock)
    old = keys[0]
    for _ in range(3):
        assert asyncio.run(local.key_for(header(old))).kid == old.kid
    assert reads == 1
    keys[:] = [generate_key()]
    assert asyncio.run(local.key_for(header(keys[0]))).kid == keys[0].kid
    clock.now += 60
    with pytest.raises(TokenError, match="no key"):
        asyncio.run(local.key_for(header(old)))
    with pytest.raises(TokenError, match="no key"):
        asyncio.run(local.key_for({"alg": "ES256"}))


def test_made_up_plugin_ids_do_not_fill_the_memory() -> None:
    plugin_keys = PluginKeys(Discovery(Settings()), Network())
    kept = plugin_keys("scaffolder")
    for number in range(CLIENT_LIMIT - 1):
        plugin_keys(f"made-up-{number}")
    assert plugin_keys("scaffolder") is kept
    for number in range(CLIENT_LIMIT):
        plugin_keys(f"more-{number}")
    assert plugin_keys("scaffolder") is not kept
