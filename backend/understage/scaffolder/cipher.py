"""Encryption at rest of everything that may hold a secret: secrets, step results, checkpoints, workspaces.

Used by `tasks` before a value goes into a row or a snapshot store, and after it comes back. AES-256-GCM; each value is bound
to its place (task and purpose), so that a row copied elsewhere does not decrypt.
"""

import hashlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from understage.errors import ServiceUnavailableError
from understage.platform.json import dumps, loads

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
_VERSION = b"\x01"


class Cipher:
    """Encrypts under a key derived from `key`: best 32 random bytes, the same in all replicas and after a restart."""

    def __init__(self, key: bytes) -> None:
        if not key:
            raise ValueError("an encryption key is needed")
        self._key = hashlib.sha256(b"understage scaffolder\0" + key).digest()

    @cached_property
    def _aead(self) -> "AESGCM":
        # With the library, whose memory a service without tasks need not have.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._key)

    def encrypt(self, value: bytes, place: str) -> bytes:
        """Encrypt bytes for a place such as `<task id>/secrets`."""
        nonce = os.urandom(NONCE_BYTES)
        return _VERSION + nonce + self._aead.encrypt(nonce, value, place.encode())

    def decrypt(self, value: bytes, place: str) -> bytes:
        """The inverse. Raises ServiceUnavailableError when the key is another one than that which encrypted."""
        from cryptography.exceptions import InvalidTag

        nonce, body = value[1 : 1 + NONCE_BYTES], value[1 + NONCE_BYTES :]
        try:
            return self._aead.decrypt(nonce, body, place.encode())
        except InvalidTag as error:
            raise ServiceUnavailableError(
                f"What is stored for {place} cannot be decrypted: is understage.encryptionKey the one it was stored under?"
            ) from error

    def encrypt_json(self, value: Any, place: str) -> bytes:
        """Encrypt a JSON value."""
        return self.encrypt(dumps(value), place)

    def decrypt_json(self, value: bytes, place: str) -> Any:
        """The inverse of `encrypt_json`."""
        return loads(self.decrypt(value, place))
