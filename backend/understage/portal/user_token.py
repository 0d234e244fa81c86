"""Reads the user out of a token that this service issued; used by the user-info endpoint of `guest`."""

from typing import Final

from understage.errors import AuthenticationError
from understage.identity import tokens
from understage.identity.jwks import KeyResolver
from understage.identity.tokens import TokenError

_CLAIMS: Final = ("iat", "exp", "sub")


async def read_user_ref(token: str, keys: KeyResolver) -> str:
    """The user entity ref of a valid user or limited user token; AuthenticationError for anything else."""
    if tokens.token_type(token) not in (tokens.USER, tokens.LIMITED_USER):
        raise AuthenticationError("Illegal token")
    try:
        key = await keys.key_for(tokens.read_header(token))
        claims = tokens.verify(token, key, required=_CLAIMS)
    except TokenError as error:
        raise AuthenticationError("Failed user token verification") from error
    return str(claims["sub"])
