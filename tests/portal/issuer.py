"""A user-token issuer with one key in memory, for tests of the portal alone."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

HOUR = 3600


class MemoryIssuer:
    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "test", "alg": "ES256"})

    def issue(self, user_entity_ref: str, ownership: list[str]) -> tuple[str, int]:
        return self.sign({"sub": user_entity_ref, "iat": int(time.time()), "exp": int(time.time()) + HOUR}), HOUR

    def sign(self, claims: dict[str, Any], typ: str = "vnd.backstage.user") -> str:
        return jwt.encode({"alg": "ES256", "kid": "test", "typ": typ}, claims, self._key)

    def public_jwks(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}
