"""Reading, checking and making the JSON Web Tokens of Backstage.

Called by `authenticator`, `external` and `issuing`. Three kinds carry their kind in the header's `typ`; all are signed
with ES256 unless another backend's keys say otherwise. Nothing that is read without verification is trusted: it only
chooses how to verify.
"""

import json
import math
import time
from collections.abc import Collection, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from understage.errors import AuthenticationError

if TYPE_CHECKING:
    # Nine megabytes, which a service has from its first token on.
    from joserfc.jwk import ECKey, Key
    from joserfc.jws import JWSRegistry

USER = "vnd.backstage.user"
LIMITED_USER = "vnd.backstage.limited-user"
PLUGIN = "vnd.backstage.plugin"
USER_AUDIENCE = "backstage"

ASYMMETRIC = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519")
"""Algorithms for which a public key suffices; taking any other from a token's header would let the caller choose."""

MAX_TOKEN_LENGTH = 32_768

Claims = dict[str, Any]


class TokenError(Exception):
    """The token is not valid; internal reason, not for callers."""


class KeysUnavailableError(TokenError):
    """The service that should publish the keys did not give any."""


def read_header(token: str) -> dict[str, Any]:
    """The protected header, unverified. Raises TokenError if the text is no token."""
    return _read_part(token, 0)


def read_claims(token: str) -> Claims:
    """The claims, **unverified**. Raises TokenError if the text is no token."""
    return _read_part(token, 1)


def token_type(token: str) -> str | None:
    """The `typ` of the header, None if it has none or the text is no token."""
    try:
        kind = read_header(token).get("typ")
    except TokenError:
        return None
    return kind if isinstance(kind, str) else None


def expiry_of(token: str) -> float:
    """When the token ends, in seconds since 1970, as its claims say, **unverified**; infinity where they do not."""
    try:
        return _number(read_claims(token), "exp", math.inf)
    except TokenError:
        return math.inf


def verify(
    token: str,
    key: "Key",
    *,
    algorithms: Collection[str] = ASYMMETRIC,
    typ: str | None = None,
    required: Collection[str] = (),
    audiences: Collection[str] | None = None,
    issuers: Collection[str] | None = None,
    now: float | None = None,
) -> Claims:
    """The claims of a token that the key signed and that is valid now. Raises TokenError with the reason."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise TokenError("the token is too long")
    from joserfc import jws

    try:
        signed = jws.deserialize_compact(token, key, algorithms=list(algorithms), registry=_registry())
    except (JoseError, ValueError, TypeError) as error:
        raise TokenError(f"the signature does not verify: {error}") from error
    if typ is not None and signed.headers().get("typ") != typ:
        raise TokenError(f"the token is not of type {typ}")
    claims = _parse_object(signed.payload)
    _check_claims(claims, required, audiences, issuers, time.time() if now is None else now)
    return claims


def sign(key: "ECKey", typ: str, claims: Mapping[str, Any]) -> str:
    """A token of a kind, signed with our own key; header members and claims stand in the order Backstage writes them."""
    from joserfc import jws

    return jws.serialize_compact(
        {"typ": typ, "alg": "ES256", "kid": key.kid},
        _compact_json(claims),
        key,
        algorithms=["ES256"],
        registry=_registry(),
    )


def identity_proof(key: "ECKey", *, sub: str, iat: int, exp: int) -> str:
    """The signature part of the limited token that anyone can derive from a user token (its `uip` claim)."""
    return sign(key, LIMITED_USER, {"sub": sub, "iat": iat, "exp": exp}).rpartition(".")[2]


def limit_user_token(token: str) -> tuple[str, int]:
    """The limited form of a user token and its expiry (seconds since 1970).

    It proves who the user is and nothing else. A token without type or already limited is returned as it is. Raises
    AuthenticationError with the stock messages.
    """
    try:
        header, claims = read_header(token), read_claims(token)
        expires = int(claims["exp"])
    except (TokenError, KeyError, TypeError, ValueError) as error:
        raise AuthenticationError("Failed to create limited user token, invalid token") from error
    typ = header.get("typ")
    if not typ or typ == LIMITED_USER:
        return token, expires
    if typ != USER:
        raise AuthenticationError("Failed to create limited user token, invalid token type")
    proof = claims.get("uip")
    if not isinstance(proof, str) or not proof:
        raise AuthenticationError("Failed to create limited user token, missing user identity proof")
    limited_header: Claims = {"typ": LIMITED_USER} | {name: header[name] for name in ("alg", "kid") if name in header}
    limited_claims: Claims = {name: claims[name] for name in ("sub", "iat", "exp") if name in claims}
    return ".".join((_encode(limited_header), _encode(limited_claims), proof)), expires


_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, which is as far as dates go."""


@cache
def _registry() -> "JWSRegistry":
    from joserfc.jws import JWSRegistry

    return JWSRegistry(strict_check_header=False)


def _read_part(token: str, index: Literal[0, 1]) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MAX_TOKEN_LENGTH:
        raise TokenError("not a token of three parts")
    try:
        return _parse_object(urlsafe_b64decode(parts[index].encode()))
    except ValueError as error:
        raise TokenError("not base64") from error


def _parse_object(data: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TokenError("not JSON") from error
    if not isinstance(value, dict):
        raise TokenError("not a JSON object")
    return value


def _check_claims(
    claims: Claims,
    required: Collection[str],
    audiences: Collection[str] | None,
    issuers: Collection[str] | None,
    now: float,
) -> None:
    if missing := [name for name in required if name not in claims]:
        raise TokenError(f"the claim {missing[0]} is missing")
    if _number(claims, "exp", now + 1) <= now:
        raise TokenError("the token has expired")
    if _number(claims, "nbf", now) > now:
        raise TokenError("the token is not valid yet")
    if audiences is not None:
        found = claims.get("aud")
        if not set(found if isinstance(found, list) else [found]) & set(audiences):
            raise TokenError(f"the token is for {found!r}, not for {' or '.join(audiences)}")
    if issuers is not None and claims.get("iss") not in issuers:
        raise TokenError(f"the token is of {claims.get('iss')!r}")


def _number(claims: Claims, name: str, default: float) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenError(f"the claim {name} is no number")
    if not -_LAST_SECOND < value < _LAST_SECOND:
        raise TokenError(f"the claim {name} is out of range")
    return value


def _encode(value: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(_compact_json(value)).decode()


def _compact_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
