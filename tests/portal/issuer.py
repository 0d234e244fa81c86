"""A user-token issuer with one key in memory, for tests of the portal alone."""

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from understage.identity.tokens import identity_proof

HOUR = 3600


class MemoryIssuer:
    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"kid": "test", "alg": "ES256"})

    def issue(self, user_entity_ref: str, ownership: list[str]) -> tuple[str, int]:
        claims: dict[str, Any] = {"sub": user_entity_ref, "iat": int(time.time()), "exp": int(time.time()) + HOUR}
        # By it a plugin makes the token with which it calls another one for the user.
        proof = identity_proof(self._key, sub=user_entity_ref, iat=claims["iat"], exp=claims["exp"])
        return self.sign({**claims, "uip": proof}), HOUR

    def sign(self, claims: dict[str, Any], typ: str = "vnd.backstage.user") -> str:
        return jwt.encode({"alg": "ES256", "kid": "test", "typ": typ}, claims, self._key)

    def public_jwks(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}
