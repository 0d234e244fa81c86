"""From an Authorization header to credentials: the first question of every request.

The API edge of each plugin calls `authenticate`; one `Authenticator` belongs to one plugin, because a plugin token is
meant for one target. Order and messages are those of the stock backend: plugin token, user token, external access.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from understage.errors import AuthenticationError
from understage.identity import tokens
from understage.identity.credentials import Credentials, UserPrincipal
from understage.identity.external import ExternalTokens
from understage.identity.jwks import KeyResolver
from understage.identity.tokens import Claims, KeysUnavailableError, TokenError
from understage.identity.verified import VerifiedTokens

log = structlog.get_logger(__name__)

_BEARER = re.compile(r"Bearer[ ]+(\S+)", re.IGNORECASE)
_PLUGIN_ID = re.compile(r"[a-z0-9_-]+", re.IGNORECASE)
_USER_CLAIMS = ("iat", "exp", "sub")
_PLUGIN_CLAIMS = ("iat", "exp", "sub", "aud")


class Authenticator:
    """Verifies the tokens that callers of one plugin bring.

    `user_keys` finds the keys of the auth backend, `plugin_keys` those of the plugin with the given id.
    """

    def __init__(
        self,
        plugin_id: str,
        *,
        user_keys: KeyResolver,
        plugin_keys: Callable[[str], KeyResolver],
        external: ExternalTokens,
        auth_policy_disabled: bool = False,
    ) -> None:
        self._plugin_id = plugin_id
        self._user_keys = user_keys
        self._plugin_keys = plugin_keys
        self._external = external
        self._auth_policy_disabled = auth_policy_disabled
        self._verified = VerifiedTokens()

    async def authenticate(self, authorization_header: str | None, *, allow_limited: bool = False) -> Credentials:
        """Credentials of the caller.

        `allow_limited` also takes a limited user token (from a cookie). Without a bearer token it is nobody if the
        default auth policy is disabled. Raises AuthenticationError, or NotAllowedError for an external token that is
        restricted to other plugins.
        """
        match = _BEARER.fullmatch(authorization_header or "")
        if match:
            return await self.authenticate_token(match[1], allow_limited=allow_limited)
        if self._auth_policy_disabled:
            return Credentials.none()
        raise AuthenticationError("Missing credentials")

    async def authenticate_token(self, token: str, *, allow_limited: bool = False) -> Credentials:
        """Credentials of a token; errors as `authenticate`. One that was verified within the last seconds is taken at once."""
        known = self._verified.find(token)
        if known is None:
            known = await self._authenticate_token(token, allow_limited=allow_limited)
            if tokens.token_type(token) != tokens.LIMITED_USER:
                self._verified.keep(token, known)
        return known

    async def _authenticate_token(self, token: str, *, allow_limited: bool) -> Credentials:
        kind = tokens.token_type(token)
        if kind == tokens.PLUGIN:
            return await self._from_plugin_token(token)
        if kind in (tokens.USER, tokens.LIMITED_USER) or _is_old_user_token(token):
            claims = await self._verify_user_token(token, kind)
            if kind == tokens.LIMITED_USER and not allow_limited:
                raise AuthenticationError("Illegal limited user token")
            return Credentials.user(_user_ref(claims), token, _expiry(claims))
        credentials = await self._external.authenticate(token)
        if credentials is None:
            raise AuthenticationError("Illegal token")
        return credentials

    async def _from_plugin_token(self, token: str) -> Credentials:
        try:
            source = tokens.read_claims(token).get("sub")
        except TokenError as error:
            raise AuthenticationError("Failed plugin token verification") from error
        if not isinstance(source, str) or not _PLUGIN_ID.fullmatch(source):
            raise AuthenticationError("Invalid plugin token: forbidden subject format")
        claims = await self._verify_plugin_token(token, source)
        limited = claims.get("obo")
        if not limited:
            return Credentials.service(f"plugin:{source}")
        kind = tokens.token_type(limited) if isinstance(limited, str) else None
        if kind not in (tokens.USER, tokens.LIMITED_USER):
            raise AuthenticationError("Invalid user token in plugin token obo claim")
        user = await self._verify_user_token(limited, kind)
        return Credentials(UserPrincipal(_user_ref(user), f"plugin:{source}"), limited, _expiry(user))

    async def _verify_plugin_token(self, token: str, source: str) -> Claims:
        try:
            key = await self._plugin_keys(source).key_for(tokens.read_header(token))
            return tokens.verify(token, key, typ=tokens.PLUGIN, required=_PLUGIN_CLAIMS, audiences=[self._plugin_id])
        except KeysUnavailableError as error:
            log.warning("failed to verify incoming plugin token", source=source, reason=str(error))
            raise AuthenticationError(
                f"Received a plugin token where the source '{source}' plugin unexpectedly does not have a JWKS endpoint. "
                "The target plugin needs to be migrated to be installed in an app using the new backend system."
            ) from error
        except TokenError as error:
            log.warning("failed to verify incoming plugin token", source=source, reason=str(error))
            raise AuthenticationError("Failed plugin token verification") from error

    async def _verify_user_token(self, token: str, kind: str | None) -> Claims:
        try:
            key = await self._user_keys.key_for(tokens.read_header(token))
            if kind is None:
                return tokens.verify(token, key, audiences=[tokens.USER_AUDIENCE])
            return tokens.verify(token, key, typ=kind, required=_USER_CLAIMS)
        except TokenError as error:
            log.warning("failed to verify incoming user token", reason=str(error))
            raise AuthenticationError("Failed user token verification") from error


def _is_old_user_token(token: str) -> bool:
    """Whether it is a user token from before tokens had types."""
    try:
        return "typ" not in tokens.read_header(token) and tokens.read_claims(token).get("aud") == tokens.USER_AUDIENCE
    except TokenError:
        return False


def _user_ref(claims: Claims) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise AuthenticationError("No user sub found in token")
    return subject


def _expiry(claims: Claims) -> datetime:
    if "exp" not in claims:
        raise AuthenticationError("User token is missing expiration")
    return datetime.fromtimestamp(claims["exp"], UTC)
