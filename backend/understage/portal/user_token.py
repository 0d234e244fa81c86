"""Reads the user out of a token that this service issued; used by the user-info endpoint of `guest`."""

from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from understage.errors import AuthenticationError

_TYPES: Final = ("vnd.backstage.user", "vnd.backstage.limited-user")
_ALGORITHMS: Final = ["ES256", "RS256"]
_CLAIMS: Final = jwt.JWTClaimsRegistry(
    exp={"essential": True}, iat={"essential": True}, sub={"essential": True, "allow_blank": False}
)


def read_user_ref(token: str, jwks: dict[str, Any]) -> str:
    """The user entity ref of a valid user or limited user token; AuthenticationError for anything else."""
    try:
        decoded = jwt.decode(
            token, KeySet.import_key_set(KeySetSerialization(keys=jwks["keys"])), algorithms=_ALGORITHMS
        )
        _CLAIMS.validate(decoded.claims)
    except (JoseError, ValueError) as error:
        raise AuthenticationError("Failed user token verification") from error
    if decoded.header.get("typ") not in _TYPES:
        raise AuthenticationError("Illegal token")
    return str(decoded.claims["sub"])
