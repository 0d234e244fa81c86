"""Our own signing keys: one at a time signs, several are published so that what they signed can be checked.

A private key never leaves the memory of its process. Public keys go into a store that all replicas share, and stay
published for three lifetimes, so a token outlives a restart and is accepted by whichever replica is asked for keys.
"""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from understage.config.backend_settings import PluginKeyStore
from understage.errors import InputError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

log = structlog.get_logger(__name__)

PUBLISHED_LIFETIMES = 3
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A published key: `jwk` is its public JSON Web Key, `expires_at` seconds since 1970."""

    kid: str
    jwk: dict[str, Any]
    expires_at: float


class KeyStore(Protocol):
    """Where the public keys of one plugin are shared."""

    async def add(self, key: PublicKey) -> None:
        """Publish a key."""
        ...

    async def list(self) -> Sequence[PublicKey]:
        """All published keys; those that expired may be dropped."""
        ...


class SigningKeys(Protocol):
    """Gives the key to sign with and the keys to publish."""

    async def signing_key(self) -> "ECKey":
        """The private key of the moment."""
        ...

    async def public_jwks(self) -> dict[str, Any]:
        """`{"keys": [<public JWK>, …]}`."""
        ...


class RotatingKeys:
    """Keys that this process makes, a new one each `lifetime` seconds, at the first signing after the old one ended."""

    def __init__(self, store: KeyStore, *, lifetime: float = 3600, clock: Clock = time.time) -> None:
        self._store = store
        self._lifetime = lifetime
        self._clock = clock
        self._key: ECKey | None = None
        self._ends_at = 0.0
        self._lock = asyncio.Lock()

    async def signing_key(self) -> "ECKey":
        """The private key of the moment; its public half is in the store before it is given out."""
        if self._key is not None and self._clock() < self._ends_at:
            return self._key
        async with self._lock:
            now = self._clock()
            if self._key is None or now >= self._ends_at:
                key = generate_key()
                await self._store.add(publish(key, now + PUBLISHED_LIFETIMES * self._lifetime))
                self._key, self._ends_at = key, now + self._lifetime
                log.info("created new signing key", kid=key.kid)
            return self._key

    async def public_jwks(self) -> dict[str, Any]:
        """Every key that may have signed something still valid, of all replicas."""
        now = self._clock()
        return {"keys": [key.jwk for key in await self._store.list() if key.expires_at > now]}


class StaticKeys:
    """Keys from PEM files, for installations that must not keep them in a database. The first pair signs."""

    def __init__(self, signing_key: "ECKey", public_jwks: Sequence[dict[str, Any]]) -> None:
        self._signing_key = signing_key
        self._public_jwks = list(public_jwks)

    @classmethod
    def from_settings(cls, settings: PluginKeyStore, root: Path) -> "StaticKeys":
        """Read the files of `backend.auth.pluginKeyStore.static`, relative to `root`. Raises InputError."""
        pairs = settings.static.keys
        if not pairs:
            raise InputError(
                "At least one key pair must be provided in static.keys, when the static key store type is used"
            )
        if not pairs[0].private_key_file:
            raise InputError(
                "Private key for signing must be provided in the first key pair in static.keys, "
                "when the static key store type is used"
            )
        if unsupported := [pair.algorithm for pair in pairs if pair.algorithm != "ES256"]:
            raise InputError(f"backend.auth.pluginKeyStore: algorithm {unsupported[0]} is not supported, use ES256")
        public = [
            _read_pem(root / pair.public_key_file, pair.key_id).as_dict(private=False, alg="ES256") for pair in pairs
        ]
        return cls(_read_pem(root / pairs[0].private_key_file, pairs[0].key_id), public)

    async def signing_key(self) -> "ECKey":
        """The private key of the first pair."""
        return self._signing_key

    async def public_jwks(self) -> dict[str, Any]:
        """All public keys."""
        return {"keys": self._public_jwks}


class MemoryKeyStore:
    """Keys of a single process that nobody needs after it ends."""

    def __init__(self) -> None:
        self._keys: list[PublicKey] = []

    async def add(self, key: PublicKey) -> None:
        """Publish a key."""
        self._keys.append(key)

    async def list(self) -> Sequence[PublicKey]:
        """All keys."""
        return tuple(self._keys)


class KeyFile:
    """Public keys in a JSON file of mode 0600, for one process at a time; what expired is dropped when writing."""

    def __init__(self, path: Path, *, clock: Clock = time.time) -> None:
        self._path = path
        self._clock = clock

    def read(self) -> list[PublicKey]:
        """All keys of the file; none if it does not exist. Raises InputError if it is damaged."""
        try:
            rows = json.loads(self._path.read_bytes())
            return [PublicKey(row["kid"], row["jwk"], float(row["expiresAt"])) for row in rows]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self._path} is damaged ({error}); delete it, everybody signs in again then") from error

    def append(self, key: PublicKey) -> None:
        """Write the file anew with one key more; a crash leaves the old or the new file."""
        now = self._clock()
        keys = [*(known for known in self.read() if known.expires_at > now), key]
        rows = [{"kid": known.kid, "jwk": known.jwk, "expiresAt": known.expires_at} for known in keys]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(rows, file)
        draft.replace(self._path)


class FileKeyStore:
    """A `KeyFile` as key store of a plugin: the embedded default."""

    def __init__(self, file: KeyFile) -> None:
        self._file = file

    async def add(self, key: PublicKey) -> None:
        """Publish a key."""
        await asyncio.to_thread(self._file.append, key)

    async def list(self) -> Sequence[PublicKey]:
        """All keys of the file."""
        return await asyncio.to_thread(self._file.read)


def generate_key() -> "ECKey":
    """A new ES256 key with a random id."""
    from joserfc.jwk import ECKey

    return ECKey.generate_key("P-256", {"kid": str(uuid.uuid4()), "alg": "ES256"})


def publish(key: "ECKey", expires_at: float) -> PublicKey:
    """The public half of a key, in the form that Backstage publishes: kty, crv, x, y, kid, alg."""
    jwk = key.as_dict(private=False)
    return PublicKey(str(key.kid), {name: jwk[name] for name in ("kty", "crv", "x", "y", "kid", "alg")}, expires_at)


def _read_pem(path: Path, kid: str) -> "ECKey":
    from joserfc.jwk import ECKey

    try:
        return ECKey.import_key(path.read_bytes(), {"kid": kid, "alg": "ES256"})
    except OSError as error:
        raise InputError(f"backend.auth.pluginKeyStore: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"backend.auth.pluginKeyStore: {path} is no PEM file of an ES256 key: {error}") from error
