"""The published keys of another service: fetched, cached, fetched again for an unknown key, but not too often.

Called by `authenticator` and `external`. The limits are those of the stock backend: keys are kept for 10 minutes, an
unknown key leads to a new request when the last one is 30 seconds old, and at most 10 times a minute otherwise.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from joserfc.errors import JoseError

from understage.errors import UnderstageError
from understage.identity.discovery import Discovery
from understage.identity.outgoing import Fetch
from understage.identity.tokens import ASYMMETRIC, KeysUnavailableError, TokenError

if TYPE_CHECKING:
    from joserfc.jwk import Key

log = structlog.get_logger(__name__)

MAX_AGE = 600.0
COOL_DOWN = 30.0
FORCED_PER_MINUTE = 10
STALE_AGE = 3 * MAX_AGE
"""How long old keys still count while their service does not answer."""
FAILURE_PAUSE = 2.0
"""How long a failed request is not repeated, so that forged tokens do not become a flood of requests."""
CLIENT_LIMIT = 100
LOCAL_AGE = 60.0


class KeyResolver(Protocol):
    """Finds the key that signed a token."""

    async def key_for(self, header: Mapping[str, Any]) -> "Key":
        """The key that the (unverified) header names; raises TokenError if there is none."""
        ...


class LocalKeys:
    """Keys published by this very process, asked without a request and remembered for a minute."""

    def __init__(
        self,
        public_jwks: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._public_jwks = public_jwks
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._read_at = float("-inf")

    async def key_for(self, header: Mapping[str, Any]) -> "Key":
        """The key with the header's id."""
        kid = str(header.get("kid"))
        if kid not in self._keys or self._clock() - self._read_at >= LOCAL_AGE:
            imported = map(_import, (await self._public_jwks())["keys"])
            self._keys = {str(key.kid): key for key in imported if key is not None}
            self._read_at = self._clock()
        if kid not in self._keys:
            raise TokenError(f"no key {kid!r} of this service")
        return self._keys[kid]


class JwksClient:
    """The keys at one URL."""

    def __init__(self, url: str, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: list[Key] = []
        self._fetched_at: float | None = None
        self._failure: tuple[float, KeysUnavailableError] | None = None
        self._forced: deque[float] = deque()
        self._lock = asyncio.Lock()

    async def key_for(self, header: Mapping[str, Any]) -> "Key":
        """The key that a token's header names.

        Raises TokenError if there is none, also after asking anew, or if the service cannot be asked.
        """
        await self._refresh_when_old()
        key = self._find(header)
        if key is None:
            await self._refresh_for_unknown()
            key = self._find(header)
        if key is None:
            raise TokenError(f"no key {header.get('kid')!r} at {self.url}")
        return key

    async def _refresh_when_old(self) -> None:
        if self._age() < MAX_AGE:
            return
        async with self._lock:
            if self._age() < MAX_AGE:
                return
            try:
                await self._load()
            except TokenError:
                if self._age() > STALE_AGE:
                    raise
                log.warning("keys cannot be fetched, using those known", url=self.url)

    async def _refresh_for_unknown(self) -> None:
        before = self._fetched_at
        async with self._lock:
            # Whoever waited here while another one asked has its answer already.
            if self._fetched_at == before and self._may_reload():
                await self._load()

    def _may_reload(self) -> bool:
        if self._age() >= COOL_DOWN:
            return True
        now = self._clock()
        while self._forced and self._forced[0] <= now - 60:
            self._forced.popleft()
        if len(self._forced) >= FORCED_PER_MINUTE:
            return False
        self._forced.append(now)
        return True

    async def _load(self) -> None:
        if self._failure is not None and self._clock() - self._failure[0] < FAILURE_PAUSE:
            raise self._failure[1]
        try:
            self._keys = await self._request()
        except KeysUnavailableError as error:
            self._failure = (self._clock(), error)
            raise
        self._fetched_at = self._clock()

    async def _request(self) -> "list[Key]":
        try:
            answer = await self._fetch(self.url)
        except UnderstageError as error:
            raise KeysUnavailableError(f"the keys at {self.url} cannot be fetched: {error.message}") from error
        keys = answer.body.get("keys") if isinstance(answer.body, dict) else None
        if answer.status != 200 or not isinstance(keys, list):
            raise KeysUnavailableError(f"{self.url} answered {answer.status} without keys")
        return [key for key in map(_import, keys) if key is not None]

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    def _find(self, header: Mapping[str, Any]) -> "Key | None":
        kid, algorithm = header.get("kid"), header.get("alg")
        fitting = [key for key in self._keys if key.get("alg") in (None, algorithm) and kid in (None, key.kid)]
        # Without a key id only a single key can be meant.
        return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None


class PluginKeys:
    """The keys of any plugin by its id: our own ones directly, others at the address that discovery gives.

    Ids come from unverified tokens, so only the `CLIENT_LIMIT` last used are remembered.
    """

    def __init__(self, discovery: Discovery, fetch: Fetch, local: Mapping[str, KeyResolver] | None = None) -> None:
        self._discovery = discovery
        self._fetch = fetch
        self._local = dict(local or {})
        self._clients: dict[str, JwksClient] = {}

    def __call__(self, plugin_id: str) -> KeyResolver:
        """The resolver of a plugin's keys."""
        if plugin_id in self._local:
            return self._local[plugin_id]
        client = self._clients.pop(plugin_id, None)
        if client is None:
            url = f"{self._discovery.internal(plugin_id)}/.backstage/auth/v1/jwks.json"
            client = JwksClient(url, self._fetch)
        self._clients[plugin_id] = client
        if len(self._clients) > CLIENT_LIMIT:
            del self._clients[next(iter(self._clients))]
        return client


def _import(jwk: Any) -> "Key | None":
    """A public key; None for what cannot verify a signature, which a service may publish beside."""
    if not isinstance(jwk, dict):
        return None
    from joserfc.jwk import import_key

    try:
        key = import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key if key.key_type != "oct" and key.get("use") != "enc" and key.get("alg") in (None, *ASYMMETRIC) else None
